-- For `policy draft`: every table of the database as lines of JSON, with the shape of a sample of its values, never a value. It reads, in a
-- transaction that cannot write, and what runs is PostgreSQL's own code: functions and operators of pg_catalog, on values of PostgreSQL's own
-- types. Row security would hide rows, so it is an error instead: that table is then proposed by its names alone.
-- Run it as the owner of the tables or a member of the owners: psql -XAtq -f draft.sql DATABASE
\set ON_ERROR_ROLLBACK on
BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY;
SET LOCAL search_path = pg_catalog;
SET LOCAL row_security = off;
SET LOCAL statement_timeout = '60s';
SET LOCAL client_encoding = 'UTF8';
-- Every table and its columns.
SELECT json_build_object('schema', n.nspname, 'table', c.relname, 'columns', coalesce((
    SELECT json_agg(json_build_object('name', a.attname, 'base', base.typname, 'array', element.oid IS NOT NULL,
        'notNull', a.attnotnull OR own.typnotnull, 'generated', a.attgenerated <> '',
        'key', EXISTS (SELECT FROM pg_constraint AS k WHERE k.conrelid = c.oid AND k.contype IN ('p', 'f') AND a.attnum = ANY (k.conkey)),
        -- An index of a constraint depends on the constraint, another one on the columns of its expressions too.
        'unique', EXISTS (SELECT FROM pg_index AS i WHERE i.indrelid = c.oid AND (i.indisunique OR i.indisexclusion) AND (a.attnum = ANY (i.indkey)
            OR EXISTS (SELECT FROM pg_depend AS d WHERE d.classid = 'pg_class'::regclass AND d.objid = i.indexrelid AND d.refobjid = c.oid AND d.refobjsubid = a.attnum))),
        'uniqueAlone', EXISTS (SELECT FROM pg_index AS i WHERE i.indrelid = c.oid AND i.indisunique AND i.indnkeyatts = 1
            AND (i.indkey[0] = a.attnum OR i.indkey[0] = 0
                AND EXISTS (SELECT FROM pg_depend AS d WHERE d.classid = 'pg_class'::regclass AND d.objid = i.indexrelid AND d.refobjid = c.oid AND d.refobjsubid = a.attnum))),
        'partitionKey', EXISTS (SELECT FROM pg_partitioned_table AS p
            WHERE p.partrelid IN (SELECT relid FROM pg_partition_tree(c.oid)) AND (a.attnum = ANY (p.partattrs) OR 0 = ANY (p.partattrs))),
        'length', CASE WHEN base.typname IN ('varchar', 'bpchar') THEN
            nullif(greatest(a.atttypmod, CASE WHEN own.typtype = 'd' THEN own.typtypmod ELSE -1 END), -1) - 4 END,
        'check', (SELECT CASE WHEN bool_or(definition ~ '= ANY \(|\) OR \(') THEN 'list' ELSE 'other' END
            FROM (SELECT pg_get_constraintdef(k.oid) AS definition FROM pg_constraint AS k
                  WHERE k.contype = 'c' AND (k.conrelid = c.oid AND a.attnum = ANY (k.conkey) OR k.contypid = a.atttypid)) AS k
            HAVING count(*) > 0),
        'refers', (SELECT json_build_array(pn.nspname, p.relname, pa.attname)
            FROM pg_constraint AS k JOIN pg_class AS p ON p.oid = k.confrelid JOIN pg_namespace AS pn ON pn.oid = p.relnamespace,
                 unnest(k.conkey, k.confkey) AS pair (child, parent) JOIN pg_attribute AS pa ON pa.attnum = pair.parent
            WHERE k.conrelid = c.oid AND k.contype = 'f' AND pair.child = a.attnum AND pa.attrelid = p.oid AND NOT p.relispartition
              AND (p.oid <> c.oid OR pa.attnum <> a.attnum)
            ORDER BY k.conname LIMIT 1)) ORDER BY a.attnum)
    FROM pg_attribute AS a JOIN pg_type AS own ON own.oid = a.atttypid
    LEFT JOIN pg_type AS plain ON plain.oid = CASE WHEN own.typtype = 'd' THEN (
        WITH RECURSIVE chain AS (SELECT own.typbasetype AS oid UNION ALL
            SELECT t.typbasetype FROM chain JOIN pg_type AS t ON t.oid = chain.oid WHERE t.typtype = 'd')
        SELECT chain.oid FROM chain JOIN pg_type AS t ON t.oid = chain.oid WHERE t.typtype <> 'd') ELSE own.oid END
    LEFT JOIN pg_type AS element ON element.oid = plain.typelem AND plain.typcategory = 'A'
    JOIN pg_type AS base ON base.oid = coalesce(nullif(element.typbasetype, 0), element.oid, plain.oid)
    WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped), '[]'))
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relpersistence <> 't'
  AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_(toast|temp)'
  AND NOT EXISTS (SELECT FROM pg_depend AS d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
ORDER BY n.nspname, c.relname;
SELECT json_build_object('largeObjects', count(*)) FROM pg_largeobject_metadata HAVING count(*) > 0;
-- Of each table a statement that looks at up to 1000 rows, and of each column of documents another one. psql runs what is selected.
WITH looked AS (
    SELECT n.nspname, c.relname, a.attname, a.attnum, t.typname
    FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
    JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
    JOIN pg_type AS own ON own.oid = a.atttypid JOIN pg_type AS t ON t.oid = coalesce(nullif(own.typbasetype, 0), own.oid)
    JOIN pg_namespace AS tn ON tn.oid = t.typnamespace
    WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relpersistence <> 't'
      AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_(toast|temp)'
      AND NOT EXISTS (SELECT FROM pg_depend AS d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
      AND (tn.nspname = 'pg_catalog' OR t.typname = 'citext')
), shape (sql) AS (VALUES ($sql$
    CASE
        WHEN count(v) FILTER (WHERE v ~ {{credentials}}) > 0.2 * count(v) THEN 'secret'
        WHEN count(v) FILTER (WHERE v ~* '^[^@ ]+@[^@ ]+[.][a-z]{2,}$') > 0.8 * count(v) THEN 'email'
        WHEN count(v) FILTER (WHERE v ~* '^https?://') > 0.8 * count(v) THEN 'url'
        WHEN count(v) FILTER (WHERE v ~* '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$') > 0.8 * count(v) THEN 'uuid'
        WHEN count(v) FILTER (WHERE v ~ '^([0-9]{1,3}[.]){3}[0-9]{1,3}$|^[0-9a-fA-F]{0,4}(:[0-9a-fA-F]{0,4}){2,7}$') > 0.8 * count(v) THEN 'ip'
        WHEN count(v) FILTER (WHERE v ~ '^[+0(][0-9 ()/.-]{6,}$' AND v !~ '^[0-9]{4}-') > 0.8 * count(v) THEN 'phone'
    END$sql$))
SELECT format($sql$
    WITH s AS MATERIALIZED (SELECT %1$s FROM %2$I.%3$I LIMIT 1000),
    v AS (SELECT e.key AS name, e.value AS v FROM s, LATERAL jsonb_each_text(to_jsonb(s)) AS e WHERE e.value IS NOT NULL)
    SELECT json_build_object('schema', %4$L, 'table', %5$L, 'samples', json_object_agg(name, found))
    FROM (SELECT name, json_build_object('shape', %6$s,
              'few', count(v) >= 100 AND count(DISTINCT v) <= 12 AND max(length(v)) <= 20,
              'small', coalesce(max(CASE WHEN v ~ '^-?[0-9]{1,15}([.][0-9]{1,9})?$' THEN v::numeric END)
                              - min(CASE WHEN v ~ '^-?[0-9]{1,15}([.][0-9]{1,9})?$' THEN v::numeric END) <= 10, false)) AS found
          FROM v GROUP BY name) AS each
    HAVING count(*) > 0$sql$,
    string_agg(format('left(%1$I::text, 2000) AS %1$I', attname), ', ' ORDER BY attnum), nspname, relname, nspname, relname, shape.sql)
FROM looked, shape
WHERE typname IN ('text', 'varchar', 'bpchar', 'citext', 'int2', 'int4', 'int8', 'numeric', 'float4', 'float8')
GROUP BY nspname, relname, shape.sql
UNION ALL
-- A key that is no name, and every key of an object that has many, may be a value: .* stands for it.
SELECT format($sql$
    WITH RECURSIVE s AS MATERIALIZED (
        SELECT row_number() OVER () AS doc, v::jsonb AS v FROM (SELECT %1$I AS v FROM %2$I.%3$I WHERE %1$I IS NOT NULL LIMIT 1000) AS first_rows
    ), d (doc, steps, value) AS (
        SELECT doc, ARRAY[]::text[], v FROM s
        UNION ALL
        SELECT d.doc, d.steps || inner_value.step, inner_value.value
        FROM d, LATERAL (
            SELECT '.' || key AS step, value FROM jsonb_each(CASE jsonb_typeof(d.value) WHEN 'object' THEN d.value ELSE '{}' END)
            UNION ALL
            SELECT '[*]', value FROM jsonb_array_elements(CASE jsonb_typeof(d.value) WHEN 'array' THEN d.value ELSE '[]' END)) AS inner_value
    ), wide AS MATERIALIZED (
        SELECT steps[:cardinality(steps) - 1] AS parent FROM d
        WHERE cardinality(steps) > 0 AND steps[cardinality(steps)] <> '[*]'
        GROUP BY 1
        HAVING count(DISTINCT steps[cardinality(steps)]) > 30
            OR bool_or(steps[cardinality(steps)] !~ '^[.][A-Za-z_][A-Za-z0-9_ -]{0,39}$' OR steps[cardinality(steps)] ~ '[0-9]{4}')
    ), leaf AS (
        SELECT doc, jsonb_typeof(value) AS type, value #>> '{}' AS v, coalesce((
            SELECT array_agg(CASE WHEN step <> '[*]' AND EXISTS (SELECT FROM wide WHERE wide.parent = d.steps[:n - 1]) THEN '.*' ELSE step END ORDER BY n)
            FROM unnest(d.steps) WITH ORDINALITY AS each (step, n)), '{}') AS path
        FROM d WHERE jsonb_typeof(value) NOT IN ('object', 'array')
    )
    SELECT json_build_object('schema', %4$L, 'table', %5$L, 'column', %6$L, 'found', json_build_object('documents', (SELECT count(*) FROM s), 'paths', (
        SELECT json_agg(found) FROM (
            SELECT json_build_object('path', path, 'types', array_agg(DISTINCT type), 'documents', count(DISTINCT doc), 'shape', %7$s) AS found
            FROM leaf GROUP BY path ORDER BY path LIMIT 500) AS each)))
    WHERE EXISTS (SELECT FROM leaf)$sql$, attname, nspname, relname, nspname, relname, attname, shape.sql)
FROM looked, shape
WHERE typname IN ('json', 'jsonb')
\gexec
ROLLBACK;
