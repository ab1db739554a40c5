-- A role that may make others members of another one. Membership itself stays: what it gives is in the grants.
SELECT format('%I in %I', pg_get_userbyid(member), pg_get_userbyid(roleid)) AS object,
       array_agg(format('REVOKE ADMIN OPTION FOR %I FROM %I%s CASCADE', pg_get_userbyid(roleid), pg_get_userbyid(member),
           CASE WHEN current_setting('server_version_num')::int >= 160000 THEN format(' GRANTED BY %I', pg_get_userbyid(grantor)) ELSE '' END)) AS cut
FROM pg_auth_members
WHERE admin_option AND pg_get_userbyid(member) <> current_user AND pg_get_userbyid(member) !~ '^pg_'
  AND pg_get_userbyid(member) <> ALL (current_setting('runbook.system_roles')::text[])
GROUP BY member, roleid
