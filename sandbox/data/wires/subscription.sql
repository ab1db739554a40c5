-- database: shop
-- as: master
-- parameter: rds.logical_replication=1
-- parameter: max_logical_replication_workers=0
CREATE SUBSCRIPTION prod_sub CONNECTION 'host=127.0.0.1 port=59999 dbname=orders user=replicator password=prod-replication-password'
PUBLICATION prod_pub WITH (connect = false, slot_name = 'prod_sub', enabled = false)

ALTER SUBSCRIPTION prod_sub ENABLE

-- as: rdsadmin
-- Half copied when the snapshot was taken: DROP SUBSCRIPTION then wants to speak to the publisher even without a slot.
INSERT INTO pg_subscription_rel SELECT oid, 'public.products'::regclass, 'i', NULL FROM pg_subscription
