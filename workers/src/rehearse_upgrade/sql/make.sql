CREATE SCHEMA IF NOT EXISTS aurora_runbooks_plans;
DROP TABLE IF EXISTS aurora_runbooks_plans.queries;
CREATE TABLE aurora_runbooks_plans.queries (
    number int PRIMARY KEY, role text NOT NULL, calls bigint NOT NULL, milliseconds float8 NOT NULL, query text,
    -- The plan before the upgrade, as JSON, or why there is none.
    plan text, reason text,
    CHECK ((plan IS NULL) <> (reason IS NULL))
)
