-- database: shop
-- as: master
-- PostgreSQL 17 dropped old_snapshot (https://www.postgresql.org/docs/17/release-17.html).
CREATE EXTENSION old_snapshot
