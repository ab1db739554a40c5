-- A password, key or token in a view. Its columns stay, for what is built on it; it shows no row any more.
SELECT c.oid::regclass::text AS object,
       ARRAY[CASE c.relkind
           WHEN 'v' THEN format('CREATE OR REPLACE VIEW %s AS SELECT %s WHERE false', c.oid::regclass, (
               SELECT string_agg(format('NULL::%s%s AS %I', format_type(atttypid, atttypmod),
                   CASE WHEN attcollation = typcollation THEN '' ELSE format(' COLLATE %s', attcollation::regcollation) END, attname), ', ' ORDER BY attnum)
               FROM pg_attribute AS a JOIN pg_type AS t ON t.oid = a.atttypid WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped))
           ELSE format('DROP MATERIALIZED VIEW %s', c.oid::regclass) END] AS cut
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind IN ('v', 'm') AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND pg_get_viewdef(c.oid) ~* '(AKIA|ASIA)[0-9A-Z]{16}|xox[abprs]-[0-9A-Za-z-]{10}|hooks\.slack\.com/services/|-----BEGIN [A-Z ]*PRIVATE KEY|password\s*=\s*''*[^\s'';:]+|[a-z]+://[^\s/:@'']+:[^\s/@'']+@|\mgh[pousr]_[0-9A-Za-z]{20}|sk_live_[0-9A-Za-z]{10}'
  AND NOT EXISTS (SELECT FROM pg_depend AS d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
