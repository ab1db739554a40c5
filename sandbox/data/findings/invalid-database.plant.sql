-- database: postgres
-- as: master
CREATE DATABASE ledger_2019

-- database: postgres
-- as: rdsadmin
-- What an interrupted DROP DATABASE leaves behind (https://www.postgresql.org/docs/16/sql-dropdatabase.html).
UPDATE pg_database SET datconnlimit = -2 WHERE datname = 'ledger_2019'
