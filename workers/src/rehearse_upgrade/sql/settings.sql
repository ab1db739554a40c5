-- Sets, until the transaction ends, what a session of role $1 in this database has begun with: its search_path, and what the planner goes
-- by. A role's setting for a database comes first, then the role's, the database's, that of all
-- (https://www.postgresql.org/docs/current/sql-alterrole.html). What this session's own user has set is nobody else's.
WITH set AS (
    SELECT DISTINCT ON (1) split_part(c, '=', 1) AS name, substr(c, strpos(c, '=') + 1) AS value
    FROM pg_db_role_setting AS s, unnest(s.setconfig) AS c
    WHERE (s.setrole = 0 OR s.setrole = to_regrole(quote_ident($1))::oid)
      AND (s.setdatabase = 0 OR s.setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database()))
    ORDER BY 1, s.setrole <> 0 DESC, s.setdatabase <> 0 DESC
), known AS (
    SELECT name, CASE WHEN source IN ('user', 'database user') THEN boot_val ELSE reset_val END AS value
    FROM pg_settings
    WHERE name = 'search_path'
       OR context = 'user' AND (category LIKE 'Query Tuning%' OR name IN ('work_mem', 'hash_mem_multiplier'))
      AND name <> 'plan_cache_mode'
)
SELECT set_config(name, coalesce(set.value, known.value), true)
FROM known LEFT JOIN set USING (name)
WHERE name = 'search_path' OR set.value IS NOT NULL
