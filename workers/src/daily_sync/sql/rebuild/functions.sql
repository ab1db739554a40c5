-- Functions that find their tables by a search path and have none of their own: the statement that gives them one while constraints are checked and
-- views filled, and the one that takes it away. They ran with their database's; pg_restore has none (CVE-2018-1058).
SELECT format('ALTER ROUTINE %s SET search_path = %s', f.name, p.path) AS give, format('ALTER ROUTINE %s RESET search_path', f.name) AS take
FROM pg_proc AS p0 JOIN pg_namespace AS n ON n.oid = p0.pronamespace JOIN pg_language AS l ON l.oid = p0.prolang,
     LATERAL (SELECT format('%I.%I(%s)', n.nspname, p0.proname, pg_get_function_identity_arguments(p0.oid))) AS f (name),
     (SELECT string_agg(quote_ident(nspname), ', ' ORDER BY nspname <> 'public', nspname) FROM pg_namespace
      WHERE nspname !~ '^pg_' AND nspname <> 'information_schema') AS p (path)
WHERE p0.oid >= 16384 AND p0.prokind IN ('f', 'p') AND l.lanname NOT IN ('c', 'internal') AND p0.prosqlbody IS NULL
  AND NOT EXISTS (SELECT FROM unnest(p0.proconfig) AS c (setting) WHERE c.setting LIKE 'search_path=%')
  AND NOT EXISTS (SELECT FROM pg_depend AS d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p0.oid AND d.deptype = 'e')
