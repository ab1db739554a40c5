CREATE SCHEMA IF NOT EXISTS aurora_runbooks_statistics;
CREATE TABLE IF NOT EXISTS aurora_runbooks_statistics.relations (
    schema text, relation text, pages int, rows real, visible int,
    -- How often it was read: the most read ones are written back first.
    scans bigint,
    PRIMARY KEY (schema, relation)
);
CREATE TABLE IF NOT EXISTS aurora_runbooks_statistics.columns (
    schema text, relation text, attribute text, inherited boolean, type text, number smallint,
    null_frac real, avg_width int, n_distinct real, most_common_vals text, most_common_freqs real[], histogram_bounds text,
    correlation real, most_common_elems text, most_common_elem_freqs real[], elem_count_histogram real[],
    range_length_histogram text, range_empty_frac real, range_bounds_histogram text,
    PRIMARY KEY (schema, relation, attribute, inherited)
);
