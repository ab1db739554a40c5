SELECT d.datname::text AS database,
       s.subname::text AS object,
       CASE WHEN s.subenabled THEN 'enabled' ELSE 'disabled' END AS detail,
       format('ALTER SUBSCRIPTION %1$I DISABLE; ALTER SUBSCRIPTION %1$I SET (slot_name = NONE); DROP SUBSCRIPTION %1$I; -- drop its slot on the publisher, too; after the upgrade create it WITH (copy_data = false)', s.subname) AS remedy
FROM pg_subscription s
JOIN pg_database d ON d.oid = s.subdbid
ORDER BY 1, 2
