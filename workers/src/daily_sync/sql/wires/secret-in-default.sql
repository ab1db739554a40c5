-- A password, key or token in a column's default.
SELECT format('%s.%I', adrelid::regclass, attname) AS object,
       ARRAY[format('ALTER TABLE %s ALTER COLUMN %I DROP DEFAULT', adrelid::regclass, attname)] AS cut
FROM pg_attrdef AS d JOIN pg_attribute AS a ON a.attrelid = d.adrelid AND a.attnum = d.adnum
WHERE a.attgenerated = '' AND pg_get_expr(adbin, adrelid) ~* '(AKIA|ASIA)[0-9A-Z]{16}|xox[abprs]-[0-9A-Za-z-]{10}|hooks\.slack\.com/services/|-----BEGIN [A-Z ]*PRIVATE KEY|password\s*=\s*''*[^\s'';:]+|[a-z]+://[^\s/:@'']+:[^\s/@'']+@|\mgh[pousr]_[0-9A-Za-z]{20}|sk_live_[0-9A-Za-z]{10}'
