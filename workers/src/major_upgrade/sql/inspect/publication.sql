SELECT pubname::text AS object, CASE WHEN puballtables THEN 'for all tables' ELSE 'for some tables' END AS detail,
       format('tell its subscribers; it stays, but their slots do not. To drop it: DROP PUBLICATION %I;', pubname) AS remedy
FROM pg_publication
ORDER BY 1
