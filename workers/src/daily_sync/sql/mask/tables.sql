-- Everything with rows of its own that people made, and its columns, as one JSON object a table. A partition belongs to its root.
WITH shown AS (
    SELECT c.oid, n.nspname, c.relname, c.relkind, c.relispartition, c.reltuples
    FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'f') AND c.relpersistence <> 't'
      AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_(toast|temp)'
      AND NOT EXISTS (SELECT FROM pg_depend AS d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
)
SELECT json_build_object(
    'oid', t.oid::int8, 'name', format('%I.%I', t.nspname, t.relname), 'kind', t.relkind,
    'root', (SELECT relid::oid::int8 FROM pg_partition_ancestors(t.oid) WITH ORDINALITY AS a (relid, n) ORDER BY n DESC LIMIT 1),
    'partition', t.relispartition,
    'rows', greatest(t.reltuples, 0)::int8,
    'heaps', (SELECT coalesce(json_agg(json_build_object('sql', format('%I.%I', n.nspname, c.relname), 'pages', pg_relation_size(c.oid) / 8192, 'hides', c.relforcerowsecurity OR NOT has_table_privilege(c.relowner, c.oid, 'SELECT'))), '[]')
        FROM (SELECT t.oid AS relid UNION SELECT relid::oid FROM pg_partition_tree(t.oid)) AS p
        JOIN pg_class AS c ON c.oid = p.relid AND c.relkind = 'r' JOIN pg_namespace AS n ON n.oid = c.relnamespace),
    'columns', coalesce((SELECT json_agg(json_build_object(
        'name', a.attname,
        'type', format_type(a.atttypid, a.atttypmod),
        'valueType', format_type(inner_type.oid, inner_type.typmod),
        'base', base.typname,
        'array', element.oid IS NOT NULL,
        'length', CASE WHEN base.typname IN ('varchar', 'bpchar') THEN
            nullif(greatest(a.atttypmod, CASE WHEN own.typtype = 'd' THEN own.typtypmod ELSE -1 END), -1) - 4 END,
        'caseInsensitive', base.typname = 'citext' OR EXISTS (SELECT FROM pg_collation WHERE oid = a.attcollation AND NOT collisdeterministic),
        'notNull', a.attnotnull OR (own.typtype = 'd' AND own.typnotnull),
        'generated', a.attgenerated <> '',
        -- Named by the key itself, or used in an expression or a predicate of it.
        'unique', EXISTS (SELECT FROM pg_index AS i WHERE i.indrelid IN (SELECT t.oid UNION SELECT relid FROM pg_partition_tree(t.oid)) AND (i.indisunique OR i.indisexclusion)
            AND (a.attnum = ANY (i.indkey::int2[]) AND i.indrelid = t.oid
                 OR EXISTS (SELECT FROM pg_depend AS d JOIN pg_attribute AS u ON u.attrelid = d.refobjid AND u.attnum = d.refobjsubid
                            WHERE d.classid = 'pg_class'::regclass AND d.objid = i.indexrelid AND d.refclassid = 'pg_class'::regclass
                              AND d.refobjid = i.indrelid AND u.attname = a.attname))),
        'uniqueAlone', EXISTS (SELECT FROM pg_index AS i WHERE i.indrelid = t.oid AND i.indisunique AND i.indnkeyatts = 1 AND i.indkey[0] = a.attnum AND i.indpred IS NULL)
        ) ORDER BY a.attnum)
        FROM pg_attribute AS a
        JOIN pg_type AS own ON own.oid = a.atttypid
        CROSS JOIN LATERAL (
            WITH RECURSIVE chain AS (SELECT own.oid, a.atttypmod AS typmod UNION ALL
                SELECT ty.typbasetype, greatest(chain.typmod, ty.typtypmod) FROM chain JOIN pg_type AS ty ON ty.oid = chain.oid WHERE ty.typtype = 'd')
            SELECT ty.oid, chain.typmod, ty.typelem, ty.typcategory FROM chain JOIN pg_type AS ty ON ty.oid = chain.oid WHERE ty.typtype <> 'd'
        ) AS inner_type
        LEFT JOIN pg_type AS element ON element.oid = inner_type.typelem AND inner_type.typcategory = 'A'
        JOIN pg_type AS base ON base.oid = coalesce(nullif(element.typbasetype, 0), element.oid, inner_type.oid)
        WHERE a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped), '[]')
)::text AS "table"
FROM shown AS t
ORDER BY t.nspname, t.relname
