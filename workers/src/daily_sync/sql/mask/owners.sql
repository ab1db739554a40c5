-- Roles whose rights the master user lacks, and through whom it can get them: roles that may grant them and that it can become.
SELECT rolname::text AS role,
       ARRAY(SELECT pg_get_userbyid(m.member)::text FROM pg_auth_members AS m
             WHERE m.roleid = r.oid AND m.admin_option AND pg_has_role(current_user, m.member, 'MEMBER')
               AND pg_get_userbyid(m.member) <> current_user) AS through
FROM pg_roles AS r
WHERE rolname <> ALL (string_to_array(current_setting('sync.system_roles'), ',')) AND rolname !~ '^pg_' AND rolname <> current_user
  AND NOT (pg_has_role(current_user, oid, 'USAGE') AND pg_has_role(current_user, oid, $1))
ORDER BY 1
