-- Row security policies: one that tells a credential lets nobody pass any more.
SELECT format('%I on %s', polname, polrelid::regclass) AS object,
       concat_ws(' ', pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid)) AS code,
       ARRAY[format('ALTER POLICY %I ON %s %s %s', polname, polrelid::regclass, CASE WHEN polqual IS NOT NULL THEN 'USING (false)' END,
                    CASE WHEN polwithcheck IS NOT NULL THEN 'WITH CHECK (false)' END)] AS cut,
       ARRAY[format('DROP POLICY %I ON %s', polname, polrelid::regclass)] AS drop,
       format('ALTER POLICY %I ON %s%s%s', polname, polrelid::regclass, ' USING (' || pg_get_expr(polqual, polrelid) || ')',
              ' WITH CHECK (' || pg_get_expr(polwithcheck, polrelid) || ')') AS rewrite
FROM pg_policy
