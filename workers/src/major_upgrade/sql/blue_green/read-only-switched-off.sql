SELECT d.datname::text AS database,
       coalesce(r.rolname::text, 'every role') AS object,
       '' AS detail,
       CASE WHEN d.datname IS NULL THEN format('ALTER ROLE %I RESET default_transaction_read_only;', r.rolname)
            WHEN r.rolname IS NULL THEN format('ALTER DATABASE %I RESET default_transaction_read_only;', d.datname)
            ELSE format('ALTER ROLE %I IN DATABASE %I RESET default_transaction_read_only;', r.rolname, d.datname)
       END AS remedy
FROM pg_db_role_setting s
LEFT JOIN pg_database d ON d.oid = s.setdatabase
LEFT JOIN pg_roles r ON r.oid = s.setrole
WHERE EXISTS (SELECT FROM unnest(s.setconfig) AS one
              WHERE lower(one) IN ('default_transaction_read_only=off', 'default_transaction_read_only=false',
                                   'default_transaction_read_only=no', 'default_transaction_read_only=0'))
  AND coalesce(r.rolname, '') <> 'rdsadmin'
ORDER BY 1, 2
