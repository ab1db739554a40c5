SELECT c.oid::regclass::text AS object,
       CASE c.relreplident WHEN 'n' THEN 'REPLICA IDENTITY NOTHING' ELSE 'no primary key' END AS detail,
       format('ALTER TABLE %s REPLICA IDENTITY FULL; -- or give it a primary key', c.oid::regclass) AS remedy
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND c.relpersistence = 'p'
  AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'aurora_runbooks_statistics')
  AND NOT starts_with(n.nspname::text, 'pg_toast') AND NOT starts_with(n.nspname::text, 'rds')
  AND (c.relreplident = 'n'
       OR (c.relreplident = 'd'
           AND NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary)))
ORDER BY 1
