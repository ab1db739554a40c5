-- What holds a table's rows: itself, or its partitions but unlogged and foreign ones. A partitioned table without partitions is
-- its own, and holds nothing.
SELECT format('%I.%I', leaf_schema.nspname, leaf.relname), leaf.relkind = 'p'
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN LATERAL pg_partition_tree(c.oid) tree ON tree.isleaf
JOIN pg_class leaf ON leaf.oid = coalesce(tree.relid, c.oid)
JOIN pg_namespace leaf_schema ON leaf_schema.oid = leaf.relnamespace
WHERE n.nspname = $1
  AND c.relname = $2
  AND (leaf.relkind = 'p' OR leaf.relkind = 'r' AND leaf.relpersistence = 'p')
ORDER BY 1
