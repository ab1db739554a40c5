-- $1: types as schema.name, or 'row' for the row types of system tables. Found through domains, arrays, composites and ranges, too:
-- the idea of the closure is pg_upgrade's (check.c, PostgreSQL Licence).
WITH RECURSIVE bad (oid, why) AS (
    SELECT t.oid, format('%s.%s', n.nspname, t.typname)
    FROM pg_type t
    JOIN pg_namespace n ON n.oid = t.typnamespace
    WHERE format('%s.%s', n.nspname, t.typname) = ANY ($1::text[])
       OR ('row' = ANY ($1::text[]) AND t.typtype = 'c' AND (t.oid < 16384 OR n.nspname = 'information_schema'))
    UNION
    SELECT wider.oid, wider.why
    FROM (
        WITH inner_type AS (SELECT oid, why FROM bad)
        SELECT t.oid, i.why FROM pg_type t JOIN inner_type i ON t.typtype = 'd' AND t.typbasetype = i.oid
        UNION ALL
        SELECT t.oid, i.why FROM pg_type t JOIN inner_type i ON t.typtype = 'b' AND t.typelem = i.oid
        UNION ALL
        SELECT t.oid, i.why
        FROM pg_type t
        JOIN pg_class c ON c.reltype = t.oid
        JOIN pg_attribute a ON a.attrelid = c.oid AND NOT a.attisdropped
        JOIN inner_type i ON i.oid = a.atttypid
        WHERE t.typtype = 'c'
        UNION ALL
        SELECT r.rngtypid, i.why FROM pg_range r JOIN inner_type i ON r.rngsubtype = i.oid
    ) wider
)
SELECT format('%I.%I.%I', n.nspname, c.relname, a.attname) AS object,
       string_agg(DISTINCT CASE WHEN format_type(a.atttypid, NULL) = replace(bad.why, 'pg_catalog.', '') THEN format('type %s', bad.why)
                                ELSE format('type %s, which holds %s', format_type(a.atttypid, a.atttypmod), bad.why) END, '; ') AS detail,
       CASE c.relkind
           WHEN 'm' THEN format('DROP MATERIALIZED VIEW %I.%I; -- or select the column as text', n.nspname, c.relname)
           WHEN 'i' THEN format('DROP INDEX %I.%I;', n.nspname, c.relname)
           ELSE format('ALTER TABLE %s ALTER COLUMN %I TYPE text;', coalesce(pg_partition_root(c.oid)::regclass::text, format('%I.%I', n.nspname, c.relname)), a.attname)
       END AS remedy
FROM bad
JOIN pg_attribute a ON a.atttypid = bad.oid AND a.attnum > 0 AND NOT a.attisdropped
JOIN pg_class c ON c.oid = a.attrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'm', 'i')
  AND n.nspname !~ '^pg_(toast_)?temp_'
  AND n.nspname NOT IN ('pg_catalog', 'information_schema')
GROUP BY n.nspname, c.relname, a.attname, c.relkind, c.oid
ORDER BY 1
