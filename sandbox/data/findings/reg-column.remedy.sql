-- database: shop
-- as: master
ALTER TABLE webhook ALTER COLUMN handler TYPE text
