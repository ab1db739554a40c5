-- Amazon's guide wants PostGIS and what hangs on it at the newest version before a major upgrade (USER_UpgradeDBInstance.PostgreSQL, Appendix.PostgreSQL.CommonDBATasks.PostGIS).
SELECT e.extname::text AS object,
       format('version %s, here %s is the default; owned by %s', e.extversion, a.default_version, pg_get_userbyid(e.extowner)) AS detail,
       CASE WHEN e.extname = 'pgrouting' THEN format('ALTER EXTENSION pgrouting UPDATE TO %L;', a.default_version)
            ELSE format('SELECT %I.postgis_extensions_upgrade(); -- twice when it comes from 2.x', n.nspname) END AS remedy
FROM pg_extension e
JOIN pg_namespace n ON n.oid = e.extnamespace
JOIN pg_available_extensions a ON a.name = e.extname AND a.default_version <> e.extversion
WHERE e.extname ~ '^(postgis|address_standardizer|pgrouting)'
ORDER BY 1
