-- AuroraUserGuide, AuroraPostgreSQL.Replication.Logical.Configure.
WITH needed AS (
    SELECT sum(current_setting(name)::int) AS workers
    FROM unnest(ARRAY['max_logical_replication_workers', 'autovacuum_max_workers', 'max_parallel_workers']) AS name
)
SELECT NULL::text AS database,
       'max_worker_processes' AS object,
       format('it is %s, and %s are asked for', current_setting('max_worker_processes'), workers) AS detail,
       format('set it to %s or more in the cluster''s parameter group, and reboot', workers) AS remedy
FROM needed
WHERE current_setting('max_worker_processes')::int < workers
