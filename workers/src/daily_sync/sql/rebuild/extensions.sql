-- Extensions whose version is not the one that CREATE EXTENSION would take.
SELECT e.extname::text, n.nspname::text, e.extversion,
       EXISTS (SELECT FROM pg_available_extension_versions AS v WHERE v.name = e.extname AND v.version = e.extversion)
FROM pg_extension AS e JOIN pg_namespace AS n ON n.oid = e.extnamespace
LEFT JOIN pg_available_extensions AS a ON a.name = e.extname
WHERE e.oid >= 16384 AND a.default_version IS DISTINCT FROM e.extversion
ORDER BY e.oid
