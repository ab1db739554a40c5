-- pg_dump locks every table of a database in one transaction; the shared lock table holds
-- max_locks_per_transaction × (max_connections + max_prepared_transactions) of them (runtime-config-locks).
SELECT format('%s tables', tables) AS object,
       format('the lock table is made for %s', room) AS detail,
       format('set max_locks_per_transaction to %s in the cluster parameter groups of both families (static: reboot before the upgrade)',
              ceil(64.0 * ceil(tables * 1.2 / slots / 64))) AS remedy
FROM (SELECT count(*) AS tables FROM pg_class WHERE relkind IN ('r', 'p')) relations,
     (SELECT max(setting::bigint) FILTER (WHERE name = 'max_locks_per_transaction') * sum(setting::bigint) FILTER (WHERE name <> 'max_locks_per_transaction') AS room,
             sum(setting::bigint) FILTER (WHERE name <> 'max_locks_per_transaction') AS slots
      FROM pg_settings WHERE name IN ('max_locks_per_transaction', 'max_connections', 'max_prepared_transactions')) capacity
WHERE tables > room
