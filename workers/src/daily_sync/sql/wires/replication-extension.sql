-- Replication of its own kind, with nodes and passwords in tables. Of an extension that was removed carelessly its schema is left.
WITH known (name) AS (VALUES ('pglogical'), ('pglogical_origin'), ('pgactive'), ('bdr'), ('spock'))
SELECT format('extension %s', extname) AS object, ARRAY[format('DROP EXTENSION %I CASCADE', extname)] AS cut
FROM pg_extension JOIN known ON known.name = extname
UNION ALL
SELECT format('schema %s', nspname), ARRAY[format('DROP SCHEMA %I CASCADE', nspname)]
FROM pg_namespace AS n JOIN known ON known.name = nspname
WHERE NOT EXISTS (SELECT FROM pg_extension AS e WHERE e.extnamespace = n.oid OR e.extname = known.name)
ORDER BY 1
