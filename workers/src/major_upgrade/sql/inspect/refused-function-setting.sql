-- $1 and $2 as in refused-role-setting.
SELECT p.oid::regprocedure::text AS object,
       split_part(setting, '=', 1) AS detail,
       format('ALTER ROUTINE %s RESET %s;', p.oid::regprocedure, split_part(setting, '=', 1)) AS remedy
FROM pg_proc p
CROSS JOIN unnest(p.proconfig) AS setting
WHERE split_part(setting, '=', 1) = ANY ($1::text[])
   OR (split_part(split_part(setting, '=', 1), '.', 1) IN (SELECT split_part(known, '.', 1) FROM unnest($2::text[]) AS known)
       AND split_part(setting, '=', 1) <> ALL ($2::text[]))
ORDER BY 1
