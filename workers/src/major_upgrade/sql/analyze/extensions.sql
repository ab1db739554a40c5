-- Extensions that are not at the version which this server has as the default. PostGIS and its relatives have their own way.
SELECT e.extname::text AS name,
       e.extversion AS from_version,
       a.default_version AS to_version,
       e.extname ~ '^(postgis|address_standardizer)' AS postgis,
       EXISTS (
           SELECT FROM pg_extension_update_paths(e.extname) p
           WHERE p.source = e.extversion AND p.target = a.default_version AND p.path IS NOT NULL
       ) AS reachable,
       pg_get_userbyid(e.extowner)::text AS owner
FROM pg_extension e
JOIN pg_available_extensions a ON a.name = e.extname
WHERE a.default_version IS DISTINCT FROM e.extversion
ORDER BY e.extname
