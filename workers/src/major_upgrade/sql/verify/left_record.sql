-- What RunAnalyze could not drop.
SELECT FROM pg_namespace WHERE nspname = 'aurora_runbooks_statistics' AND nspowner = current_user::regrole
