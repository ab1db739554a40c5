-- database: postgres
-- as: master
CREATE SCHEMA cron

CREATE TABLE cron.job (jobid bigint, schedule text, command text, database text, username text, active boolean)

INSERT INTO cron.job VALUES (1, '0 3 * * *', 'SELECT send_invoices()', 'shop', 'shop_app', true)
