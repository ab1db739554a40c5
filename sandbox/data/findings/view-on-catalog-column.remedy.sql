-- database: shop
-- as: master
DROP VIEW buffer_writes
