-- Green follows by one slot a database, beside those that are there.
WITH needed AS (
    SELECT (SELECT count(*) FROM pg_database
            WHERE datallowconn AND datconnlimit <> -2 AND datname NOT IN ('template0', 'rdsadmin'))
         + (SELECT count(*) FROM pg_replication_slots WHERE NOT starts_with(slot_name::text, 'rds')) AS slots
)
SELECT NULL::text AS database,
       name AS object,
       format('it is %s, and %s are needed', current_setting(name), slots) AS detail,
       format('set %s to %s or more in the cluster''s parameter group, and reboot', name, slots) AS remedy
FROM needed, unnest(ARRAY['max_replication_slots', 'max_wal_senders', 'max_logical_replication_workers']) AS name
WHERE current_setting(name)::int < slots
ORDER BY name
