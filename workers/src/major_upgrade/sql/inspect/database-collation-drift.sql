SELECT datname::text AS database,
       datname::text AS object,
       format('made with %s, now %s', coalesce(datcollversion, 'none'), coalesce(pg_database_collation_actual_version(oid), 'none')) AS detail,
       format('REINDEX DATABASE %I; ALTER DATABASE %I REFRESH COLLATION VERSION;', datname, datname) AS remedy
FROM pg_database
WHERE datallowconn AND datname <> 'rdsadmin' AND datcollversion IS DISTINCT FROM pg_database_collation_actual_version(oid)
ORDER BY datname
