-- Everything that shows rows of its own: tables, partitioned ones for their partitions, materialised views; whether it is read without what inherits
-- from it, and whether a policy hides rows from its owner.
SELECT n.nspname::text, c.relname::text, c.relkind = 'r', c.relforcerowsecurity OR NOT has_table_privilege(c.relowner, c.oid, 'SELECT')
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE (c.relkind IN ('r', 'p') AND NOT c.relispartition OR c.relkind = 'm' AND c.relispopulated)
  AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_(toast|temp)'
ORDER BY 1, 2
