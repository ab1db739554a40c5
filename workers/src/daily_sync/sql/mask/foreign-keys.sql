-- Foreign keys that people declared (not their copies on partitions).
SELECT json_build_object('name', conname, 'table', conrelid::int8, 'on', format('%I.%I', n.nspname, c.relname), 'parent', confrelid::int8,
    'partitioned', 'p' IN (c.relkind, (SELECT relkind FROM pg_class WHERE oid = confrelid)), 'columns', (SELECT json_agg(attname ORDER BY k.n) FROM unnest(conkey) WITH ORDINALITY AS k (num, n)
        JOIN pg_attribute AS a ON a.attrelid = conrelid AND a.attnum = k.num),
    'parentColumns', (SELECT json_agg(attname ORDER BY k.n) FROM unnest(confkey) WITH ORDINALITY AS k (num, n)
        JOIN pg_attribute AS a ON a.attrelid = confrelid AND a.attnum = k.num),
    'definition', pg_get_constraintdef(f.oid), 'valid', convalidated, 'comment', obj_description(f.oid, 'pg_constraint'))::text AS key
FROM pg_constraint AS f JOIN pg_class AS c ON c.oid = f.conrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE contype = 'f' AND conparentid = 0
ORDER BY f.oid
