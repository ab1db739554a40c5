SELECT database::text AS database,
       slot_name::text AS object,
       format('plugin %s', plugin) AS detail,
       format('SELECT pg_drop_replication_slot(%L); -- once its consumer, DMS say, was stopped', slot_name)
           AS remedy
FROM pg_replication_slots
WHERE slot_type = 'logical' AND NOT starts_with(slot_name::text, 'rds')
ORDER BY slot_name
