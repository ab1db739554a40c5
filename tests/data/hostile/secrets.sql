-- What somebody can log in with, wherever it stands. Each is refused with the object named, or cut: the marker is gone.

-- place: columns by their names
-- page: ddl-basics
ALTER TABLE here.people ADD token text, ADD remember_token text, ADD "accessToken" text, ADD pwd text, ADD passcode text, ADD ssh_key text,
    ADD session_id text, ADD cvv text, ADD "APIKeys" text, ADD user_passwords text, ADD "clientSecret" text, ADD refresh_tokens text[],
    ADD otp text, ADD pin_code text, ADD recovery_codes jsonb, ADD private_key bytea;
-- refused: .token
-- refused: remember_token
-- refused: accessToken
-- refused: pwd
-- refused: passcode
-- refused: ssh_key
-- refused: session_id
-- refused: cvv
-- refused: APIKeys
-- refused: user_passwords
-- refused: clientSecret
-- refused: refresh_tokens
-- refused: private_key

-- place: kept values by what they look like
-- page: ddl-basics
CREATE TABLE here.settings (id int, a text, b text, c text, d text, e text, f jsonb);
INSERT INTO here.settings SELECT n, 'AKIA' || translate(upper(substr(md5(n::text || 'a'), 1, 16)), '0189', 'QRST'),
    'AIza' || substr(encode(sha256(n::text::bytea), 'hex'), 1, 35), 'ghp_' || substr(encode(sha256(n::text::bytea), 'hex'), 1, 36),
    'xoxb-' || 123456789000 + n || '-' || 123456789000 + n || '-' || substr(md5(n::text), 1, 24),
    E'-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA' || repeat(md5(n::text), 4) || E'\n-----END RSA PRIVATE KEY-----',
    jsonb_build_object('note', 'ghp_' || substr(encode(sha256(n::text::bytea), 'hex'), 1, 36))
FROM generate_series(1, 20) AS n;
-- refused: settings.a
-- refused: settings.b
-- refused: settings.c
-- refused: settings.d
-- refused: settings.e
-- refused: settings.f

-- place: a password in a function
-- page: catalog-pg-proc
CREATE FUNCTION here.f() RETURNS text LANGUAGE plpgsql AS $$ DECLARE password text := 'rawMARK-Geheim1'; BEGIN RETURN password; END $$;

-- place: a token in a function
-- page: catalog-pg-proc
CREATE FUNCTION here.f() RETURNS text LANGUAGE sql AS $$ SELECT 'https://api.example/?token=rawMARK0123456789abcdef' $$;

-- place: a key in a function
-- page: catalog-pg-proc
CREATE FUNCTION here.f() RETURNS text LANGUAGE plpgsql AS $$ DECLARE api_key constant text = 'rawMARK0a1b2c3d4e5f6789'; BEGIN RETURN api_key; END $$;

-- place: a bearer in a parsed function
-- page: catalog-pg-proc
CREATE FUNCTION here.f() RETURNS text LANGUAGE sql RETURN 'Authorization: Bearer rawMARK0a1b2c3d4e5f67890a1b2c3d4e5f6789'::text;

-- place: a key of AWS in a comment
-- page: catalog-pg-description
COMMENT ON TABLE here.people IS 'rawMARK uploads with AKIA2345ABCDEFGHIJ67';
COMMENT ON COLUMN here.people.email IS 'secret_access_key = rawMARKwJalrXUtnFEMIK7MDENGbPxRfiCYQ';

-- place: a connection string in a comment
-- page: catalog-pg-description
COMMENT ON FUNCTION here.steal() IS 'postgres://app:rawMARKGeheim1@db.example:5432/app';
COMMENT ON SCHEMA here IS 'password: rawMARKGeheim1';
COMMENT ON CONSTRAINT people_pkey ON here.people IS 'pwd=rawMARKGeheim1';

-- place: a key in a default
-- page: catalog-pg-attrdef
ALTER TABLE here.loot ADD header text DEFAULT 'Bearer rawMARK0a1b2c3d4e5f67890a1b2c3d4e5f6789';

