-- Code that runs at every login or change of a password (pg_tle: clientauth, passcheck), or that keeps the text of statements (apg_plan_mgmt).
SELECT format('extension %s', extname) AS object, ARRAY[format('DROP EXTENSION %I CASCADE', extname)] AS cut
FROM pg_extension
WHERE extname IN ('pg_tle', 'apg_plan_mgmt')
UNION ALL
SELECT format('schema %s', nspname), ARRAY[format('DROP SCHEMA %I CASCADE', nspname)]
FROM pg_namespace
WHERE nspname IN ('pgtle', 'apg_plan_mgmt') AND NOT EXISTS (SELECT FROM pg_extension WHERE extname IN ('pg_tle', 'apg_plan_mgmt'))
