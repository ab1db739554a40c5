-- What the planner knows of every column and expression, as text that the same type reads back. Three columns came with 17: before it
-- a name that pg_stats lacks is found one level further out (https://www.postgresql.org/docs/17/view-pg-stats.html).
INSERT INTO aurora_runbooks_statistics.columns
SELECT s.schemaname, s.tablename, s.attname, s.inherited, format_type(a.atttypid, NULL), CASE WHEN c.relkind = 'i' THEN a.attnum END,
       s.null_frac, s.avg_width, s.n_distinct, s.most_common_vals::text, s.most_common_freqs, s.histogram_bounds::text,
       s.correlation, s.most_common_elems::text, s.most_common_elem_freqs, s.elem_count_histogram,
       (SELECT range_length_histogram::text FROM (SELECT s.*) AS known),
       (SELECT range_empty_frac FROM (SELECT s.*) AS known),
       (SELECT range_bounds_histogram::text FROM (SELECT s.*) AS known)
FROM (SELECT NULL::text AS range_length_histogram, NULL::real AS range_empty_frac, NULL::text AS range_bounds_histogram) AS before_17
CROSS JOIN pg_stats s
JOIN pg_namespace n ON n.nspname = s.schemaname
JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = s.tablename
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = s.attname
WHERE s.schemaname NOT IN ('pg_catalog', 'information_schema', 'pg_toast', 'aurora_runbooks_statistics')
ON CONFLICT (schema, relation, attribute, inherited) DO UPDATE
SET (type, number, null_frac, avg_width, n_distinct, most_common_vals, most_common_freqs, histogram_bounds,
     correlation, most_common_elems, most_common_elem_freqs, elem_count_histogram,
     range_length_histogram, range_empty_frac, range_bounds_histogram)
  = (excluded.type, excluded.number, excluded.null_frac, excluded.avg_width, excluded.n_distinct, excluded.most_common_vals,
     excluded.most_common_freqs, excluded.histogram_bounds, excluded.correlation, excluded.most_common_elems,
     excluded.most_common_elem_freqs, excluded.elem_count_histogram,
     excluded.range_length_histogram, excluded.range_empty_frac, excluded.range_bounds_histogram)
