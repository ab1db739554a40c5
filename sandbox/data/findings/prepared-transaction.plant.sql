-- database: shop
-- as: master
-- parameter: max_prepared_transactions=10
CREATE TABLE IF NOT EXISTS payout (id int PRIMARY KEY, amount numeric NOT NULL)

BEGIN;
INSERT INTO payout VALUES (2041, 1250.00);
PREPARE TRANSACTION 'payout-2041';
