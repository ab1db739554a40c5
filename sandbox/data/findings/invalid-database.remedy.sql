-- database: postgres
-- as: master
DROP DATABASE ledger_2019
