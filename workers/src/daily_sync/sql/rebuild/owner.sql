-- What gives an object of a catalog ($1, $2) the owner that it has here. None of the superuser's:
-- those are not written down.
SELECT format('ALTER %s %s OWNER TO %I',
              CASE object.type
                  WHEN 'function' THEN 'routine'
                  WHEN 'procedure' THEN 'routine'
                  WHEN 'aggregate' THEN 'routine'
                  WHEN 'composite type' THEN 'type'
                  WHEN 'statistics object' THEN 'statistics'
                  WHEN 'foreign-data wrapper' THEN 'foreign data wrapper'
                  ELSE object.type
              END,
              object.identity,
              pg_get_userbyid(owned.refobjid))
FROM pg_shdepend AS owned
JOIN pg_database AS this ON this.oid = owned.dbid AND this.datname = current_database()
CROSS JOIN pg_identify_object(owned.classid, owned.objid, 0) AS object
WHERE owned.deptype = 'o' AND owned.classid = $1 AND owned.objid = $2 AND owned.objsubid = 0