-- place: a key in the default of a parameter
-- page: catalog-pg-proc
CREATE FUNCTION here.f(api_key text DEFAULT 'rawMARK0a1b2c3d4e5f6789aa') RETURNS text LANGUAGE sql AS $$ SELECT $1 $$;

-- place: a key in a CHECK
-- page: catalog-pg-constraint
ALTER TABLE here.people ADD secret_hash text CHECK (secret_hash <> 'api_key=rawMARK0a1b2c3d4e5f6789aa');
-- rule: people.secret_hash: hash

-- place: a key in a view and in a materialised one
-- page: catalog-pg-rewrite
CREATE VIEW here.v AS SELECT 'api_key=rawMARK0a1b2c3d4e5f6789aa' AS call;
CREATE MATERIALIZED VIEW here.m AS SELECT 'token=rawMARK0a1b2c3d4e5f6789aa' AS call;

-- place: a key in a rule
-- page: catalog-pg-rewrite
CREATE RULE r AS ON DELETE TO here.loot DO ALSO INSERT INTO here.loot VALUES ('api_key=rawMARK0a1b2c3d4e5f6789aa');

-- place: a key in a policy
-- page: catalog-pg-policy
CREATE POLICY p ON here.loot USING (what <> 'api_key=rawMARK0a1b2c3d4e5f6789aa');

-- place: a key among the arguments of a trigger
-- page: catalog-pg-trigger
CREATE TRIGGER t BEFORE DELETE ON here.loot EXECUTE FUNCTION here.on_row('Bearer rawMARK0a1b2c3d4e5f67890a1b2c3d4e5f6789');

-- place: a key in the condition of a trigger
-- page: catalog-pg-trigger
CREATE TRIGGER t BEFORE UPDATE ON here.loot FOR EACH ROW WHEN (NEW.what = 'api_key=rawMARK0a1b2c3d4e5f6789aa') EXECUTE FUNCTION here.on_row();

-- place: a key in an index and in statistics
-- page: catalog-pg-index
CREATE INDEX ON here.loot (replace(what, 'api_key=rawMARK0a1b2c3d4e5f6789aa', ''));
CREATE INDEX ON here.loot (what) WHERE what <> 'api_key=rawMARK0a1b2c3d4e5f6789aa';
CREATE STATISTICS here.st ON (what = 'api_key=rawMARK0a1b2c3d4e5f6789aa') FROM here.loot;

-- place: a key in a label of an enum
-- page: catalog-pg-enum
CREATE TYPE here.mood AS ENUM ('api_key=rawMARK0a1b2c3d4e5f6789aa');

-- place: a key in an aggregate and in a domain
-- page: catalog-pg-aggregate
CREATE AGGREGATE here.a (text) (SFUNC = textcat, STYPE = text, INITCOND = 'api_key=rawMARK0a1b2c3d4e5f6789aa');
CREATE DOMAIN here.header AS text DEFAULT 'Bearer rawMARK0a1b2c3d4e5f67890a1b2c3d4e5f6789' CHECK (VALUE <> 'token=rawMARK0a1b2c3d4e5f6789aa');

-- place: a key in the bound of a partition
-- page: catalog-pg-class
CREATE TABLE here.parted (what text) PARTITION BY LIST (what);
CREATE TABLE here.parted_1 PARTITION OF here.parted FOR VALUES IN ('api_key=rawMARK0a1b2c3d4e5f6789aa');

-- place: a role that passes row security, and one that hands on
-- page: catalog-pg-authid
-- as: rdsadmin
SET SESSION AUTHORIZATION postgres;
CREATE ROLE here_sees_all;
CREATE ROLE here_group;
CREATE ROLE here_hands_on;
GRANT here_group TO here_hands_on WITH ADMIN TRUE;
RESET SESSION AUTHORIZATION;
ALTER ROLE here_sees_all BYPASSRLS;
-- undo: ALTER ROLE here_sees_all NOBYPASSRLS
-- after: SELECT NOT bool_or(rolbypassrls) FROM pg_roles WHERE rolname = 'here_sees_all'
