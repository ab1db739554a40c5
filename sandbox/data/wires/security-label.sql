-- database: shop
-- as: rdsadmin
INSERT INTO pg_seclabel VALUES ('public.customers'::regclass, 'pg_class'::regclass, 0, 'anon', 'MASKED WITH FUNCTION anon.fake_email()')
