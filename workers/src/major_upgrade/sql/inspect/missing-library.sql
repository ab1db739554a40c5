-- $1: extensions that the target lacks, as "name reason".
SELECT e.extname::text AS object,
       format('version %s, owned by %s: %s', e.extversion, pg_get_userbyid(e.extowner), substr(gone, strpos(gone, ' ') + 1)) AS detail,
       format('DROP EXTENSION %I;', e.extname) AS remedy
FROM pg_extension e
JOIN unnest($1::text[]) AS gone ON split_part(gone, ' ', 1) = e.extname
ORDER BY 1
