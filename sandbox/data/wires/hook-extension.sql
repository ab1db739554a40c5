-- database: postgres
-- as: rdsadmin
-- pg_tle exists on RDS alone. This is what the catalog says of it there.
INSERT INTO pg_extension (oid, extname, extowner, extnamespace, extrelocatable, extversion)
SELECT 90002, 'pg_tle', datdba, 'public'::regnamespace, false, '1.4' FROM pg_database WHERE datname = 'postgres'
