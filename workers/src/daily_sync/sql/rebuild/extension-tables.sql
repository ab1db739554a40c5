-- Tables of extensions whose rows people add (pg_extension_config_dump).
SELECT format('%I.%I', n.nspname, c.relname)
FROM pg_extension AS e, unnest(e.extconfig) AS t (oid) JOIN pg_class AS c ON c.oid = t.oid JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE e.oid >= 16384 AND c.relkind IN ('r', 'p')
