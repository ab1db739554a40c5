-- A function's texts: its body, whose replacement says so and keeps name, arguments, owner and grants; its settings (SET ... TO), which
-- the same replacement takes away; the defaults of its arguments, which no replacement may take away, so it goes. What takes one out of
-- another language than SQL or PL/pgSQL replaces its body all the same.
SELECT p.oid::regprocedure::text AS object, t.code, t.cut,
       ARRAY[format('DROP %s %s CASCADE', k.word, p.oid::regprocedure)] AS drop, pg_get_functiondef(p.oid) AS rewrite
FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = p.pronamespace JOIN pg_language AS l ON l.oid = p.prolang,
     LATERAL (SELECT CASE prokind WHEN 'p' THEN 'PROCEDURE' ELSE 'FUNCTION' END) AS k (word),
     LATERAL (VALUES
         (concat_ws(E'\n', prosrc, pg_get_function_sqlbody(p.oid), (SELECT string_agg(quote_literal(setting), ' ') FROM unnest(proconfig) AS setting)),
          ARRAY[format('CREATE OR REPLACE %s %s(%s) %s LANGUAGE plpgsql AS %L', k.word, format('%I.%I', n.nspname, p.proname),
                       pg_get_function_arguments(p.oid), CASE prokind WHEN 'p' THEN '' ELSE 'RETURNS ' || pg_get_function_result(p.oid) END,
                       'BEGIN RAISE EXCEPTION ''the body of this function held a secret and was removed''; END')]),
         (pg_get_function_arguments(p.oid), ARRAY[format('DROP %s %s CASCADE', k.word, p.oid::regprocedure)])) AS t (code, cut)
WHERE n.nspname NOT IN ('pg_catalog', 'information_schema') AND l.lanname NOT IN ('c', 'internal') AND prokind IN ('f', 'p')
  AND NOT EXISTS (SELECT FROM pg_depend AS d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e')
