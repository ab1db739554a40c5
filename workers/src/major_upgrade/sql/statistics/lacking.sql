-- Tables of the record that have no statistics here, the most read ones first.
SELECT c.oid
FROM aurora_runbooks_statistics.relations k
JOIN pg_namespace n ON n.nspname = k.schema
JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = k.relation
WHERE c.relkind IN ('r', 'm', 'p')
  AND NOT EXISTS (SELECT FROM pg_stats s WHERE s.schemaname = n.nspname AND s.tablename = c.relname)
ORDER BY k.scans DESC, c.oid
