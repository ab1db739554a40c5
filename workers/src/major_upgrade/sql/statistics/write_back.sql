-- Gives the tables $1 and their indexes the statistics of the record, but for columns whose type has changed or is among $2.
-- pg_restore_relation_stats, pg_restore_attribute_stats: https://www.postgresql.org/docs/18/functions-admin.html
WITH relation AS MATERIALIZED (
    SELECT c.oid, k.*
    FROM (SELECT unnest($1::oid[]) AS oid
          UNION ALL SELECT indexrelid FROM pg_index WHERE indrelid = ANY ($1::oid[])) AS wanted
    JOIN pg_class c USING (oid)
    JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN aurora_runbooks_statistics.relations k ON k.schema = n.nspname AND k.relation = c.relname
),
sized AS MATERIALIZED (
    SELECT pg_restore_relation_stats(
               'schemaname', schema, 'relname', relation,
               'relpages', pages, 'reltuples', CASE WHEN rows >= 0 THEN rows END, 'relallvisible', visible
           ) AS taken
    FROM relation
),
attribute AS MATERIALIZED (
    SELECT k.*, k.type IS DISTINCT FROM format_type(a.atttypid, NULL) AS retyped, coalesce(a.atttypid = ANY ($2::oid[]), false) AS checked
    FROM relation r
    JOIN aurora_runbooks_statistics.columns k USING (schema, relation)
    JOIN pg_attribute a ON a.attrelid = r.oid AND a.attname = k.attribute AND NOT a.attisdropped
),
described AS MATERIALIZED (
    SELECT pg_restore_attribute_stats(
               'schemaname', schema, 'relname', relation, 'inherited', inherited,
               -- Of an index its number: names of its columns are PostgreSQL's own.
               'attname', CASE WHEN number IS NULL THEN attribute END, 'attnum', number,
               'null_frac', null_frac, 'avg_width', avg_width, 'n_distinct', n_distinct,
               'most_common_vals', most_common_vals, 'most_common_freqs', most_common_freqs, 'histogram_bounds', histogram_bounds,
               'correlation', correlation, 'most_common_elems', most_common_elems,
               'most_common_elem_freqs', most_common_elem_freqs, 'elem_count_histogram', elem_count_histogram,
               'range_length_histogram', range_length_histogram, 'range_empty_frac', range_empty_frac,
               'range_bounds_histogram', range_bounds_histogram
           ) AS taken
    FROM attribute
    WHERE NOT retyped AND NOT checked
)
SELECT (SELECT count(*) FROM described WHERE taken) AS columns,
       (SELECT count(*) FROM described WHERE NOT taken) + (SELECT count(*) FROM sized WHERE NOT taken) AS refused,
       (SELECT count(*) FROM attribute WHERE retyped) AS retyped,
       (SELECT count(*) FROM attribute WHERE checked AND NOT retyped) AS checked
