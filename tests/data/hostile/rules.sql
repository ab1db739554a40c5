-- Rules that cannot do their work, or would break something by it. Each is refused with the column named, or no value stays as it was and
-- whatever PostgreSQL demands of the rows holds.

-- place: numbers that a fifth leaves as they are
-- page: datatype-numeric
ALTER TABLE here.people ADD n numeric, ADD i integer, ADD small numeric(3, 2), ADD f float8;
UPDATE here.people SET n = id % 2, i = id % 3, small = id % 2, f = 0;
-- rule: people.n: numeric
-- rule: people.i: numeric
-- rule: people.small: numeric
-- rule: people.f: numeric
-- after: SELECT bool_and(n <> id % 2 OR n = 0) FROM here.people

-- place: numbers that are none
-- page: datatype-numeric
ALTER TABLE here.people ADD n numeric, ADD f float8, ADD r real;
UPDATE here.people SET n = (ARRAY['NaN', 'Infinity', '-Infinity'])[id]::numeric, f = (ARRAY['NaN', 'Infinity', '-Infinity'])[id]::float8, r = 1e38;
-- rule: people.n: numeric
-- rule: people.f: numeric
-- rule: people.r: numeric
-- after: SELECT count(n) = 3 AND count(f) = 3 FROM here.people

-- place: the ends of integers
-- page: datatype-numeric
CREATE TABLE here.ends (a smallint UNIQUE, b integer UNIQUE, c bigint UNIQUE);
INSERT INTO here.ends VALUES (32767, 2147483647, 9223372036854775807), (-32768, -2147483648, -9223372036854775808), (0, 0, 0), (1, 1, 1), (-1, -1, -1);
-- rule: ends.a: integer
-- rule: ends.b: integer
-- rule: ends.c: integer
-- after: SELECT count(*) = 5 FROM here.ends

-- place: integers in a narrow range
-- page: ddl-constraints
ALTER TABLE here.people ADD stars integer CHECK (stars BETWEEN 1 AND 5);
UPDATE here.people SET stars = id;
-- rule: people.stars: integer

-- place: words under a unique index over an expression
-- page: indexes-expressional
ALTER TABLE here.people ADD nick text;
UPDATE here.people SET nick = 'rawMARK' || id;
CREATE UNIQUE INDEX ON here.people (lower(nick));
-- rule: people.nick: free-text

-- place: addresses under a unique index over a part of them
-- page: indexes-expressional
CREATE UNIQUE INDEX ON here.people (split_part(email, '@', 1));
CREATE UNIQUE INDEX ON here.people (left(email, 8), id);

-- place: a CHECK on the form of a text
-- page: ddl-constraints
ALTER TABLE here.people ADD nick text CHECK (nick ~ '^rawp[0-9]+ [a-z]+$'), ADD zip text CHECK (zip ~ '^[0-9]{5}$'), ADD CHECK (email LIKE '%.example');
UPDATE here.people SET nick = 'rawMARK anna', zip = '1234' || id;
-- rule: people.nick: free-text
-- rule: people.zip: address

-- place: a CHECK on white space
-- page: ddl-constraints
ALTER TABLE here.people ADD nick text CHECK (nick = btrim(nick) AND nick !~ '  ');
UPDATE here.people SET nick = CASE id WHEN 1 THEN 'rawMARK' WHEN 2 THEN 'a rawMARK b' ELSE 'rawMARK ' || repeat('x', 300) END;
-- rule: people.nick: free-text

-- place: a CHECK over two columns
-- page: ddl-constraints
ALTER TABLE here.people ADD born date, ADD died date, ADD CHECK (born <= died);
UPDATE here.people SET born = date '1960-01-01' + id, died = date '1960-01-03' + id;
-- rule: people.born: {"rule": "date-shift", "days": 300}
-- rule: people.died: {"rule": "date-shift", "days": 300}

-- place: times that are none, and the ends of dates
-- page: datatype-datetime
ALTER TABLE here.people ADD a date, ADD b timestamptz, ADD c timestamp, ADD d date;
UPDATE here.people SET a = (ARRAY['infinity', '-infinity', '5874897-12-31'])[id]::date, b = (ARRAY['infinity', '4713-01-01 BC', '294276-12-31'])[id]::timestamptz,
    c = (ARRAY['-infinity', '0001-01-01 BC', '294276-12-31'])[id]::timestamp, d = date '0001-01-01';
