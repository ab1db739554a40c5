SELECT database::text AS database,
       slot_name::text AS object,
       format('plugin %s, %s', plugin, CASE WHEN active THEN 'in use now' ELSE 'not in use' END) AS detail,
       format('SELECT pg_drop_replication_slot(%L); -- after its consumer was stopped', slot_name) AS remedy
FROM pg_replication_slots
WHERE slot_type = 'logical' AND NOT temporary
ORDER BY slot_name
