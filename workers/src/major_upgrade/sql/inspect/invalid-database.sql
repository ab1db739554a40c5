-- datconnlimit -2 marks what an interrupted DROP DATABASE left (release notes of 15.4, 14.9, …).
SELECT NULL::text AS database,
       datname::text AS object,
       '' AS detail,
       format('DROP DATABASE %I;', datname) AS remedy
FROM pg_database
WHERE datconnlimit = -2
ORDER BY datname
