CREATE SCHEMA IF NOT EXISTS aurora_runbooks_plans;
DROP TABLE IF EXISTS aurora_runbooks_plans.capture
