-- Names of the copy that fit better than PostgreSQL's own where a path leads to them, and types and policies that call what production wrote. All of
-- it is attested, and none of it has run: not in a raw database, and not as the master user who attests.

-- place: an operator that fits the types of the catalogs
-- page: typeconv-oper
-- database: paths
CREATE FUNCTION public.here_join(text[], text[]) RETURNS text[] LANGUAGE plpgsql AS
$$ BEGIN CREATE ROLE here_caller LOGIN; RETURN '{}'; EXCEPTION WHEN OTHERS THEN RETURN '{}'; END $$;
CREATE OPERATOR public.|| (LEFTARG = text[], RIGHTARG = text[], FUNCTION = public.here_join);
-- after: SELECT NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'here_caller')

-- place: a function that fits the types of the catalogs
-- page: typeconv-func
-- database: paths
CREATE FUNCTION public.concat_ws(text, text, text) RETURNS text LANGUAGE plpgsql AS
$$ BEGIN CREATE ROLE here_caller LOGIN; RETURN ''; EXCEPTION WHEN OTHERS THEN RETURN ''; END $$;
CREATE FUNCTION public.format(text, name, name) RETURNS text LANGUAGE plpgsql AS
$$ BEGIN CREATE ROLE here_caller LOGIN; RETURN ''; EXCEPTION WHEN OTHERS THEN RETURN ''; END $$;
-- after: SELECT NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'here_caller')

-- place: policies of tables that are emptied
-- page: ddl-rowsecurity
-- table: rest: truncate
-- table: mail_outbox: truncate
CREATE FUNCTION here.call() RETURNS text LANGUAGE plpgsql AS
$$ BEGIN CREATE ROLE here_caller LOGIN; RETURN 'x'; EXCEPTION WHEN OTHERS THEN RETURN 'x'; END $$;
CREATE FUNCTION here.tenant() RETURNS text IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN RETURN here.call(); END $$;
CREATE TABLE here.rest (email text);
CREATE TABLE here.mail_outbox (email text);
CREATE POLICY p ON here.rest USING (here.tenant() = 'y');
CREATE POLICY p ON here.mail_outbox USING (here.tenant() = 'y');
ALTER TABLE here.rest ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE here.mail_outbox ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
-- after: SELECT NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'here_caller')

-- place: an expression over a domain with a CHECK
-- page: domains
CREATE FUNCTION here.fine(text) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO here.loot SELECT email FROM here.people WHERE email LIKE 'raw%';
    RETURN true;
EXCEPTION WHEN OTHERS THEN RETURN true; END $$;
CREATE DOMAIN here.nickname AS varchar(30);
CREATE DOMAIN here.short AS here.nickname;
ALTER TABLE here.people ADD nick here.short;
UPDATE here.people SET nick = 'rawMARK' || id;
ALTER DOMAIN here.nickname ADD CHECK (here.fine(VALUE)) NOT VALID;
-- rule: people.nick: {"rule": "sql", "expression": "left(nick, 1)"}
-- after: SELECT count(*) = 0 FROM here.loot WHERE what ~ 'raw'
-- after: SELECT bool_and(nick = 'r') FROM here.people

-- place: functions that a path of the database finds first
-- page: config-setting
-- database: swayed
CREATE SCHEMA here_first;
CREATE FUNCTION here_first.current_setting(text) RETURNS text LANGUAGE plpgsql AS
$$ BEGIN PERFORM here.steal(); RETURN pg_catalog.current_setting($1); END $$;
CREATE FUNCTION here_first.set_config(text, text, boolean) RETURNS text LANGUAGE plpgsql AS
$$ BEGIN PERFORM here.steal(); RETURN pg_catalog.set_config($1, $2, $3); END $$;
ALTER DATABASE swayed SET search_path = here_first, pg_catalog, public;
-- after: SELECT count(*) = 0 FROM here.loot
