-- Foreign keys that people declared (not their copies on partitions).
SELECT json_build_object('table', conrelid::int8, 'parent', confrelid::int8,
    'columns', (SELECT json_agg(attname ORDER BY k.n) FROM unnest(conkey) WITH ORDINALITY AS k (num, n)
        JOIN pg_attribute AS a ON a.attrelid = conrelid AND a.attnum = k.num),
    'parentColumns', (SELECT json_agg(attname ORDER BY k.n) FROM unnest(confkey) WITH ORDINALITY AS k (num, n)
        JOIN pg_attribute AS a ON a.attrelid = confrelid AND a.attnum = k.num))::text AS key
FROM pg_constraint AS f
WHERE contype = 'f' AND conparentid = 0
ORDER BY f.oid
