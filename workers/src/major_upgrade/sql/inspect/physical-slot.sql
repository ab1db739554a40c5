SELECT NULL::text AS database,
       slot_name::text AS object,
       CASE WHEN active THEN 'in use now' ELSE 'not in use' END AS detail,
       format('SELECT pg_drop_replication_slot(%L); -- and create it again after the upgrade', slot_name) AS remedy
FROM pg_replication_slots
WHERE slot_type = 'physical' AND NOT temporary
ORDER BY slot_name
