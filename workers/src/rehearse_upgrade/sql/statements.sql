-- The statements that took the most time, at most $2; of one database no more than 20 before there is room for more. For ours is taken
-- what names our schemas, and of this login what names the catalog or counts the rows of a table as InspectDatabases does.
WITH statement AS (
    SELECT d.datname::text AS database, r.rolname::text AS role, s.query, sum(s.calls)::bigint AS calls, sum(s.@time) AS milliseconds
    FROM @view AS s
    JOIN pg_database AS d ON d.oid = s.dbid
    JOIN pg_roles AS r ON r.oid = s.userid
    WHERE d.datname = ANY ($1) AND r.rolname <> 'rdsadmin'
      -- Behind comments and parentheses.
      AND (s.query IS NULL OR s.query = '<insufficient privilege>'
           OR s.query ~* '^(?:\s|\(|--[^\n]*\n|/\*(?:[^*]|\*+[^*/])*\*+/)*(?:select|insert|update|delete|merge|with)\M')
      AND (s.query IS NULL OR s.query !~ '\maurora_runbooks_'
           AND (r.rolname <> session_user OR s.query !~ '\mpg_' AND s.query NOT LIKE 'SELECT count(*) FROM ONLY %'))
    -- One that runs inside of functions, too, has two entries; what has no text is not known to be the same.
    GROUP BY 1, 2, s.query, CASE WHEN s.query IS NULL THEN s.queryid END
), ranked AS (
    SELECT *, row_number() OVER (PARTITION BY database ORDER BY milliseconds DESC) > 20 AS many FROM statement
)
SELECT database, role, calls, round(milliseconds::numeric, 3)::float8 AS milliseconds,
       CASE WHEN query <> '<insufficient privilege>' AND octet_length(query) <= 100000 THEN query END AS query,
       -- Of PostgreSQL's own a text is whole however long it is (https://www.postgresql.org/docs/current/pgstatstatements.html); what
       -- ends where pg_stat_activity cuts a text, before a character of up to four bytes, is not taken for whole.
       CASE WHEN query IS NULL THEN 'gone' WHEN query = '<insufficient privilege>' THEN 'hidden' WHEN octet_length(query) > 100000 THEN 'long'
            WHEN octet_length(query) BETWEEN activity.size - 4 AND activity.size - 1 THEN 'cut' END AS unread
FROM ranked, (SELECT setting::int AS size FROM pg_settings WHERE name = 'track_activity_query_size') AS activity
ORDER BY many, ranked.milliseconds DESC, role, ranked.query
LIMIT $2
