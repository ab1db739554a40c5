SELECT format('%s on %s', t.tgname, t.tgrelid::regclass) AS object,
       CASE t.tgenabled WHEN 'A' THEN 'ENABLE ALWAYS' ELSE 'ENABLE REPLICA' END AS detail,
       format('ALTER TABLE %s ENABLE TRIGGER %I; -- and back after the switchover', t.tgrelid::regclass, t.tgname)
           AS remedy
FROM pg_trigger t
WHERE NOT t.tgisinternal AND t.tgenabled IN ('A', 'R')
ORDER BY 1
