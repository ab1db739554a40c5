-- Whether the collation that the database was made with sorts in another way now (since 15).
SELECT datcollversion IS DISTINCT FROM pg_database_collation_actual_version(oid) AS drifted
FROM pg_database
WHERE datname = current_database()
