-- Every column that people made and the server does not compute; partitions are their root's.
SELECT c.table_schema::text, c.table_name::text, c.column_name::text
FROM information_schema.columns AS c
JOIN information_schema.tables AS t USING (table_schema, table_name)
WHERE t.table_type IN ('BASE TABLE', 'FOREIGN') AND c.is_generated = 'NEVER' AND t.table_schema NOT IN ('pg_catalog', 'information_schema')
  AND NOT EXISTS (SELECT FROM pg_inherits AS i JOIN pg_class AS k ON k.oid = i.inhrelid WHERE k.relispartition AND k.oid = to_regclass(format('%I.%I', c.table_schema, c.table_name)))
  AND NOT EXISTS (SELECT FROM pg_depend AS d WHERE d.objid = to_regclass(format('%I.%I', c.table_schema, c.table_name)) AND d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e')
  AND left(c.table_schema, 8) <> 'pg_temp_'
