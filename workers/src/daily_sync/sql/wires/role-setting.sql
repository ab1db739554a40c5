-- Settings of roles: search paths, and what applications keep in them. An environment's own are in the policy. Those of a database go with it when it is
-- made again: who is no superuser may not take back one of a parameter that nobody knows.
SELECT CASE WHEN setrole = 0 THEN 'all roles' ELSE pg_get_userbyid(setrole)::text END AS object,
       ARRAY[CASE WHEN setrole = 0 THEN 'ALTER ROLE ALL RESET ALL' ELSE format('ALTER ROLE %I RESET ALL', pg_get_userbyid(setrole)) END] AS cut
FROM pg_db_role_setting AS s
WHERE s.setdatabase = 0
  AND (setrole = 0 OR pg_get_userbyid(setrole) <> ALL (current_setting('runbook.system_roles')::text[]))
