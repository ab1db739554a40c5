-- Jobs that run as their owners, in any database. The extension goes as a whole: changing its tables would load its library, which
-- the quarantine does not preload. Its tables also keep the text of what ran (cron.job_run_details).
SELECT format('extension %s', extname) AS object, ARRAY[format('DROP EXTENSION %I CASCADE', extname)] AS cut
FROM pg_extension
WHERE extname = 'pg_cron'
UNION ALL
SELECT format('schema %s', nspname), ARRAY[format('DROP SCHEMA %I CASCADE', nspname)]
FROM pg_namespace
WHERE nspname = 'cron' AND to_regclass('cron.job') IS NOT NULL AND NOT EXISTS (SELECT FROM pg_extension WHERE extname = 'pg_cron')
