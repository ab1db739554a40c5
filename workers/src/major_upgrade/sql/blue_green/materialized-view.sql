SELECT c.oid::regclass::text AS object,
       '' AS detail,
       format('let nobody refresh it until the switchover; then REFRESH MATERIALIZED VIEW %s;', c.oid::regclass) AS remedy
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'm' AND n.nspname <> 'pg_catalog'
ORDER BY 1
