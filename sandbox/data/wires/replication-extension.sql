-- database: shop
-- as: master
CREATE SCHEMA pglogical AUTHORIZATION shop_owner

CREATE TABLE pglogical.node (node_id oid, node_name name, dsn text)

INSERT INTO pglogical.node VALUES (1, 'prod', 'host=orders.example password=prod-node-password')
