-- A role that may make databases or roles, or replicate.
SELECT rolname::text AS object,
       ARRAY[format('ALTER ROLE %I%s%s%s', rolname, CASE WHEN rolcreatedb THEN ' NOCREATEDB' END, CASE WHEN rolcreaterole THEN ' NOCREATEROLE' END,
           CASE WHEN rolreplication THEN ' NOREPLICATION' END)] AS cut
FROM pg_roles
WHERE (rolcreatedb OR rolcreaterole OR rolreplication) AND rolname <> current_user
  AND rolname <> ALL (current_setting('runbook.system_roles')::text[]) AND rolname !~ '^pg_'
