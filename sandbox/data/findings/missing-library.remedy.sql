-- database: shop
-- as: master
DROP EXTENSION old_snapshot
