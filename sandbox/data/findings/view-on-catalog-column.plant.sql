-- database: shop
-- as: master
-- buffers_backend left pg_stat_bgwriter in 17. `pg_upgrade --check` passes; restoring the schema fails, when writes have long stopped.
CREATE VIEW buffer_writes AS SELECT buffers_clean, buffers_backend FROM pg_stat_bgwriter
