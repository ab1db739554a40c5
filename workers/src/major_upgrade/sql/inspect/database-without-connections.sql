-- A superuser connects all the same (https://www.postgresql.org/docs/current/sql-alterdatabase.html, CONNECTION LIMIT).
SELECT NULL::text AS database,
       datname::text AS object,
       'CONNECTION LIMIT 0' AS detail,
       format('ALTER DATABASE %I CONNECTION LIMIT -1;', datname) AS remedy
FROM pg_database
WHERE datconnlimit = 0 AND datallowconn AND datname NOT IN ('template0', 'rdsadmin')
ORDER BY datname
