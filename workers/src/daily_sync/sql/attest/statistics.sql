-- Every value that statistics remember, of tables, indexes and materialised views, and of extended statistics.
SELECT s.schemaname::text, s.tablename::text, s.attname::text, v.text
FROM pg_stats AS s,
     unnest(coalesce(s.most_common_vals::text::text[], '{}') || coalesce(s.histogram_bounds::text::text[], '{}')
            || coalesce(s.most_common_elems::text::text[], '{}')) AS v (text)
WHERE s.schemaname NOT IN ('pg_catalog', 'information_schema')
UNION ALL
SELECT s.schemaname::text, s.tablename::text, s.statistics_name::text, v.text
FROM pg_stats_ext AS s, unnest(s.most_common_vals) AS v (text)
UNION ALL
SELECT s.schemaname::text, s.tablename::text, s.statistics_name::text, v.text
FROM pg_stats_ext_exprs AS s,
     unnest(coalesce(s.most_common_vals::text::text[], '{}') || coalesce(s.histogram_bounds::text::text[], '{}')) AS v (text)
