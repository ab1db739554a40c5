-- A trigger whose function calls out of the database. NOTIFY is not a call: it ends at sessions of this database.
SELECT format('%s on %s', tgname, tgrelid::regclass) AS object, ARRAY[format('ALTER TABLE %s DISABLE TRIGGER %I', tgrelid::regclass, tgname)] AS cut
FROM pg_trigger AS t JOIN pg_proc AS p ON p.oid = t.tgfoid
WHERE NOT tgisinternal AND tgparentid = 0 AND tgenabled <> 'D'
  AND p.prosrc ~* '(aws_lambda\.|aws_s3\.|aws_ml\.|aws_commons\.|dblink|\mhttp_(get|post|put|delete|patch|head)\M|net\.http_|\mhttp\s*\(\s*\(|copy\s.*\sprogram\s|lo_(import|export))'
ORDER BY 1
