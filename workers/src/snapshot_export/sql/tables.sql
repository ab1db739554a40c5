-- What has rows of its own or stands for its partitions, by the table that an export names: a partition belongs to its root. Of each
-- whether it has rows itself, and whether some may be hidden from this session. Tables of extensions are the extensions'.
SELECT n.nspname::text, c.relname::text, root_schema.nspname::text, root.relname::text, c.relkind = 'r',
       row_security_active(c.oid) OR NOT has_schema_privilege(n.oid, 'USAGE') OR NOT has_table_privilege(c.oid, 'SELECT')
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace
JOIN pg_class AS root ON root.oid = CASE WHEN c.relispartition THEN pg_partition_root(c.oid)::oid ELSE c.oid END
JOIN pg_namespace AS root_schema ON root_schema.oid = root.relnamespace
WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't'
  AND root_schema.nspname NOT IN ('pg_catalog', 'information_schema') AND root_schema.nspname !~ '^pg_(toast|temp)'
  AND NOT EXISTS (SELECT FROM pg_depend AS d WHERE d.classid = 'pg_class'::regclass AND d.objid = root.oid AND d.deptype = 'e')
ORDER BY 1, 2
