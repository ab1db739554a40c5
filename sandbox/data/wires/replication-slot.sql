-- database: shop
-- as: master
-- parameter: rds.logical_replication=1
SELECT pg_create_logical_replication_slot('debezium_orders', 'pgoutput')
