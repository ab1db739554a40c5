-- Everything that masking must leave whole: keys, domains, arrays, documents, partitions, inheritance, triggers, policies, and what depends on them.
-- Raw values that a test looks for hold the word rawmark.
CREATE SCHEMA zoo AUTHORIZATION shop_owner;
GRANT USAGE ON SCHEMA zoo TO shop_reader;
SET ROLE shop_owner;
SET search_path = zoo, public;

CREATE DOMAIN contact AS varchar(60) CHECK (VALUE ~ '@');
CREATE TABLE person (
    id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    email citext NOT NULL UNIQUE,
    login varchar(40) COLLATE "C" NOT NULL UNIQUE,
    phone varchar(20) UNIQUE,
    other_addresses text[] NOT NULL DEFAULT '{}',
    second contact,
    profile jsonb NOT NULL,
    born date,
    note text,
    salary numeric(10, 2) NOT NULL CHECK (salary > 0),
    address inet,
    homepage text,
    token uuid NOT NULL UNIQUE,
    fingerprint bytea,
    code char(24),
    active boolean NOT NULL DEFAULT true,
    friend int,
    CHECK (length(login) > 3)
);
INSERT INTO person (email, login, phone, other_addresses, second, profile, born, note, salary, address, homepage, token, fingerprint, code, active, friend)
SELECT format('Rawmark.%s@mail.example', i), format('rawmark-%s', i), CASE WHEN i % 5 > 0 THEN format('+49 30 rawmark %s', i) END,
    ARRAY[format('rawmark.second.%s@mail.example', i), NULL, format('rawmark.third.%s@mail.example', i)],
    format('rawmark.contact.%s@mail.example', i),
    jsonb_build_object('email', format('rawmark.profile.%s@mail.example', i), 'age', i % 90, 'theme', 'dark',
        'cards', jsonb_build_array(jsonb_build_object('holder', format('Rawmark Holder %s', i), 'type', 'debit'), 'none')),
    date '1960-01-01' + i * 11 % 15000, CASE WHEN i % 3 = 0 THEN format('rawmark: called %s times, ', i) || repeat('and again ', 400) END,
    1000 + i % 5000, format('198.51.100.%s', i % 250)::inet, format('https://rawmark.example/%s', i), md5('rawmark' || i)::uuid,
    convert_to(format('rawmark-bytes-%s', i), 'UTF8'), format('rawmark%s', i), i % 2 = 0, 1 + i * 7 % 3000
FROM generate_series(1, 3000) AS i;
ALTER TABLE person ADD FOREIGN KEY (friend) REFERENCES person DEFERRABLE INITIALLY DEFERRED;
COMMENT ON CONSTRAINT person_friend_fkey ON person IS 'people know people';
CREATE INDEX person_lower ON person (lower(login));
GRANT SELECT (id, active), UPDATE (active) ON person TO shop_reader;
COMMENT ON COLUMN person.note IS 'what the caller said';
CREATE STATISTICS person_together (mcv, dependencies) ON login, code FROM person;

CREATE TABLE membership (person int REFERENCES person ON DELETE CASCADE, team varchar(12), since date NOT NULL, PRIMARY KEY (person, team));
INSERT INTO membership SELECT i, 'team' || t, date '2024-01-01' + i % 300 FROM generate_series(1, 3000) AS i, generate_series(1, 2) AS t;
CREATE TABLE badge (id uuid PRIMARY KEY, person int NOT NULL, team varchar(12) NOT NULL, FOREIGN KEY (person, team) REFERENCES membership ON UPDATE CASCADE);
INSERT INTO badge SELECT md5(i::text)::uuid, i, 'team1' FROM generate_series(1, 3000) AS i;