-- rule: people.a: {"rule": "date-shift", "days": 30}
-- rule: people.b: {"rule": "date-shift", "days": 30}
-- rule: people.c: {"rule": "date-shift", "days": 30}
-- rule: people.d: {"rule": "date-shift", "days": 1}
-- after: SELECT count(a) = 3 AND count(b) = 3 AND count(c) = 3 AND bool_and(d <> date '0001-01-01') FROM here.people

-- place: texts shorter than what replaces them
-- page: datatype-character
ALTER TABLE here.people ADD a varchar(1), ADD b varchar(5) UNIQUE, ADD c char(3), ADD d varchar(30) UNIQUE;
UPDATE here.people SET a = id, b = 'r' || id, c = 'ab', d = 'rawMARK' || id;
-- rule: people.a: name
-- rule: people.b: email
-- rule: people.c: phone
-- rule: people.d: email

-- place: a column that must not be null
-- page: ddl-constraints
ALTER TABLE here.people ADD nick text NOT NULL DEFAULT 'rawMARK';
ALTER TABLE here.people ALTER nick DROP DEFAULT;
-- rule: people.nick: null

-- place: a domain that must not be null
-- page: sql-createdomain
CREATE DOMAIN here.nick AS text NOT NULL;
ALTER TABLE here.people ADD nick here.nick DEFAULT 'rawMARK';
ALTER TABLE here.people ALTER nick DROP DEFAULT;
-- rule: people.nick: null

-- place: a constant of another type, one too long, one under a unique index
-- page: ddl-constraints
ALTER TABLE here.people ADD n integer, ADD s varchar(3), ADD u text UNIQUE, ADD m text;
UPDATE here.people SET n = id, s = 'raw', u = 'rawMARK' || id, m = 'rawMARK';
-- rule: people.n: {"rule": "constant", "value": "none"}
-- rule: people.s: {"rule": "constant", "value": "long"}
-- rule: people.u: {"rule": "constant", "value": "x"}
-- rule: people.m: {"rule": "constant", "value": "\\N"}

-- place: a foreign key whose sides have different rules
-- page: ddl-constraints
CREATE TABLE here.child (id int REFERENCES here.people);
INSERT INTO here.child SELECT id FROM here.people;
-- rule: people.id: integer

-- place: a foreign key over columns of different width
-- page: ddl-constraints
ALTER TABLE here.people ADD code varchar(40) UNIQUE;
UPDATE here.people SET code = 'rawMARK' || id;
CREATE TABLE here.child (code varchar(12) REFERENCES here.people (code), big bigint, small smallint);
INSERT INTO here.child SELECT code, id, id FROM here.people;
-- rule: people.code: hash
-- rule: child.code: hash
-- after: SELECT count(*) = 3 FROM here.child JOIN here.people USING (code)

-- place: a foreign key from a domain to its base, case and all
-- page: ddl-constraints
CREATE EXTENSION IF NOT EXISTS citext SCHEMA public;
CREATE DOMAIN here.login AS public.citext;
CREATE TABLE here.logins (login public.citext PRIMARY KEY);
INSERT INTO here.logins SELECT upper(email) FROM here.people;
CREATE TABLE here.uses (login here.login REFERENCES here.logins);
INSERT INTO here.uses SELECT lower(email) FROM here.people;
-- rule: logins.login: email
-- rule: uses.login: email
-- after: SELECT count(*) = 3 FROM here.uses JOIN here.logins USING (login)

-- place: a partition key that is masked
-- page: ddl-partitioning
CREATE TABLE here.parted (email text) PARTITION BY RANGE (email);
CREATE TABLE here.parted_a PARTITION OF here.parted FOR VALUES FROM (MINVALUE) TO ('rawz');
INSERT INTO here.parted SELECT email FROM here.people;

-- place: a list partition for a value that is masked
-- page: ddl-partitioning
-- refused: fits no partition
CREATE TABLE here.parted (mark text) PARTITION BY LIST (mark);
CREATE TABLE here.parted_a PARTITION OF here.parted FOR VALUES IN ('rawMARK.1@mail.example');
INSERT INTO here.parted SELECT email FROM here.people WHERE id = 1;
-- rule: parted.mark: email

