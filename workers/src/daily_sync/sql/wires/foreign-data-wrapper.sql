-- What can reach other servers, or the host's files.
SELECT format('extension %s', extname) AS object, ARRAY[format('DROP EXTENSION %I CASCADE', extname)] AS cut
FROM pg_extension
WHERE extname IN ('postgres_fdw', 'dblink', 'oracle_fdw', 'mysql_fdw', 'tds_fdw', 'file_fdw', 'log_fdw', 'http', 'pgsql_http', 'pg_net', 'plproxy')
UNION ALL
SELECT format('foreign data wrapper %s', fdwname), ARRAY[format('DROP FOREIGN DATA WRAPPER %I CASCADE', fdwname)]
FROM pg_foreign_data_wrapper AS f
WHERE NOT EXISTS (SELECT FROM pg_depend AS d WHERE d.classid = 'pg_foreign_data_wrapper'::regclass AND d.objid = f.oid AND d.deptype = 'e')
