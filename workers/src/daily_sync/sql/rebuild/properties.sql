-- Comment and rights of a database, for the one that was made in its stead, in the order in which they are given.
WITH was AS (SELECT oid, datdba, datacl FROM pg_database WHERE datname = $1)
SELECT statement FROM (
    SELECT 0 AS turn, format('COMMENT ON DATABASE %I IS %L', $2::text, description) AS statement
    FROM was JOIN pg_shdescription AS s ON s.objoid = was.oid AND s.classoid = 'pg_database'::regclass
    UNION ALL
    SELECT 1, format('REVOKE ALL ON DATABASE %I FROM PUBLIC, %I', $2::text, pg_get_userbyid(datdba)) FROM was WHERE datacl IS NOT NULL
    UNION ALL
    SELECT 2, format('GRANT %s ON DATABASE %I TO %s%s', a.privilege_type, $2::text,
        CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END, CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)
    FROM was, aclexplode(datacl) AS a
) AS all_of_it ORDER BY turn, statement
