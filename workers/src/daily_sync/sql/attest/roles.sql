-- Every role of people's own: whether it can log in, what it may beyond its own, and what it has inherited from roles of the system.
SELECT r.rolname::text, r.rolcanlogin, r.rolcreatedb OR r.rolcreaterole OR r.rolreplication OR r.rolbypassrls,
       ARRAY(SELECT s.rolname::text FROM pg_roles AS s
             WHERE (s.rolname ~ '^pg_' OR s.rolname IN ('rds_superuser', 'rds_replication', 'rds_password', 'rds_iam', 'rds_ad', current_user))
               AND s.rolname <> 'pg_database_owner' AND pg_has_role(r.oid, s.oid, 'MEMBER')),
       EXISTS (SELECT FROM pg_db_role_setting AS t WHERE t.setrole = r.oid),
       ARRAY(SELECT format('%I in %I', r.rolname, s.rolname) FROM pg_auth_members AS m JOIN pg_roles AS s ON s.oid = m.roleid WHERE m.member = r.oid AND m.admin_option)
FROM pg_roles AS r
WHERE r.oid >= 16384 AND r.rolname <> current_user AND r.rolname <> ALL (current_setting('runbook.system_roles')::text[])
