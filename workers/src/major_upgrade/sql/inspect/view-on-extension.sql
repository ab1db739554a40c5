SELECT DISTINCT v.oid::regclass::text AS object,
       format('uses %s of extension %s', s.oid::regclass, e.extname) AS detail,
       format('DROP %s %s; -- only if ALTER EXTENSION %I UPDATE is refused after the upgrade; create it again then',
              CASE v.relkind WHEN 'm' THEN 'MATERIALIZED VIEW' ELSE 'VIEW' END, v.oid::regclass, e.extname) AS remedy
FROM pg_depend d
JOIN pg_rewrite r ON r.oid = d.objid
JOIN pg_class v ON v.oid = r.ev_class AND v.relkind IN ('v', 'm') AND v.oid <> d.refobjid
JOIN pg_class s ON s.oid = d.refobjid
JOIN pg_depend member ON member.classid = 'pg_class'::regclass AND member.objid = s.oid AND member.deptype = 'e'
JOIN pg_extension e ON e.oid = member.refobjid
WHERE d.classid = 'pg_rewrite'::regclass AND d.refclassid = 'pg_class'::regclass AND v.oid >= 16384
  AND NOT EXISTS (SELECT FROM pg_depend own WHERE own.classid = 'pg_class'::regclass AND own.objid = v.oid AND own.deptype = 'e')
ORDER BY 1
