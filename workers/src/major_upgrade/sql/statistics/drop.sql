DROP TABLE IF EXISTS aurora_runbooks_statistics.relations, aurora_runbooks_statistics.columns;
DROP SCHEMA IF EXISTS aurora_runbooks_statistics;
