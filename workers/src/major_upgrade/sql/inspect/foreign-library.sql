-- Functions in C that belong to no extension: their library must be on the target, too (pg_upgrade: check_loadable_libraries).
SELECT p.oid::regprocedure::text AS object, format('library %s', p.probin) AS detail,
       format('DROP ROUTINE %s; -- unless the target has the library', p.oid::regprocedure) AS remedy
FROM pg_proc p
JOIN pg_language l ON l.oid = p.prolang AND l.lanname = 'c'
WHERE p.oid >= 16384
  AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e')
ORDER BY 1
