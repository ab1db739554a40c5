SELECT database::text AS database,
       slot_name::text AS object,
       format('plugin %s, %s not read, %s', plugin, pg_size_pretty(lag), CASE WHEN active THEN 'in use now' ELSE 'not in use' END) AS detail,
       'before the upgrade stop what writes, let the consumer read to the end, then stop it (a subscription: ALTER SUBSCRIPTION … DISABLE)' AS remedy
FROM pg_replication_slots, LATERAL (SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), confirmed_flush_lsn) AS lag) AS l
WHERE slot_type = 'logical' AND NOT temporary AND invalidation_reason IS NULL AND lag <= 1048576
ORDER BY slot_name
