-- What every role may: read or write a table, make objects in a schema (and so stand in the way of a search path).
SELECT c.oid::regclass::text AS object, ARRAY[format('REVOKE ALL ON %s FROM PUBLIC CASCADE', c.oid::regclass)] AS cut
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname NOT IN ('pg_catalog', 'information_schema')
  AND EXISTS (SELECT FROM aclexplode(c.relacl) AS a WHERE a.grantee = 0)
  AND NOT EXISTS (SELECT FROM pg_depend AS d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
UNION ALL
SELECT format('schema %I', nspname), ARRAY[format('REVOKE CREATE ON SCHEMA %I FROM PUBLIC CASCADE', nspname)]
FROM pg_namespace
WHERE nspname NOT IN ('pg_catalog', 'information_schema') AND EXISTS (SELECT FROM aclexplode(nspacl) AS a WHERE a.grantee = 0 AND a.privilege_type = 'CREATE')
ORDER BY 1
