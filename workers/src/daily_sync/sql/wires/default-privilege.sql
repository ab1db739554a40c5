-- Rights on tables that do not exist yet.
SELECT format('%s of %s%s', k.word, pg_get_userbyid(defaclrole), coalesce(' in ' || nspname, '')) AS object,
       array_agg(format('ALTER DEFAULT PRIVILEGES FOR ROLE %I%s REVOKE ALL ON %s FROM %s', pg_get_userbyid(defaclrole),
           coalesce(' IN SCHEMA ' || quote_ident(nspname), ''), k.word, CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END)) AS cut
FROM pg_default_acl AS d LEFT JOIN pg_namespace AS n ON n.oid = d.defaclnamespace
JOIN (VALUES ('r', 'TABLES'), ('S', 'SEQUENCES'), ('f', 'FUNCTIONS'), ('T', 'TYPES'), ('n', 'SCHEMAS')) AS k (type, word) ON k.type = defaclobjtype::text,
     aclexplode(defaclacl) AS a
WHERE a.grantee <> defaclrole AND NOT (a.grantee = 0 AND defaclobjtype IN ('f', 'T') AND defaclnamespace = 0)
GROUP BY defaclobjtype, k.word, defaclrole, nspname
ORDER BY 1
