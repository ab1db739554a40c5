-- Keeps WAL and row versions for a reader that is production's.
SELECT slot_name::text AS object,
       CASE WHEN active_pid IS NULL THEN ARRAY[]::text[] ELSE ARRAY[format('SELECT pg_terminate_backend(%s, 10000)', active_pid)] END
       || format('SELECT pg_drop_replication_slot(%L)', slot_name) AS cut
FROM pg_replication_slots
WHERE NOT temporary
