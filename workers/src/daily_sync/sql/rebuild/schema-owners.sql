-- Which role owns something in which schema that it may not create in: it must be allowed to for as long as its objects are made again.
SELECT DISTINCT i.schema, pg_get_userbyid(d.refobjid)::text AS owner, pg_get_userbyid(n.nspowner)::text AS schema_owner
FROM pg_shdepend AS d, pg_identify_object(d.classid, d.objid, 0) AS i, pg_namespace AS n
WHERE d.dbid = (SELECT oid FROM pg_database WHERE datname = current_database()) AND d.deptype = 'o' AND d.refclassid = 'pg_authid'::regclass
  AND n.nspname = i.schema AND n.nspname !~ '^pg_' AND NOT has_schema_privilege(d.refobjid, n.oid, 'CREATE')
