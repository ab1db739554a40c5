-- $1 as in view-on-catalog-column. The text of a function is parsed only when it is called: words are what can be looked for.
SELECT p.oid::regprocedure::text AS object,
       format('its text names %s', string_agg(gone, ', ')) AS detail,
       format('change %s after the upgrade: see the release notes for %s', p.oid::regprocedure, string_agg(gone, ', ')) AS remedy
FROM pg_proc p
JOIN pg_language l ON l.oid = p.prolang AND l.lanname NOT IN ('internal', 'c')
CROSS JOIN unnest($1::text[]) AS gone
WHERE p.oid >= 16384
  AND p.prosrc ~ ('\m' || split_part(gone, '.', 2) || '\M')
  AND p.prosrc ~ ('\m' || split_part(gone, '.', 3) || '\M')
GROUP BY p.oid
ORDER BY 1
