-- database: shop
-- as: master
-- A plain search for columns of type regprocedure does not see this one: the type hides behind a domain.
CREATE DOMAIN handler AS regprocedure

CREATE TABLE webhook (id int PRIMARY KEY, event text NOT NULL, handler handler)

INSERT INTO webhook VALUES (1, 'order.paid', 'pg_catalog.now()')
