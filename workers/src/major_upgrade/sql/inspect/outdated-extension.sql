-- An update path must exist: the text of versions says nothing about their order (1.10 comes after 1.9).
SELECT e.extname::text AS object,
       format('version %s, here %s is the default; owned by %s', e.extversion, a.default_version, pg_get_userbyid(e.extowner)) AS detail,
       format('ALTER EXTENSION %I UPDATE TO %L;', e.extname, a.default_version) AS remedy
FROM pg_extension e
JOIN pg_available_extensions a ON a.name = e.extname AND a.default_version <> e.extversion
CROSS JOIN LATERAL pg_extension_update_paths(e.extname) p
WHERE p.source = e.extversion AND p.target = a.default_version AND p.path IS NOT NULL
  AND e.extname !~ '^(postgis|address_standardizer|pgrouting)'
ORDER BY 1
