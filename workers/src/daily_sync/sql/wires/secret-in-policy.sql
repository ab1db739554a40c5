-- A password, key or token in a row security policy: it lets nobody pass any more.
SELECT format('%s on %s', polname, polrelid::regclass) AS object,
       ARRAY[format('ALTER POLICY %I ON %s %s %s', polname, polrelid::regclass, CASE WHEN polqual IS NOT NULL THEN 'USING (false)' END,
                    CASE WHEN polwithcheck IS NOT NULL THEN 'WITH CHECK (false)' END)] AS cut
FROM pg_policy
WHERE coalesce(pg_get_expr(polqual, polrelid), '') || ' ' || coalesce(pg_get_expr(polwithcheck, polrelid), '') ~* '(AKIA|ASIA)[0-9A-Z]{16}|xox[abprs]-[0-9A-Za-z-]{10}|hooks\.slack\.com/services/|-----BEGIN [A-Z ]*PRIVATE KEY|password\s*=\s*''*[^\s'';:]+|[a-z]+://[^\s/:@'']+:[^\s/@'']+@|\mgh[pousr]_[0-9A-Za-z]{20}|sk_live_[0-9A-Za-z]{10}'
