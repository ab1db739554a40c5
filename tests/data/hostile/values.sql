-- Inside of values: documents, composites, ranges, arrays, markup. What nobody has classified stops the run; what is masked is masked
-- however it is written. No XML: the tests' servers are built without it.

-- place: a path that the policy spells otherwise
-- page: datatype-json
ALTER TABLE here.people ADD doc jsonb;
UPDATE here.people SET doc = jsonb_build_object('contact', jsonb_build_object('Email', email), 'nick', 'x');
-- rule: people.doc: {"rule": "json", "paths": {"$.contact.email": "email", "$.nick": "keep"}}

-- place: a path that only one row has
-- page: datatype-json
ALTER TABLE here.people ADD doc jsonb DEFAULT '{"email": "x@y"}';
UPDATE here.people SET doc = jsonb_build_object('email', 'x@y', 'other', jsonb_build_array(1, jsonb_build_object('deep', email))) WHERE id = 3;
-- rule: people.doc: {"rule": "json", "paths": {"$.email": "email"}}

-- place: keys that are values
-- page: datatype-json
ALTER TABLE here.people ADD doc jsonb;
UPDATE here.people SET doc = jsonb_build_object(email, 1, 'x', 2);
-- rule: people.doc: {"rule": "json", "paths": {"$.x": "keep"}}

-- place: keys that are values below a wildcard
-- page: datatype-json
ALTER TABLE here.people ADD doc jsonb;
UPDATE here.people SET doc = jsonb_build_object('by', jsonb_build_object(email, 'name'));
-- rule: people.doc: {"rule": "json", "paths": {"$.by.*": "name"}}

-- place: a document that is only a text
-- page: datatype-json
ALTER TABLE here.people ADD doc jsonb;
UPDATE here.people SET doc = CASE id WHEN 1 THEN to_jsonb(email) WHEN 2 THEN jsonb_build_array(email, jsonb_build_array(email)) ELSE '{"email": "x@y"}' END;
-- rule: people.doc: {"rule": "json", "paths": {"$.email": "email"}}

-- place: a text where the policy expects an object
-- page: datatype-json
ALTER TABLE here.people ADD doc jsonb;
UPDATE here.people SET doc = jsonb_build_object('card', CASE WHEN id = 1 THEN to_jsonb(email) ELSE jsonb_build_object('holder', email) END);
-- rule: people.doc: {"rule": "json", "paths": {"$.card.holder": "email"}}

-- place: an object where the policy expects a text
-- page: datatype-json
ALTER TABLE here.people ADD doc jsonb;
UPDATE here.people SET doc = jsonb_build_object('email', CASE WHEN id = 1 THEN to_jsonb(email) ELSE jsonb_build_object('work', email) END);
-- rule: people.doc: {"rule": "json", "paths": {"$.email": "email"}}

-- place: a key that is there twice
-- page: datatype-json
ALTER TABLE here.people ADD doc json;
UPDATE here.people SET doc = ('{"email": "' || email || '", "email": "' || email || '", "email" : "last@y"}')::json;
-- rule: people.doc: {"rule": "json", "paths": {"$.email": "email"}}

-- place: letters that are escaped
-- page: datatype-json
ALTER TABLE here.people ADD doc json;
UPDATE here.people SET doc = ('{"\u0065mail": "' || replace(email, 'r', '\u0072') || '", "e\/mail": 1}')::json;
-- rule: people.doc: {"rule": "json", "paths": {"$.email": "email", "$['e/mail']": "keep"}}

-- place: a document inside of a text of a document
-- page: datatype-json
ALTER TABLE here.people ADD doc jsonb;
UPDATE here.people SET doc = jsonb_build_object('raw', jsonb_build_object('email', email)::text);
-- rule: people.doc: {"rule": "json", "paths": {"$.raw.email": "email"}}

-- place: an array of documents and a domain of one
-- page: datatype-json
CREATE DOMAIN here.document AS jsonb;
ALTER TABLE here.people ADD docs jsonb[], ADD doc here.document;
UPDATE here.people SET docs = ARRAY[jsonb_build_object('email', email)], doc = jsonb_build_object('email', email);
-- rule: people.docs: {"rule": "json", "paths": {"$.email": "email"}}
-- rule: people.doc: {"rule": "json", "paths": {"$.email": "email"}}

-- place: a path that is optional and matches nothing
-- page: datatype-json
ALTER TABLE here.people ADD doc jsonb;
UPDATE here.people SET doc = jsonb_build_object('other', email);
-- rule: people.doc: {"rule": "json", "paths": {"$.email": {"rule": "email", "optional": true}}}

-- place: a subtree that a constant replaces
-- page: datatype-json
ALTER TABLE here.people ADD doc jsonb;
UPDATE here.people SET doc = jsonb_build_object('extra', jsonb_build_object('mail', email, 'list', jsonb_build_array(email)), 'n', 1);
-- rule: people.doc: {"rule": "json", "paths": {"$.extra": "null", "$.n": "keep"}}

