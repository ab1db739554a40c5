-- What statistics are collected of, the smallest first: tables for their partitions as well, materialised views. Not the catalogs: a plain ANALYZE takes those of the whole
-- cluster too, and what roles and other databases have set would be in statistics that anybody may read.
SELECT format('%I.%I', n.nspname, c.relname)
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE (c.relkind IN ('r', 'p') AND NOT c.relispartition OR c.relkind = 'm' AND c.relispopulated)
  AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_(toast|temp)'
ORDER BY pg_relation_size(c.oid)
