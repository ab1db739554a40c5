-- What says that everything is in the new order.
SELECT format('ALTER COLLATION %I.%I REFRESH VERSION', n.nspname, c.collname) AS statement
FROM pg_collation c
JOIN pg_namespace n ON n.oid = c.collnamespace
WHERE c.collversion IS NOT NULL AND c.collversion IS DISTINCT FROM pg_collation_actual_version(c.oid)
UNION ALL
SELECT format('ALTER DATABASE %I REFRESH COLLATION VERSION', current_database()) WHERE $1
