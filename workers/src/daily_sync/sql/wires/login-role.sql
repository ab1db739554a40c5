-- People and programs that can log in. They go on owning what they own.
SELECT rolname::text AS object, ARRAY[format('ALTER ROLE %I NOLOGIN PASSWORD NULL', rolname)] AS cut
FROM pg_roles
WHERE rolcanlogin AND rolname <> current_user AND rolname <> ALL (current_setting('runbook.system_roles')::text[])
