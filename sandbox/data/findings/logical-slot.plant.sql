-- database: shop
-- as: rdsadmin
-- parameter: rds.logical_replication=1
SELECT pg_create_logical_replication_slot('warehouse_cdc', 'pgoutput')
