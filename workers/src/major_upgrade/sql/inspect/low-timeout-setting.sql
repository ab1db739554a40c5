-- Settings of a whole database, or of a superuser: those are what pg_upgrade's own session gets.
SELECT d.datname::text AS database,
       concat_ws(' ', r.rolname, split_part(setting, '=', 1)) AS object,
       setting AS detail,
       CASE WHEN r.oid IS NULL THEN format('ALTER DATABASE %I RESET %s; -- and set it again after the upgrade', d.datname, split_part(setting, '=', 1))
            WHEN d.oid IS NULL THEN format('ALTER ROLE %I RESET %s; -- and set it again after the upgrade', r.rolname, split_part(setting, '=', 1))
            ELSE format('ALTER ROLE %I IN DATABASE %I RESET %s; -- and set it again after the upgrade', r.rolname, d.datname, split_part(setting, '=', 1)) END AS remedy
FROM pg_db_role_setting s
LEFT JOIN pg_database d ON d.oid = s.setdatabase
LEFT JOIN pg_roles r ON r.oid = s.setrole
CROSS JOIN unnest(s.setconfig) AS setting
CROSS JOIN LATERAL (SELECT split_part(setting, '=', 2) AS value) v
WHERE split_part(setting, '=', 1) IN ('statement_timeout', 'lock_timeout', 'transaction_timeout', 'idle_in_transaction_session_timeout', 'idle_session_timeout')
  AND (r.oid IS NULL OR r.rolsuper)
  AND CASE WHEN value ~ '^\d+(us|ms|s|min|h|d)?$'
           THEN replace(CASE WHEN value ~ '^\d+$' THEN value || 'ms' ELSE value END, 'd', ' days')::interval BETWEEN interval '1 us' AND interval '1 s'
      END
ORDER BY 1, 2
