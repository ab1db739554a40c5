-- database: shop
-- as: master
CREATE TABLE audit_event (id bigint, at timestamptz NOT NULL, what text)

CREATE TABLE audit_event_2023 () INHERITS (audit_event)

-- Before 18 a child may drop what its parent demands; 18 refuses such a schema.
ALTER TABLE audit_event_2023 ALTER COLUMN at DROP NOT NULL
