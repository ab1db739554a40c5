-- What the view of an expression runs or reads that is neither PostgreSQL's, nor an extension's, nor the table itself.
SELECT pg_describe_object(d.refclassid, d.refobjid, 0)
FROM pg_rewrite AS r JOIN pg_depend AS d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid
WHERE r.ev_class = to_regclass('pg_temp.the_expression') AND d.refobjid <> r.ev_class AND d.refobjid >= 16384
  AND (d.refclassid IN ('pg_proc'::regclass, 'pg_operator'::regclass) OR d.refclassid = 'pg_class'::regclass AND d.refobjid <> $1)
  AND NOT EXISTS (SELECT FROM pg_depend AS e WHERE e.classid = d.refclassid AND e.objid = d.refobjid AND e.deptype = 'e')
