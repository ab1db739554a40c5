-- Calls of Lambda, S3, SageMaker and the like, with the cluster's roles.
WITH known (name) AS (VALUES ('aws_lambda'), ('aws_s3'), ('aws_ml'), ('aws_commons'))
SELECT format('extension %s', extname) AS object, ARRAY[format('DROP EXTENSION %I CASCADE', extname)] AS cut
FROM pg_extension JOIN known ON known.name = extname
UNION ALL
SELECT format('schema %s', nspname), ARRAY[format('DROP SCHEMA %I CASCADE', nspname)]
FROM pg_namespace AS n JOIN known ON known.name = nspname
WHERE NOT EXISTS (SELECT FROM pg_extension AS e WHERE e.extnamespace = n.oid OR e.extname = known.name)
ORDER BY 1
