-- A role that may make databases or roles, replicate, or see every row. Taking BYPASSRLS away needs it oneself (src/backend/commands/user.c,
-- AlterRole), which Aurora's master user has not.
SELECT rolname::text AS object,
       ARRAY[format('ALTER ROLE %I%s%s%s%s', rolname, CASE WHEN rolcreatedb THEN ' NOCREATEDB' END, CASE WHEN rolcreaterole THEN ' NOCREATEROLE' END,
           CASE WHEN rolreplication THEN ' NOREPLICATION' END, CASE WHEN rolbypassrls THEN ' NOBYPASSRLS' END)] AS cut
FROM pg_roles
WHERE (rolcreatedb OR rolcreaterole OR rolreplication OR rolbypassrls) AND rolname <> current_user
  AND rolname <> ALL (current_setting('runbook.system_roles')::text[]) AND rolname !~ '^pg_'
