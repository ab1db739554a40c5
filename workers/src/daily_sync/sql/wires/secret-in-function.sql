-- A password, key or token in the body of a function. Calling it says so; name, arguments, owner and grants stay.
SELECT p.oid::regprocedure::text AS object,
       ARRAY[format('CREATE OR REPLACE %s %s(%s) %s LANGUAGE plpgsql AS %L', CASE prokind WHEN 'p' THEN 'PROCEDURE' ELSE 'FUNCTION' END,
                    format('%I.%I', n.nspname, p.proname), pg_get_function_arguments(p.oid),
                    CASE prokind WHEN 'p' THEN '' ELSE 'RETURNS ' || pg_get_function_result(p.oid) END,
                    'BEGIN RAISE EXCEPTION ''the body of this function held a secret and was removed''; END')] AS cut
FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = p.pronamespace JOIN pg_language AS l ON l.oid = p.prolang
WHERE n.nspname NOT IN ('pg_catalog', 'information_schema') AND l.lanname NOT IN ('c', 'internal') AND prokind IN ('f', 'p')
  AND NOT EXISTS (SELECT FROM pg_depend AS d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e')
  AND prosrc || coalesce(pg_get_function_sqlbody(p.oid), '') ~* '(AKIA|ASIA)[0-9A-Z]{16}|xox[abprs]-[0-9A-Za-z-]{10}|hooks\.slack\.com/services/|-----BEGIN [A-Z ]*PRIVATE KEY|password\s*=\s*''*[^\s'';:]+|[a-z]+://[^\s/:@'']+:[^\s/@'']+@|\mgh[pousr]_[0-9A-Za-z]{20}|sk_live_[0-9A-Za-z]{10}'
