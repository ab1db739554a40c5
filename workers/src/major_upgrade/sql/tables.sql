-- Every table that holds rows of its own, with what the planner and the counters know of it.
SELECT n.nspname::text AS schema, c.relname::text AS "table",
       c.relpages::bigint AS pages,
       c.reltuples::float8 AS estimate,
       coalesce(s.seq_scan, 0) + coalesce(s.idx_scan, 0) AS scans,
       has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT') AS readable
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_stat_all_tables s ON s.relid = c.oid
WHERE c.relkind IN ('r', 'm') AND c.relpersistence <> 't'
  AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast', 'aurora_runbooks_statistics')
ORDER BY 1, 2
