SELECT datname::text AS database,
       format('pid %s', pid) AS object,
       format('%s, %s, open since %s', usename, state, date_trunc('second', xact_start)) AS detail,
       format('SELECT pg_terminate_backend(%s); -- or end it in its application', pid) AS remedy
FROM pg_stat_activity
WHERE xact_start < now() - interval '5 min' AND backend_type = 'client backend' AND pid <> pg_backend_pid()
ORDER BY xact_start
