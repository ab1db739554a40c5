-- What the masking of this database keeps until it is over: which table is masked (written by the transaction that masks it, so that none is
-- masked twice or left out), and the foreign keys that it took away. Dropped at the end; it never reaches an environment.
CREATE SCHEMA IF NOT EXISTS aurora_runbooks;
CREATE TABLE IF NOT EXISTS aurora_runbooks.masked (relation oid PRIMARY KEY, name text NOT NULL, way text NOT NULL, rows bigint);
CREATE TABLE IF NOT EXISTS aurora_runbooks.foreign_key (
    relation oid, name text, description json NOT NULL, PRIMARY KEY (relation, name)
);
CREATE OR REPLACE FUNCTION aurora_runbooks.permute(value bigint, small boolean) RETURNS bigint STRICT STABLE LANGUAGE plpgsql AS $$
-- A Feistel network of four rounds over the low bits of the number: another number for every number, as long and with the same sign.
-- The bits above stay, so that none becomes too long for its type.
DECLARE
    key text := current_setting('mask.key') || ':integer:';
    size bigint := abs(value);
    half int := CASE WHEN small THEN 7 WHEN size < 1::bigint << 40 THEN 15 WHEN size < 1::bigint << 50 THEN 20 ELSE 25 END;
    ones bigint := (1::bigint << half) - 1;
    l bigint := size >> half & ones;
    r bigint := size & ones;
    was bigint;
BEGIN
    FOR round IN 1..4 LOOP
        was := r;
        r := l # (('x' || substr(encode(sha256(convert_to(key || half || ':' || round || ':' || r, 'UTF8')), 'hex'), 1, 8))::bit(32)::bigint & ones);
        l := was;
    END LOOP;
    size := ((size >> (half * 2)) << (half * 2)) | (l << half) | r;
    RETURN CASE WHEN value < 0 THEN -size ELSE size END;
END
$$;
