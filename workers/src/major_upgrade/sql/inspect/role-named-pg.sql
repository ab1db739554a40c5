-- Object identifiers from 16384 on are not initdb's. ALTER ROLE … RENAME refuses such a name on either side.
SELECT NULL::text AS database,
       rolname::text AS object,
       CASE WHEN rolcanlogin THEN 'somebody may log in as it' ELSE 'nobody logs in as it' END AS detail,
       format('REASSIGN OWNED BY %1$I TO CURRENT_USER; DROP OWNED BY %1$I; -- both in every database; then, once: DROP ROLE %1$I;', rolname) AS remedy
FROM pg_roles
WHERE rolname ~ '^pg_' AND oid >= 16384
ORDER BY rolname