CREATE TABLE visit (email citext NOT NULL, person int NOT NULL REFERENCES person, at timestamptz NOT NULL, agent text, PRIMARY KEY (person, at)) PARTITION BY RANGE (at);
CREATE TABLE visit_2024 PARTITION OF visit FOR VALUES FROM ('2024-01-01') TO ('2025-01-01') PARTITION BY HASH (person);
CREATE TABLE visit_2024_0 PARTITION OF visit_2024 FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE visit_2024_1 PARTITION OF visit_2024 FOR VALUES WITH (MODULUS 2, REMAINDER 1);
CREATE TABLE visit_later PARTITION OF visit DEFAULT;
INSERT INTO visit SELECT format('rawmark.%s@mail.example', i), i, timestamptz '2024-06-01' + i * interval '5 hours', 'rawmark agent ' || i
FROM generate_series(1, 3000) AS i;
CREATE INDEX ON visit (email);

-- Its rows cannot be updated: one trigger keeps every old row, another lets none through, and a policy hides half of them.
CREATE TABLE audited (id bigint PRIMARY KEY, name text NOT NULL, hidden boolean NOT NULL);
CREATE TABLE audit_trail (id bigint, old_name text);
INSERT INTO audited SELECT i, 'Rawmark Person ' || i, i % 2 = 0 FROM generate_series(1, 500) AS i;
CREATE FUNCTION keep_old() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO zoo.audit_trail VALUES (old.id, old.name); RETURN NULL; END $$;
CREATE TRIGGER keep_old BEFORE UPDATE OR DELETE ON audited FOR EACH ROW EXECUTE FUNCTION keep_old();
ALTER TABLE audited ENABLE ALWAYS TRIGGER keep_old;
CREATE FUNCTION refuse_truncate() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'never'; END $$;
CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON audited EXECUTE FUNCTION refuse_truncate();
CREATE TRIGGER when_renamed AFTER UPDATE OF name ON audited FOR EACH ROW WHEN (old.name <> new.name) EXECUTE FUNCTION keep_old();
CREATE RULE no_insert AS ON INSERT TO audited WHERE new.id < 0 DO INSTEAD NOTHING;
CREATE POLICY shown ON audited USING (NOT hidden AND name <> '');
ALTER TABLE audited ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE VIEW shown_names AS SELECT id, upper(name) AS name FROM audited;
GRANT SELECT ON shown_names TO shop_reader;

CREATE TABLE animal (id int PRIMARY KEY, keeper text);
CREATE TABLE lion (mane text) INHERITS (animal);
INSERT INTO animal SELECT i, 'Rawmark Keeper ' || i FROM generate_series(1, 100) AS i;
INSERT INTO lion SELECT i, 'Rawmark Keeper ' || i, 'long' FROM generate_series(101, 200) AS i;

CREATE TABLE session (id text PRIMARY KEY, person int, data text);
INSERT INTO session SELECT 'rawmark-session-' || i, 1 + i % 3000, 'rawmark ' || i % 9 FROM generate_series(1, 2000) AS i;

CREATE TABLE address (full_name text, street text, line text GENERATED ALWAYS AS (full_name || ', ' || street) STORED, name_length int GENERATED ALWAYS AS (length(full_name)) STORED);
INSERT INTO address (full_name, street) SELECT 'Rawmark Name ' || i, 'Rawmark Street ' || i % 90 FROM generate_series(1, 800) AS i;

CREATE MATERIALIZED VIEW people_by_letter AS SELECT id, email, login, left(login, 9) AS letter FROM person;
CREATE UNIQUE INDEX people_by_letter_key ON people_by_letter (id);
CREATE MATERIALIZED VIEW letters AS SELECT letter, count(*) AS n, min(email::text) AS first FROM people_by_letter GROUP BY letter;
CREATE FUNCTION login_of(wanted int) RETURNS text STABLE LANGUAGE sql BEGIN ATOMIC SELECT login FROM person WHERE id = wanted; END;
SELECT lo_from_bytea(0, convert_to('rawmark in a large object', 'UTF8')) FROM generate_series(1, 3);
ANALYZE;
RESET search_path;
RESET ROLE;
