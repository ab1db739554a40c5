-- Settings of roles and databases: search paths, and what applications keep in them. An environment's own are in the policy.
SELECT concat_ws(' in ', CASE WHEN setrole <> 0 THEN pg_get_userbyid(setrole) END, datname) AS object,
       ARRAY[CASE WHEN setrole = 0 AND setdatabase = 0 THEN 'ALTER ROLE ALL RESET ALL'
                  WHEN setrole = 0 THEN format('ALTER DATABASE %I RESET ALL', datname)
                  WHEN setdatabase = 0 THEN format('ALTER ROLE %I RESET ALL', pg_get_userbyid(setrole))
                  ELSE format('ALTER ROLE %I IN DATABASE %I RESET ALL', pg_get_userbyid(setrole), datname) END] AS cut
FROM pg_db_role_setting AS s LEFT JOIN pg_database AS d ON d.oid = s.setdatabase
WHERE datname IS DISTINCT FROM 'rdsadmin'
  AND (setrole = 0 OR pg_get_userbyid(setrole) <> ALL (current_setting('runbook.system_roles')::text[]))
