-- A function that acts with its owner's rights for whoever may call it. The policy's grants name who may in an environment.
SELECT p.oid::regprocedure::text AS object,
       array_agg(format('REVOKE ALL ON %s %s FROM %s CASCADE', CASE prokind WHEN 'p' THEN 'PROCEDURE' ELSE 'FUNCTION' END, p.oid::regprocedure,
                 CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END)) AS cut
FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = p.pronamespace,
     aclexplode(coalesce(proacl, acldefault('f', proowner))) AS a
WHERE prosecdef AND a.grantee <> proowner AND n.nspname NOT IN ('pg_catalog', 'information_schema')
  AND NOT EXISTS (SELECT FROM pg_depend AS d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e')
GROUP BY p.oid, prokind
ORDER BY 1
