-- The people and programs of the shop. The master user makes them and becomes a member of the owners, so that it can act for them.
CREATE ROLE shop_owner NOLOGIN;
CREATE ROLE billing_owner NOLOGIN;
CREATE ROLE events_owner NOLOGIN;
CREATE ROLE shop_app LOGIN PASSWORD 'shop-app-password';
CREATE ROLE shop_reader NOLOGIN;
CREATE ROLE analyst LOGIN PASSWORD 'analyst-password' IN ROLE shop_reader;
ALTER ROLE shop_app SET statement_timeout = '30s';
GRANT shop_owner, billing_owner, events_owner TO CURRENT_USER;
