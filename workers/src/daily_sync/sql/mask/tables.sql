-- Everything with rows of its own that people made, and its columns, as one JSON object a table. A partition belongs to its root.
WITH shown AS (
    SELECT c.oid, n.nspname, c.relname, c.relkind, c.relispartition, c.reloftype, c.reltype, c.relforcerowsecurity, c.reltuples
    FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'f') AND c.relpersistence <> 't'
      AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'aurora_runbooks') AND n.nspname !~ '^pg_(toast|temp)'
      AND NOT EXISTS (SELECT FROM pg_depend AS d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
)
SELECT json_build_object(
    'oid', t.oid::int8, 'name', format('%I.%I', t.nspname, t.relname), 'kind', t.relkind,
    'root', (SELECT relid::oid::int8 FROM pg_partition_ancestors(t.oid) WITH ORDINALITY AS a (relid, n) ORDER BY n DESC LIMIT 1),
    'partition', t.relispartition,
    'inherits', NOT t.relispartition AND EXISTS (SELECT FROM pg_inherits AS i JOIN pg_class AS p ON p.oid = i.inhparent
        WHERE (i.inhrelid = t.oid OR i.inhparent = t.oid) AND p.relkind = 'r'),
    'typed', t.reloftype <> 0,
    'rowTypeUsed', EXISTS (SELECT FROM pg_attribute AS u JOIN pg_class AS uc ON uc.oid = u.attrelid
        WHERE u.atttypid IN (t.reltype, (SELECT typarray FROM pg_type WHERE oid = t.reltype)) AND u.atttypid <> 0 AND NOT u.attisdropped AND uc.relkind IN ('r', 'p', 'm')),
    'rows', greatest(t.reltuples, 0)::int8,
    'bytes', (SELECT coalesce(sum(pg_table_size(relid)), 0) FROM (SELECT t.oid AS relid UNION SELECT relid FROM pg_partition_tree(t.oid)) AS p)::int8,
    'columns', coalesce((SELECT json_agg(json_build_object(
        'name', a.attname, 'number', a.attnum,
        'type', format_type(a.atttypid, a.atttypmod),
        'base', base.typname, 'baseNamespace', (SELECT nspname FROM pg_namespace WHERE oid = base.typnamespace),
        'category', base.typcategory, 'array', element.oid IS NOT NULL,
        'length', CASE WHEN base.typname IN ('varchar', 'bpchar') THEN
            nullif(greatest(a.atttypmod, CASE WHEN own.typtype = 'd' THEN own.typtypmod ELSE -1 END), -1) - 4 END,
        'collation', CASE WHEN a.attcollation <> own.typcollation AND a.attcollation <> 0 THEN (SELECT format('%I.%I', cn.nspname, co.collname)
            FROM pg_collation AS co JOIN pg_namespace AS cn ON cn.oid = co.collnamespace WHERE co.oid = a.attcollation) END,
        'caseInsensitive', base.typname = 'citext' OR EXISTS (SELECT FROM pg_collation WHERE oid = a.attcollation AND NOT collisdeterministic),
        'notNull', a.attnotnull OR (own.typtype = 'd' AND own.typnotnull),
        'generated', a.attgenerated <> '',
        'unique', EXISTS (SELECT FROM pg_index AS i WHERE i.indrelid = t.oid AND (i.indisunique OR i.indisexclusion) AND a.attnum = ANY (i.indkey::int2[])),
        'uniqueAlone', EXISTS (SELECT FROM pg_index AS i WHERE i.indrelid = t.oid AND i.indisunique AND i.indnkeyatts = 1 AND i.indkey[0] = a.attnum AND i.indpred IS NULL),
        'partitionKey', EXISTS (SELECT FROM pg_partitioned_table AS p WHERE p.partrelid IN (SELECT relid FROM pg_partition_tree(t.oid))
            AND (a.attnum = ANY (p.partattrs::int2[]) OR 0 = ANY (p.partattrs::int2[]))),
        'refused', EXISTS (SELECT FROM pg_depend AS d
            WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid IN (SELECT t.oid UNION SELECT relid FROM pg_partition_tree(t.oid))
              AND d.refobjsubid > 0
              AND (SELECT attname FROM pg_attribute WHERE attrelid = d.refobjid AND attnum = d.refobjsubid) = a.attname
              AND (d.classid IN ('pg_rewrite'::regclass, 'pg_trigger'::regclass, 'pg_policy'::regclass, 'pg_proc'::regclass, 'pg_publication_rel'::regclass)
                   OR d.classid = 'pg_attrdef'::regclass AND d.objid NOT IN (SELECT oid FROM pg_attrdef WHERE adrelid = d.refobjid AND adnum = d.refobjsubid)
                   OR d.classid = 'pg_class'::regclass AND d.objid = d.refobjid AND d.objsubid > 0))
        ) ORDER BY a.attnum)
        FROM pg_attribute AS a
        JOIN pg_type AS own ON own.oid = a.atttypid
        LEFT JOIN pg_type AS inner_type ON inner_type.oid = CASE WHEN own.typtype = 'd' THEN (
            WITH RECURSIVE chain AS (SELECT own.typbasetype AS oid UNION ALL
                SELECT ty.typbasetype FROM chain JOIN pg_type AS ty ON ty.oid = chain.oid WHERE ty.typtype = 'd')
            SELECT chain.oid FROM chain JOIN pg_type AS ty ON ty.oid = chain.oid WHERE ty.typtype <> 'd') ELSE own.oid END
        LEFT JOIN pg_type AS element ON element.oid = inner_type.typelem AND inner_type.typcategory = 'A'
        JOIN pg_type AS base ON base.oid = coalesce(nullif(element.typbasetype, 0), element.oid, inner_type.oid)
        WHERE a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped), '[]')
)::text AS "table"
FROM shown AS t
ORDER BY t.nspname, t.relname
