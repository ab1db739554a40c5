-- pg_upgrade: check_proper_datallowconn. An invalid database has a check of its own.
SELECT NULL::text AS database,
       datname::text AS object,
       CASE WHEN datallowconn THEN 'template0 must refuse connections' ELSE 'every other database must accept them' END AS detail,
       format('ALTER DATABASE %I WITH ALLOW_CONNECTIONS %s;', datname, CASE WHEN datallowconn THEN 'false' ELSE 'true' END) AS remedy
FROM pg_database
WHERE datconnlimit <> -2 AND datallowconn = (datname = 'template0')
ORDER BY datname
