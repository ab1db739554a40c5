-- What views show. A view's columns stay, for what is built on it, and it shows no row any more; a materialised one goes.
SELECT c.oid::regclass::text AS object, pg_get_viewdef(c.oid) AS code,
       ARRAY[CASE c.relkind
           WHEN 'v' THEN format('CREATE OR REPLACE VIEW %s AS SELECT %s WHERE false', c.oid::regclass, (
               SELECT string_agg(format('NULL::%s%s AS %I', format_type(atttypid, atttypmod),
                   CASE WHEN attcollation = typcollation THEN '' ELSE format(' COLLATE %s', attcollation::regcollation) END, attname), ', ' ORDER BY attnum)
               FROM pg_attribute AS a JOIN pg_type AS t ON t.oid = a.atttypid WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped))
           ELSE format('DROP MATERIALIZED VIEW %s', c.oid::regclass) END] AS cut,
       ARRAY[format('DROP %s %s CASCADE', CASE c.relkind WHEN 'v' THEN 'VIEW' ELSE 'MATERIALIZED VIEW' END, c.oid::regclass)] AS drop,
       CASE c.relkind WHEN 'v' THEN format('CREATE OR REPLACE VIEW %s%s AS %s', c.oid::regclass,
           coalesce(' WITH (' || array_to_string(c.reloptions, ', ') || ')', ''), pg_get_viewdef(c.oid)) END AS rewrite
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind IN ('v', 'm') AND n.nspname NOT IN ('pg_catalog', 'information_schema')
  AND NOT EXISTS (SELECT FROM pg_depend AS d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
