SELECT format('%I.%I', n.nspname, c.conname) AS object, '' AS detail,
       format('DROP CONVERSION %I.%I; -- its function needs new arguments from 14 on', n.nspname, c.conname) AS remedy
FROM pg_conversion c
JOIN pg_namespace n ON n.oid = c.connamespace
WHERE c.oid >= 16384
ORDER BY 1
