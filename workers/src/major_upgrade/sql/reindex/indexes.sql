-- Indexes that a changed collation has ordered, the smallest first; $1: the database's own has changed, too. Those of pg_catalog are
-- in the order of bytes (https://www.postgresql.org/docs/release/12.0/).
WITH drifted AS (
    SELECT oid FROM pg_collation WHERE collversion IS NOT NULL AND collversion IS DISTINCT FROM pg_collation_actual_version(oid)
    UNION ALL
    SELECT oid FROM pg_collation WHERE $1 AND collname = 'default' AND collnamespace = 'pg_catalog'::regnamespace
)
SELECT i.indexrelid AS oid, format('%I.%I', n.nspname, c.relname) AS name, pg_relation_size(c.oid) AS bytes,
       -- REINDEX CONCURRENTLY does not take it (https://www.postgresql.org/docs/current/sql-reindex.html).
       i.indisexclusion AS exclusion
FROM pg_index i
JOIN pg_class c ON c.oid = i.indexrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'i' AND c.relpersistence <> 't' AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
  AND c.relname !~ '_cc(new|old)[0-9]*$'
  AND (EXISTS (SELECT FROM drifted d WHERE d.oid = ANY (i.indcollation::oid[]))
       -- Of an expression or a WHERE clause.
       OR EXISTS (SELECT FROM pg_depend p JOIN drifted d ON d.oid = p.refobjid
                  WHERE p.classid = 'pg_class'::regclass AND p.objid = i.indexrelid AND p.refclassid = 'pg_collation'::regclass))
ORDER BY bytes, name
