-- Which role owns something in which schema: it must be allowed to create there for as long as its objects are made again.
SELECT DISTINCT i.schema, pg_get_userbyid(d.refobjid)::text AS owner
FROM pg_shdepend AS d, pg_identify_object(d.classid, d.objid, 0) AS i, pg_namespace AS n
WHERE d.dbid = (SELECT oid FROM pg_database WHERE datname = current_database()) AND d.deptype = 'o' AND d.refclassid = 'pg_authid'::regclass
  AND n.nspname = i.schema AND n.nspname !~ '^pg_' AND n.nspowner <> d.refobjid
