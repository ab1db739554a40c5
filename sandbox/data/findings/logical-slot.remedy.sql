-- database: shop
-- as: master
SELECT pg_drop_replication_slot('warehouse_cdc')
