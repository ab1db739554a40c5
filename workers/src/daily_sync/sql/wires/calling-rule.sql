-- A rule that calls out of the database.
SELECT format('%s on %s', rulename, ev_class::regclass) AS object, ARRAY[format('DROP RULE %I ON %s', rulename, ev_class::regclass)] AS cut
FROM pg_rewrite AS r
WHERE ev_type <> '1'
  AND pg_get_ruledef(r.oid) ~* '(aws_lambda\.|aws_s3\.|aws_ml\.|aws_commons\.|dblink|\mhttp_(get|post|put|delete|patch|head)\M|net\.http_)'
ORDER BY 1
