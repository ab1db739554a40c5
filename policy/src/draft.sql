-- For `policy draft`: every table of the database as one line of JSON, with the shape of a sample of each text column, never a value.
-- Run it as the owner of the tables or a member of the owners: psql -XAtq -f draft.sql DATABASE
BEGIN READ WRITE;
CREATE FUNCTION pg_temp.shape(of regclass, name name) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    shape text;
BEGIN
    EXECUTE format($q$
        SELECT CASE
            WHEN count(*) = 0 THEN NULL
            WHEN count(*) FILTER (WHERE v ~ '^[^@ ]+@[^@ ]+[.][a-z]{2,}$') > 0.8 * count(*) THEN 'email'
            WHEN count(*) FILTER (WHERE v ~ '^https?://') > 0.8 * count(*) THEN 'url'
            WHEN count(*) FILTER (WHERE v ~* '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$') > 0.8 * count(*) THEN 'uuid'
            WHEN count(*) FILTER (WHERE v ~ '^([0-9]{1,3}[.]){3}[0-9]{1,3}$') > 0.8 * count(*) THEN 'ip'
            WHEN count(*) FILTER (WHERE v ~ '^[+0][0-9 ()/-]{6,}$') > 0.8 * count(*) THEN 'phone'
        END
        FROM (SELECT %1$I::text AS v FROM %2$s WHERE %1$I IS NOT NULL LIMIT 500) AS sample $q$, name, of) INTO shape;
    RETURN shape;
END
$$;
SELECT json_build_object('schema', n.nspname, 'table', c.relname, 'columns', (
    SELECT json_agg(json_build_object('name', a.attname, 'base', coalesce(element.typname, below.typname, t.typname), 'array', element.oid IS NOT NULL,
        'notNull', a.attnotnull, 'generated', a.attgenerated <> '',
        'key', EXISTS (SELECT FROM pg_constraint AS k WHERE k.conrelid = c.oid AND k.contype IN ('p', 'f') AND a.attnum = ANY (k.conkey)),
        'shape', CASE WHEN coalesce(element.typname, below.typname, t.typname) IN ('text', 'varchar', 'bpchar', 'citext') AND element.oid IS NULL
            THEN pg_temp.shape(c.oid, a.attname) END) ORDER BY a.attnum)
    FROM pg_attribute AS a JOIN pg_type AS t ON t.oid = a.atttypid
    LEFT JOIN pg_type AS below ON below.oid = t.typbasetype
    LEFT JOIN pg_type AS element ON element.oid = t.typelem AND t.typcategory = 'A'
    WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped))
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relpersistence <> 't' AND n.nspname NOT IN ('pg_catalog', 'information_schema')
  AND NOT EXISTS (SELECT FROM pg_depend AS d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
ORDER BY n.nspname, c.relname;
SELECT json_build_object('largeObjects', count(*)) FROM pg_largeobject_metadata HAVING count(*) > 0;
ROLLBACK;
