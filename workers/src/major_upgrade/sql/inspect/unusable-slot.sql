-- A slot is never empty to the byte: a server that does nothing writes, too. What is read all the time lags by less than this.
SELECT database::text AS database,
       slot_name::text AS object,
       CASE WHEN invalidation_reason IS NOT NULL THEN format('invalid: %s', invalidation_reason)
            ELSE format('%s not read, %s', pg_size_pretty(lag), CASE WHEN active THEN 'in use now' ELSE 'not in use' END) END AS detail,
       CASE WHEN invalidation_reason IS NOT NULL THEN format('SELECT pg_drop_replication_slot(%L); -- its consumer has lost its place', slot_name)
            ELSE 'let its consumer read to the end, or drop the slot' END AS remedy
FROM pg_replication_slots, LATERAL (SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), confirmed_flush_lsn) AS lag) AS l
WHERE slot_type = 'logical' AND NOT temporary AND (invalidation_reason IS NOT NULL OR lag IS NULL OR lag > 1048576)
ORDER BY slot_name
