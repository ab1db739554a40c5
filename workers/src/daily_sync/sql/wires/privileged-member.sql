-- Membership in a role that may more than its own: PostgreSQL's and RDS's, and the master user itself.
SELECT format('%s in %s', pg_get_userbyid(member), pg_get_userbyid(roleid)) AS object,
       ARRAY[format('REVOKE %I FROM %I%s CASCADE', pg_get_userbyid(roleid), pg_get_userbyid(member),
           CASE WHEN current_setting('server_version_num')::int >= 160000 THEN format(' GRANTED BY %I', pg_get_userbyid(grantor)) ELSE '' END)] AS cut
FROM pg_auth_members
WHERE (pg_get_userbyid(roleid) ~ '^pg_' OR pg_get_userbyid(roleid) IN ('rds_superuser', 'rds_replication', 'rds_password', current_user))
  AND pg_get_userbyid(member) <> ALL (current_setting('runbook.system_roles')::text[])
  AND pg_get_userbyid(member) !~ '^pg_' AND pg_get_userbyid(member) <> current_user
