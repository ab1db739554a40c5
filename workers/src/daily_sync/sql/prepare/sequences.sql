-- Each column of the table that a sequence feeds, and the sequence, quoted.
SELECT a.attname, s.sequence
FROM pg_catalog.pg_attribute a, LATERAL pg_catalog.pg_get_serial_sequence($1, a.attname) AS s (sequence)
WHERE a.attrelid = pg_catalog.to_regclass($1) AND a.attnum > 0 AND NOT a.attisdropped AND s.sequence IS NOT NULL
