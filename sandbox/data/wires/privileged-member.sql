-- database: postgres
-- as: master
GRANT pg_monitor TO analyst
