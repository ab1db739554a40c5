-- What ANALYZE has to do in this database. Nothing here takes a lock on a table, so that a locked one cannot hold up the list.
-- Costs in microseconds a sampled cell were measured on 16 and 18; they only have to put tables in order.
WITH cell AS (
    SELECT a.attrelid,
           sum(CASE
                   WHEN t.typcategory = 'A' THEN 6
                   WHEN t.typname IN ('text', 'varchar', 'bpchar', 'citext', 'name') THEN 1.5
                   WHEN t.typname IN ('json', 'jsonb', 'xml', 'bytea', 'hstore', 'tsvector') THEN 3
                   WHEN t.typcategory IN ('N', 'B', 'D') THEN 0.25
                   ELSE 1
               END) AS cost,
           max(a.attstattarget) AS target
    FROM pg_attribute a
    JOIN pg_type t ON t.oid = a.atttypid
    WHERE a.attnum > 0 AND NOT a.attisdropped AND coalesce(a.attstattarget, -1) <> 0
    GROUP BY a.attrelid
),
expression AS (SELECT indrelid, count(*) AS number FROM pg_index WHERE indexprs IS NOT NULL GROUP BY indrelid),
extended AS (SELECT stxrelid, count(*) AS number FROM pg_statistic_ext GROUP BY stxrelid)
SELECT c.oid AS oid,
       n.nspname::text AS schema, c.relname::text AS relname, format('%I.%I', n.nspname, c.relname) AS "table",
       c.relkind = 'p' AS parent,
       n.nspname = 'pg_catalog' AS catalog,
       CASE WHEN c.relispartition
            THEN ARRAY(SELECT relid::oid FROM pg_partition_ancestors(c.oid) WHERE relid <> c.oid)
            ELSE '{}'::oid[] END AS ancestors,
       c.relpages::bigint AS pages,
       c.reltuples::float8 AS rows,
       (coalesce(cell.cost, 0) + 2 * coalesce(expression.number, 0) + 2 * coalesce(extended.number, 0))::float8 AS row_cost,
       coalesce(cell.target, -1)::int AS own_target,
       greatest(cell.target, current_setting('default_statistics_target')::int)::int AS target,
       -- An upgrade ends with a start of the server. That counters do not survive it is true of pg_upgrade and not promised by Aurora.
       -- Not from pg_stat_all_tables, which sums up the indexes of every table for it.
       coalesce(greatest(pg_stat_get_last_analyze_time(c.oid), pg_stat_get_last_autoanalyze_time(c.oid))
                > pg_postmaster_start_time(), false) AS done
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN cell ON cell.attrelid = c.oid
LEFT JOIN expression ON expression.indrelid = c.oid
LEFT JOIN extended ON extended.stxrelid = c.oid
WHERE c.relpersistence <> 't' AND NOT c.relisshared
  AND n.nspname NOT IN ('information_schema', 'pg_toast', 'aurora_runbooks_statistics')
  AND (c.relkind IN ('m', 'p') OR c.relkind = 'r' AND c.oid <> 'pg_statistic'::regclass)
ORDER BY n.nspname, c.relname
