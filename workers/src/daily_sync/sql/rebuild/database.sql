-- How a database is made again under another name: from template0, with the owner, encoding and locale that it has
-- (https://www.postgresql.org/docs/current/sql-createdatabase.html). What one version of pg_database has and another has not is asked of the row as JSON.
SELECT format('CREATE DATABASE %I TEMPLATE template0 OWNER %I ENCODING %L LC_COLLATE %L LC_CTYPE %L%s%s%s CONNECTION LIMIT %s',
    $2::text, pg_get_userbyid(d.datdba), pg_encoding_to_char(d.encoding), d.datcollate, d.datctype,
    CASE j ->> 'datlocprovider' WHEN 'i' THEN ' LOCALE_PROVIDER icu' WHEN 'b' THEN ' LOCALE_PROVIDER builtin' WHEN 'c' THEN ' LOCALE_PROVIDER libc' ELSE '' END,
    CASE WHEN j ->> 'datlocprovider' IN ('i', 'b') THEN
        format(CASE j ->> 'datlocprovider' WHEN 'i' THEN ' ICU_LOCALE %L' ELSE ' BUILTIN_LOCALE %L' END, coalesce(j ->> 'datlocale', j ->> 'daticulocale')) ELSE '' END,
    CASE WHEN j ->> 'daticurules' IS NOT NULL THEN format(' ICU_RULES %L', j ->> 'daticurules') ELSE '' END,
    d.datconnlimit)
FROM pg_database AS d, to_jsonb(d) AS j WHERE d.datname = $1
