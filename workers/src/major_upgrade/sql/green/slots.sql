-- The slots of the deployment, one a database: RDS's own names begin with rds.
SELECT s.slot_name::text AS name, coalesce(s.database, '')::text AS database, s.active,
       coalesce(pg_wal_lsn_diff(pg_current_wal_lsn(), s.confirmed_flush_lsn), 0)::int8 AS lag
FROM pg_replication_slots s
WHERE s.slot_type = 'logical' AND starts_with(s.slot_name::text, 'rds')
ORDER BY s.slot_name;
