-- database: shop
-- as: master
CREATE EXTENSION IF NOT EXISTS postgres_fdw

-- as: rdsadmin
-- On Aurora rds_superuser may use it (AuroraUserGuide, postgresql-commondbatasks-fdw).
GRANT USAGE ON FOREIGN DATA WRAPPER postgres_fdw TO shop_owner

-- as: master
CREATE SERVER partner FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '127.0.0.1', port '59999', dbname 'partner')

CREATE USER MAPPING FOR shop_app SERVER partner OPTIONS (user 'shop', password 'partner-password-71')

CREATE USER MAPPING FOR PUBLIC SERVER partner OPTIONS (user 'everybody', password 'partner-password-72')
