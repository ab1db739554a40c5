SELECT l.lanname::text AS object, format('%s functions', count(*)) AS detail,
       format('see whether the target offers %s, and test its functions there', l.lanname) AS remedy
FROM pg_proc p
JOIN pg_language l ON l.oid = p.prolang
WHERE p.oid >= 16384 AND l.lanname NOT IN ('sql', 'plpgsql', 'internal', 'c')
GROUP BY l.lanname
ORDER BY 1
