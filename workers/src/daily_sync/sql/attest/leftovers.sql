-- Where rows that are gone are still to be seen: dead row versions, and statistics of tables that are empty.
SELECT format('%s.%s', t.schemaname, t.relname), t.schemaname::text, coalesce(root.relname, t.relname)::text, coalesce(root.schema, t.schemaname)::text,
       CASE WHEN n_dead_tup > 0 THEN format('%s dead rows', n_dead_tup) ELSE 'statistics of rows that are gone' END
FROM pg_stat_user_tables AS t
LEFT JOIN LATERAL (
    SELECT c.relname, n.nspname AS schema FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE c.oid = pg_partition_root(t.relid)
) AS root ON true
WHERE n_dead_tup > 0
   OR pg_relation_size(t.relid) = 0 AND EXISTS (
       SELECT FROM pg_stats AS s WHERE s.schemaname = t.schemaname AND s.tablename = t.relname AND NOT s.inherited
         AND (s.most_common_vals IS NOT NULL OR s.histogram_bounds IS NOT NULL))
