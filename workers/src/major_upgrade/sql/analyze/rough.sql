-- Tables whose statistics no column has more than ten entries of: they may be of a stage with a low target.
SELECT c.oid
FROM pg_stats s
JOIN pg_namespace n ON n.nspname = s.schemaname
JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = s.tablename
WHERE c.oid >= 16384
GROUP BY c.oid
HAVING coalesce(max(greatest(array_length(s.most_common_freqs, 1), array_length(s.histogram_bounds, 1) - 1)), 0) <= 10
