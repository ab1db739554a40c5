-- Owners of relations and schemas whose rights the present role does not have yet: only an owner grants on what it owns.
SELECT DISTINCT r.rolname
FROM pg_catalog.pg_roles r
WHERE r.oid IN (SELECT relowner FROM pg_catalog.pg_class UNION SELECT nspowner FROM pg_catalog.pg_namespace)
  AND NOT pg_catalog.pg_has_role(r.oid, 'USAGE')
  AND r.rolname NOT IN ('rdsadmin', 'postgres') AND NOT r.rolsuper AND r.rolname !~ '^pg_'
ORDER BY 1
