-- database: shop
-- as: master
ALTER TABLE audit_event_2023 ALTER COLUMN at SET NOT NULL
