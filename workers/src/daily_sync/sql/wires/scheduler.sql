-- Other schedulers. pg_partman's maintenance never leaves the database, so it stays.
SELECT format('extension %s', extname) AS object, ARRAY[format('DROP EXTENSION %I CASCADE', extname)] AS cut
FROM pg_extension
WHERE extname IN ('pgagent', 'pg_timetable', 'timescaledb', 'pg_background')
UNION ALL
SELECT format('schema %s', nspname), ARRAY[format('DROP SCHEMA %I CASCADE', nspname)]
FROM pg_namespace
WHERE nspname IN ('pgagent', 'timetable')
  AND NOT EXISTS (SELECT FROM pg_extension WHERE extname IN ('pgagent', 'pg_timetable'))
