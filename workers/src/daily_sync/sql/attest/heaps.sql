-- Everything that has rows of its own: tables and materialised views, and of partitioned ones each partition; whether a policy hides rows from the
-- owner, how many pages it has, and whether it is a view.
SELECT n.nspname::text, c.relname::text, hn.nspname::text, h.relname::text,
    h.relforcerowsecurity OR NOT has_table_privilege(h.relowner, h.oid, 'SELECT'),
    coalesce(pg_relation_size(h.oid), 0) / current_setting('block_size')::bigint,
    c.relkind = 'm'
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
CROSS JOIN LATERAL (
    SELECT c.oid WHERE c.relkind <> 'p'
    UNION ALL
    SELECT relid FROM pg_partition_tree(c.oid) WHERE c.relkind = 'p' AND isleaf
) AS leaf (oid)
JOIN pg_class AS h ON h.oid = leaf.oid JOIN pg_namespace AS hn ON hn.oid = h.relnamespace
WHERE (c.relkind IN ('r', 'p') AND NOT c.relispartition OR c.relkind = 'm' AND c.relispopulated)
  AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_(toast|temp)'
ORDER BY 1, 2, 3, 4