-- place: addresses of networks and of nobody
-- page: datatype-net-types
ALTER TABLE here.people ADD a inet, ADD b cidr, ADD c text, ADD d macaddr;
UPDATE here.people SET a = (ARRAY['0.0.0.0/0', '::/0', '198.51.100.7/24'])[id]::inet, b = (ARRAY['0.0.0.0/0', '::/0', '198.51.100.0/24'])[id]::cidr,
    c = 'rawMARK', d = '08:00:2b:01:02:03';
-- rule: people.a: ip
-- rule: people.b: ip
-- rule: people.c: ip
-- rule: people.d: {"rule": "constant", "value": "00:00:00:00:00:00"}
-- after: SELECT count(a) = 3 AND count(b) = 3 AND bool_and(d = '00:00:00:00:00:00') AND bool_and(a <> '198.51.100.7/24') FROM here.people

-- place: texts that a rule cannot read
-- page: datatype
ALTER TABLE here.people ADD a text, ADD b text, ADD c text, ADD d text, ADD e uuid;
UPDATE here.people SET a = 'rawMARK no number', b = 'rawMARK no date', c = 'rawMARK', d = '', e = '00000000-0000-0000-0000-000000000000';
-- rule: people.a: integer
-- rule: people.b: {"rule": "date-shift", "days": 3}
-- rule: people.c: uuid
-- rule: people.d: email
-- rule: people.e: uuid

-- place: an expression that does nothing
-- page: sql-expressions
ALTER TABLE here.people ADD nick text;
UPDATE here.people SET nick = 'rawMARK' || id;
-- rule: people.nick: {"rule": "sql", "expression": "nick"}

-- place: an expression that copies another column
-- page: sql-expressions
ALTER TABLE here.people ADD nick text;
UPDATE here.people SET nick = 'x';
-- rule: people.nick: {"rule": "sql", "expression": "email"}

-- place: an expression that calls production's code
-- page: sql-expressions
ALTER TABLE here.people ADD nick text;
UPDATE here.people SET nick = 'x';
-- rule: people.nick: {"rule": "sql", "expression": "here.same(nick)"}

-- place: a constant that is a raw value
-- page: ddl-basics
ALTER TABLE here.people ADD nick text;
UPDATE here.people SET nick = 'x';
-- rule: people.nick: {"rule": "constant", "value": "rawMARK.1@mail.example"}

-- place: a type that no rule fits
-- page: datatype
ALTER TABLE here.people ADD a bit(8), ADD b interval, ADD c money, ADD d point, ADD e tsvector, ADD f int4range, ADD g boolean;
UPDATE here.people SET a = B'10101010', b = '1 day', c = 4711.11, d = '(47,11)', e = 'rawMARK', f = '[4711,4712)', g = true;
-- rule: people.a: hash
-- rule: people.b: {"rule": "date-shift", "days": 3}
-- rule: people.c: numeric
-- rule: people.d: numeric
-- rule: people.e: free-text
-- rule: people.f: integer
-- rule: people.g: integer

-- place: a generated column with a rule
-- page: ddl-generated-columns
ALTER TABLE here.people ADD low text GENERATED ALWAYS AS (lower(email)) STORED;
-- rule: people.low: email

-- place: an exclusion constraint over masked ranges
-- page: ddl-constraints
CREATE EXTENSION IF NOT EXISTS btree_gist SCHEMA public;
CREATE TABLE here.stays (room int, at date, EXCLUDE USING gist (room WITH =, at WITH =));
INSERT INTO here.stays SELECT 1, date '2024-01-01' + n FROM generate_series(1, 60) AS n;
-- rule: stays.at: {"rule": "date-shift", "days": 3}

-- place: a unique constraint that takes NULL for a value
-- page: ddl-constraints
ALTER TABLE here.people ADD nick text;
UPDATE here.people SET nick = 'rawMARK' || id;
ALTER TABLE here.people ADD UNIQUE NULLS NOT DISTINCT (nick);
-- rule: people.nick: null
