-- A transaction that production prepared: it holds locks and raw rows, for ever. Only its owner may end it, and not inside a transaction.
SELECT format('%s of %s', gid, owner) AS object,
       ARRAY[format('SET ROLE %I', owner), format('ROLLBACK PREPARED %L', gid), 'SET ROLE NONE'] AS cut
FROM pg_prepared_xacts
WHERE database = current_database()
