-- A database that has queries, or something to know about all of them.
CREATE TABLE aurora_runbooks_plans.capture (database text, note text, CHECK ((database IS NULL) <> (note IS NULL)))
