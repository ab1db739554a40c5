-- $1: parameters that the target does not have. $2: every setting of the libraries that reserve their prefix.
SELECT d.datname::text AS database,
       concat_ws(' ', r.rolname, split_part(setting, '=', 1)) AS object,
       CASE WHEN split_part(setting, '=', 1) = ANY ($1::text[]) THEN 'the parameter is gone on the target'
            ELSE format('%s has no such setting', split_part(setting, '.', 1)) END AS detail,
       CASE WHEN r.oid IS NULL THEN format('ALTER DATABASE %I RESET %s;', d.datname, split_part(setting, '=', 1))
            WHEN d.oid IS NULL THEN format('ALTER ROLE %I RESET %s;', r.rolname, split_part(setting, '=', 1))
            ELSE format('ALTER ROLE %I IN DATABASE %I RESET %s;', r.rolname, d.datname, split_part(setting, '=', 1)) END AS remedy
FROM pg_db_role_setting s
LEFT JOIN pg_database d ON d.oid = s.setdatabase
LEFT JOIN pg_roles r ON r.oid = s.setrole
CROSS JOIN unnest(s.setconfig) AS setting
WHERE split_part(setting, '=', 1) = ANY ($1::text[])
   OR (split_part(split_part(setting, '=', 1), '.', 1) IN (SELECT split_part(known, '.', 1) FROM unnest($2::text[]) AS known)
       AND split_part(setting, '=', 1) <> ALL ($2::text[]))
ORDER BY 1, 2
