-- Relations with rows of their own that an extension has among its members.
SELECT quote_ident(s.nspname) || '.' || quote_ident(r.relname)
FROM pg_extension AS e
JOIN pg_depend AS m ON m.refclassid = 'pg_extension'::regclass AND m.refobjid = e.oid AND m.deptype = 'e' AND m.classid = 'pg_class'::regclass
JOIN pg_class AS r ON r.oid = m.objid JOIN pg_namespace AS s ON s.oid = r.relnamespace
WHERE r.relkind NOT IN ('v', 'S', 'i', 'I', 'c', 't') AND e.oid >= 16384