-- place: numbers in a document
-- page: datatype-json
ALTER TABLE here.people ADD doc jsonb;
UPDATE here.people SET doc = jsonb_build_object('n', 4711000 + id, 'd', (4711000 + id)::text || '.5');
-- rule: people.doc: {"rule": "json", "paths": {"$.n": "integer", "$.d": "numeric"}}
-- after: SELECT bool_and(doc::text !~ '4711') FROM here.people

-- place: all of a document that is kept
-- page: datatype-json
ALTER TABLE here.people ADD doc jsonb;
UPDATE here.people SET doc = jsonb_build_object('contact', jsonb_build_object('mail', email));
-- rule: people.doc: keep

-- place: an hstore that is kept
-- page: hstore
CREATE EXTENSION IF NOT EXISTS hstore SCHEMA public;
ALTER TABLE here.people ADD h public.hstore;
UPDATE here.people SET h = public.hstore('mail', email);
-- rule: people.h: keep

-- place: a composite type that is kept
-- page: rowtypes
CREATE TYPE here.contact AS (email text, phone text);
ALTER TABLE here.people ADD c here.contact, ADD many here.contact[];
UPDATE here.people SET c = ROW(email, '1'), many = ARRAY[ROW(email, '1')::here.contact];
-- rule: people.c: keep
-- rule: people.many: keep

-- place: a range of texts that is kept
-- page: rangetypes
CREATE TYPE here.span AS RANGE (subtype = text);
ALTER TABLE here.people ADD s here.span;
UPDATE here.people SET s = here.span(email, email || 'x');
-- rule: people.s: keep

-- place: lexemes that are kept
-- page: datatype-textsearch
ALTER TABLE here.people ADD words tsvector;
UPDATE here.people SET words = to_tsvector('simple', email);
-- rule: people.words: keep

-- place: bytes that are kept
-- page: datatype-binary
ALTER TABLE here.people ADD b bytea;
UPDATE here.people SET b = convert_to(email, 'UTF8');
-- rule: people.b: keep

-- place: a kept text that is the masked one
-- page: ddl-basics
INSERT INTO here.loot SELECT email FROM here.people;

-- place: a kept text in the middle of which the masked one stands
-- page: ddl-basics
INSERT INTO here.loot SELECT 'please write to ' || email || ', not to us' FROM here.people;

-- place: a kept array with the masked one in it
-- page: arrays
ALTER TABLE here.people ADD many text[];
UPDATE here.people SET many = ARRAY['x', email];
-- rule: people.many: keep

-- place: an array of arrays
-- page: arrays
ALTER TABLE here.people ADD many text[];
UPDATE here.people SET many = ARRAY[[email, 'x@y'], [NULL, email]];
-- rule: people.many: email

-- place: a domain of an array of a domain
-- page: domains
CREATE DOMAIN here.one AS text CHECK (VALUE ~ '@');
CREATE DOMAIN here.more AS here.one[] CHECK (cardinality(VALUE) < 9);
ALTER TABLE here.people ADD many here.more;
UPDATE here.people SET many = ARRAY[email]::here.one[];
-- rule: people.many: email

-- place: every type of text
-- page: datatype-character
CREATE EXTENSION IF NOT EXISTS citext SCHEMA public;
CREATE TABLE here.texts (a varchar(60), b char(60), c name, d public.citext, e "char", f bytea, g text COLLATE "C");
INSERT INTO here.texts SELECT email, email, email, email, email, convert_to(email, 'UTF8'), email FROM here.people;
-- rule: texts.a: email
-- rule: texts.b: email
-- rule: texts.c: hash
-- rule: texts.d: email
-- rule: texts.e: null
-- rule: texts.f: hash
-- rule: texts.g: free-text

-- place: a table that is emptied, whose values another one keeps
-- page: ddl-basics
CREATE TABLE here.rest (id int, email text);
INSERT INTO here.rest SELECT id, 'restMARK.' || email FROM here.people;
INSERT INTO here.loot SELECT email FROM here.rest;
-- table: rest: truncate

-- place: names of columns that somebody can log in with
-- page: ddl-basics
ALTER TABLE here.people ADD remember_token text, ADD "accessToken" text, ADD pwd text, ADD passcode text, ADD ssh_key text, ADD session_id text, ADD cvv text;
-- refused: remember_token
-- refused: accessToken
-- refused: pwd
-- refused: passcode
-- refused: ssh_key
-- refused: session_id
-- refused: cvv

-- place: a value in the marks of a sentence
-- page: datatype-character
INSERT INTO here.loot VALUES ('Please write to rawMARK.1@mail.example.');

-- place: a value in an address of the web
-- page: datatype-character
INSERT INTO here.loot VALUES ('https://host.example/?email=rawMARK.1@mail.example&page=1');

-- place: a document that json takes and jsonb does not
-- page: datatype-json
CREATE TABLE here.visits (visit json);
INSERT INTO here.visits SELECT json_build_object('email', email, 'agent', 'a') FROM here.people;
INSERT INTO here.visits VALUES ('{"email": "rawMARK.9@mail.example", "agent": "a\u0000"}');
-- rule: visits.visit: {"rule": "json", "paths": {"$.email": "email", "$.agent": "keep"}}
