-- database: billing
-- as: master
CREATE EXTENSION IF NOT EXISTS postgres_fdw

-- as: rdsadmin
GRANT USAGE ON FOREIGN DATA WRAPPER postgres_fdw TO billing_owner

-- as: master
CREATE SERVER bank FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '127.0.0.1', port '59999', dbname 'bank')

CREATE FOREIGN TABLE ledger.bank_transfers (id int, iban text) SERVER bank
