-- database: shop
-- as: rdsadmin
-- parameter: max_prepared_transactions=10
BEGIN;
SET LOCAL ROLE shop_app;
SELECT pg_current_xact_id();
PREPARE TRANSACTION 'payout-2041'
