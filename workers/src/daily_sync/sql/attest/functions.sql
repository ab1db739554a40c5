SELECT p.oid::regprocedure::text, concat_ws(E'\n', pg_get_functiondef(p.oid), array_to_string(p.proconfig, E'\n')), p.prosecdef, coalesce(p.proacl::text, ''), pg_get_userbyid(p.proowner)::text,
       has_function_privilege('public', p.oid, 'EXECUTE')
FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = p.pronamespace JOIN pg_language AS l ON l.oid = p.prolang
WHERE p.prokind IN ('f', 'p') AND l.lanname NOT IN ('c', 'internal') AND left(n.nspname, 3) <> 'pg_' AND n.nspname <> 'information_schema'
  AND NOT EXISTS (SELECT FROM pg_depend AS d WHERE d.objid = p.oid AND d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e')
