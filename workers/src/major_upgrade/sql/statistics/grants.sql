-- Takes from everybody else what default privileges have given: one statement a grant.
SELECT format('REVOKE ALL ON SCHEMA aurora_runbooks_statistics FROM %s', coalesce(nullif(a.grantee, 0)::regrole::text, 'PUBLIC')) AS statement
FROM pg_namespace n, aclexplode(n.nspacl) a
WHERE n.nspname = 'aurora_runbooks_statistics' AND a.grantee <> n.nspowner
UNION
SELECT format('REVOKE ALL ON %s FROM %s', c.oid::regclass, coalesce(nullif(a.grantee, 0)::regrole::text, 'PUBLIC'))
FROM pg_class c, aclexplode(c.relacl) a
WHERE c.relnamespace = 'aurora_runbooks_statistics'::regnamespace AND c.relkind = 'r' AND a.grantee <> c.relowner
