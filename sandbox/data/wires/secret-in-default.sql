-- database: shop
-- as: master
CREATE TABLE public.webhooks (id int PRIMARY KEY, url text DEFAULT 'https://hooks.slack.com/services/T01/B02/abcdefgh')
