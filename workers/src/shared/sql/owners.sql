-- Roles ($2: those that own a table, a schema or an extension in any database) whose rights the master user lacks, and through whom it can get them:
-- roles that may grant them and that it can become.
SELECT rolname::text AS role,
       ARRAY(SELECT pg_get_userbyid(m.member)::text FROM pg_auth_members AS m
             WHERE m.roleid = r.oid AND m.admin_option AND pg_has_role(current_user, m.member, 'MEMBER')
               AND pg_get_userbyid(m.member) <> current_user) AS through
FROM pg_roles AS r
WHERE rolname <> ALL (current_setting('runbook.system_roles')::text[]) AND rolname !~ '^pg_' AND rolname <> current_user
  AND NOT (pg_has_role(current_user, oid, 'USAGE') AND pg_has_role(current_user, oid, $1))
  AND (NOT $2 OR EXISTS (SELECT FROM pg_shdepend AS d WHERE d.refclassid = 'pg_authid'::regclass AND d.refobjid = r.oid AND d.deptype = 'o'
                             AND d.classid IN ('pg_class'::regclass, 'pg_namespace'::regclass, 'pg_extension'::regclass)))
ORDER BY 1
