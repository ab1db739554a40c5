-- database: shop
-- as: rdsadmin
-- target: shared_preload_libraries=pg_stat_statements,auto_explain
-- A misspelt setting (duration, not durations) is kept while its library is not loaded; a server that loads the library refuses it.
CREATE ROLE nightly_report

ALTER ROLE nightly_report SET auto_explain.log_min_durations = '1s'
