-- pg_upgrade: check_for_prepared_transactions.
SELECT database::text AS database,
       quote_literal(gid) AS object,
       format('prepared by %s at %s', owner, date_trunc('second', prepared)) AS detail,
       format('ROLLBACK PREPARED %L; -- or COMMIT PREPARED %L, as its transaction manager decides', gid, gid) AS remedy
FROM pg_prepared_xacts
ORDER BY gid
