-- A database whose code tells on whoever runs it, and whose values must not leave it.
CREATE SCHEMA app;
CREATE FUNCTION app.trap(text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN
    IF session_user <> current_user OR current_setting('application_name') = 'psql' THEN RAISE EXCEPTION 'trapped'; END IF;
    RETURN true;
END $$;
CREATE DOMAIN app.trapped AS text CHECK (app.trap(VALUE));
CREATE TABLE app.people (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    contact text NOT NULL, whatever text, nationalidnumber varchar(15) UNIQUE, zipcode text, born date, salary numeric(10, 2),
    born_on timestamptz, level integer NOT NULL, mood text CHECK (mood IN ('good', 'bad')), note app.trapped, code text NOT NULL CHECK (app.trap(code)),
    upper_note text GENERATED ALWAYS AS (upper(whatever)) STORED, profile jsonb, settings json NOT NULL DEFAULT '{}'
);
CREATE UNIQUE INDEX ON app.people (lower(whatever)) WHERE app.trap(contact);
CREATE TABLE app.visits (person varchar(15) REFERENCES app.people (nationalidnumber), seen timestamptz, source inet);
CREATE TABLE app.outbox (id integer PRIMARY KEY, body text);
CREATE TABLE app.nothing ();
INSERT INTO app.people (contact, whatever, nationalidnumber, zipcode, born, salary, level, mood, note, code, profile)
SELECT format('secretive%s@mail.example', n), format('AKIAABCDEFGHIJK%s', lpad(translate(n::text, '0123456789', 'ABCDEFGHIJ'), 5, 'Z')), format('%s', 1000000 + n), '12345',
       '1990-01-01', 1000 + n, n % 2, 'good', format('secretive words %s', n), format('secretive%s', n),
       jsonb_build_object('Email', format('secretive%s@mail.example', n), 'friends', jsonb_build_object(format('secretive%s@mail.example', n), jsonb_build_object('since', n)),
                          'logins', jsonb_build_array(jsonb_build_object('from', '10.1.2.3', 'token', 'secretive')))
FROM generate_series(1, 200) AS n;
INSERT INTO app.visits SELECT '1000001', now(), '10.0.0.1';
ALTER TABLE app.people ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY trapped ON app.people USING (app.trap(contact))
