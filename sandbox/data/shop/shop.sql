-- Customers, products and orders: the data is a pure function of row numbers, so it is the same everywhere. Keys are declared after the
-- rows are in: that is several times as fast.
CREATE EXTENSION IF NOT EXISTS pg_stat_statements;
CREATE EXTENSION IF NOT EXISTS pg_trgm;
SET ROLE shop_owner; -- Extensions have owners too, and only an extension's owner may update it.
CREATE EXTENSION IF NOT EXISTS citext;
CREATE EXTENSION IF NOT EXISTS hstore;
CREATE EXTENSION IF NOT EXISTS pgcrypto;

CREATE TYPE order_status AS ENUM ('placed', 'paid', 'shipped', 'delivered', 'returned');
CREATE DOMAIN postcode AS text CHECK (VALUE ~ '^[0-9]{5}$');

CREATE TABLE customers (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    email citext NOT NULL UNIQUE,
    first_name text NOT NULL,
    last_name text NOT NULL,
    full_name text GENERATED ALWAYS AS (first_name || ' ' || last_name) STORED,
    phone text,
    birth_date date,
    street text NOT NULL,
    postcode postcode NOT NULL,
    city text NOT NULL,
    preferences hstore NOT NULL DEFAULT '',
    profile jsonb NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON COLUMN customers.phone IS 'As typed in by the customer';

INSERT INTO customers (email, first_name, last_name, phone, birth_date, street, postcode, city, preferences, profile, created_at)
SELECT format('%s.%s%s@%s', lower(first), lower(last), i, domain), first, last,
    CASE WHEN i % 7 <> 0 THEN format('+49 %s %s', 30 + i % 60, 1000000 + i * 7919 % 9000000) END,
    date '1950-01-01' + i * 37 % 20000,
    format('%s %s', (ARRAY['Lindenstraße', 'Bahnhofstraße', 'Am Markt', 'Rue de la Paix', 'Hauptstraße'])[1 + i * 11 % 5], 1 + i % 180),
    lpad((10000 + i * 131 % 89000)::text, 5, '0'),
    (ARRAY['Berlin', 'Hamburg', 'Köln', 'München', 'Leipzig', 'Bremen'])[1 + i * 131 % 6],
    hstore(ARRAY['newsletter', 'language'], ARRAY[(i % 3 = 0)::text, (ARRAY['de', 'en', 'fr'])[1 + i % 3]]),
    jsonb_build_object('nickname', lower(first) || i % 100, 'device', jsonb_build_object('ip', format('10.%s.%s.%s', i % 200, i % 250, i % 240))),
    timestamptz '2023-01-01 00:00+00' + i * interval '31 minutes'
FROM (
    SELECT i,
        (ARRAY['Anna', 'Ben', 'Clara', 'David', 'Emma', 'Felix', 'Greta', 'Hugo', 'Ida', 'Jonas', 'Zoë'])[1 + i * 7 % 11] AS first,
        (ARRAY['Schmidt', 'Weber', 'Fischer', 'Becker', 'Wagner', 'Hofmann', 'Keller', 'Braun', 'Vogel', 'Oconnor', 'Lefebvre', 'Sauer', 'Kuhn'])[1 + i * 5 % 13] AS last,
        (ARRAY['mail.example', 'post.example', 'inbox.example'])[1 + i % 3] AS domain
    FROM generate_series(1, 12000) AS i
) AS people;

CREATE INDEX customers_lower_last_name ON customers (lower(last_name));
CREATE INDEX customers_full_name_trgm ON customers USING gin (full_name gin_trgm_ops);
CREATE STATISTICS customers_place (ndistinct, dependencies, mcv) ON postcode, city FROM customers;

CREATE TABLE products (
    id int PRIMARY KEY,
    sku text NOT NULL UNIQUE,
    name text NOT NULL,
    description text NOT NULL,
    attributes jsonb NOT NULL,
    price numeric(10, 2) NOT NULL CHECK (price > 0),
    search tsvector GENERATED ALWAYS AS (to_tsvector('english', name || ' ' || description)) STORED
);
INSERT INTO products
SELECT i, format('SKU-%s', lpad(i::text, 6, '0')),
    format('%s %s', (ARRAY['Blue', 'Red', 'Green', 'Grey'])[1 + i % 4], (ARRAY['lamp', 'chair', 'table', 'shelf', 'sofa'])[1 + i * 3 % 5]),
    format('A sturdy piece of furniture, number %s of its series, made of %s.', i, (ARRAY['oak', 'steel', 'glass'])[1 + i % 3]),
    jsonb_build_object('weight', i % 40, 'colours', jsonb_build_array('blue', 'red'), 'size', jsonb_build_object('w', i % 200, 'h', i % 90)),
    10 + (i * 7919 % 99000) / 100.0
FROM generate_series(1, 1500) AS i;
CREATE INDEX products_search ON products USING gin (search);
CREATE INDEX products_attributes ON products USING gin (attributes jsonb_path_ops);

CREATE TABLE orders (
    id bigint NOT NULL,
    placed_at timestamptz NOT NULL,
    customer_id bigint NOT NULL,
    status order_status NOT NULL,
    ship_to text NOT NULL,
    note text,
    PRIMARY KEY (id, placed_at)
) PARTITION BY RANGE (placed_at);
CREATE TABLE orders_other PARTITION OF orders DEFAULT;
DO $$
BEGIN
    FOR month IN 1..12 LOOP
        EXECUTE format('CREATE TABLE orders_2025_%s PARTITION OF orders FOR VALUES FROM (%L) TO (%L)', lpad(month::text, 2, '0'),
            make_timestamptz(2025, month, 1, 0, 0, 0, 'UTC'), make_timestamptz(2025, month, 1, 0, 0, 0, 'UTC') + interval '1 month');
    END LOOP;
END
$$;
INSERT INTO orders
SELECT i, timestamptz '2025-01-01 00:00+00' + i * interval '17 minutes', 1 + i * 7919 % 12000,
    (ARRAY['placed', 'paid', 'shipped', 'delivered', 'returned'])[1 + i * 13 % 5]::order_status,
    format('Lindenstraße %s, Berlin', i % 180), CASE WHEN i % 20 = 0 THEN format('Please ring at neighbour %s', i % 97) END
FROM generate_series(1, 30000) AS i;
ALTER TABLE orders ADD FOREIGN KEY (customer_id) REFERENCES customers;
CREATE INDEX orders_customer ON orders (customer_id);
CREATE INDEX orders_open ON orders (status) WHERE status IN ('placed', 'paid');

CREATE SEQUENCE order_items_id_seq;
CREATE TABLE order_items (
    id bigint PRIMARY KEY DEFAULT nextval('order_items_id_seq'),
    order_id bigint NOT NULL,
    placed_at timestamptz NOT NULL,
    product_id int NOT NULL,
    quantity int NOT NULL,
    unit_price numeric(10, 2) NOT NULL,
    total numeric GENERATED ALWAYS AS (quantity * unit_price) STORED
);
ALTER SEQUENCE order_items_id_seq OWNED BY order_items.id;
ALTER TABLE order_items ALTER COLUMN product_id SET STATISTICS 500;
INSERT INTO order_items (order_id, placed_at, product_id, quantity, unit_price)
SELECT i, timestamptz '2025-01-01 00:00+00' + i * interval '17 minutes', 1 + (i * 31 + n * 17) % 1500, n, 10 + i * n % 400
FROM generate_series(1, 30000) AS i, generate_series(1, 2) AS n;
ALTER TABLE order_items ADD FOREIGN KEY (product_id) REFERENCES products;
ALTER TABLE order_items ADD FOREIGN KEY (order_id, placed_at) REFERENCES orders ON DELETE CASCADE;
CREATE INDEX order_items_order ON order_items (order_id, placed_at);

CREATE FUNCTION order_total(wanted bigint) RETURNS numeric STABLE LANGUAGE sql
BEGIN ATOMIC
    SELECT coalesce(sum(total), 0) FROM order_items WHERE order_id = wanted;
END;

CREATE FUNCTION refuse_past_orders() RETURNS trigger LANGUAGE plpgsql SET search_path = public AS $$
BEGIN
    IF new.placed_at < timestamptz '2020-01-01 00:00+00' THEN
        RAISE EXCEPTION 'order % lies before the shop was opened', new.id;
    END IF;
    RETURN new;
END
$$;
CREATE TRIGGER refuse_past_orders BEFORE INSERT ON orders FOR EACH ROW EXECUTE FUNCTION refuse_past_orders();

CREATE SCHEMA reporting;
CREATE VIEW reporting.customer_orders AS
SELECT c.id, c.full_name, c.email, count(o.id) AS orders, max(o.placed_at) AS last_order
FROM customers AS c LEFT JOIN orders AS o ON o.customer_id = c.id
GROUP BY c.id;
CREATE MATERIALIZED VIEW reporting.monthly_revenue AS
SELECT date_trunc('month', i.placed_at, 'UTC') AS month, p.name, sum(i.total) AS revenue
FROM order_items AS i JOIN products AS p ON p.id = i.product_id
GROUP BY 1, 2;
CREATE UNIQUE INDEX monthly_revenue_key ON reporting.monthly_revenue (month, name);

GRANT SELECT, INSERT, UPDATE, DELETE ON customers, products, orders, order_items TO shop_app;
GRANT USAGE ON SEQUENCE order_items_id_seq TO shop_app;
GRANT USAGE ON SCHEMA reporting TO shop_reader;
GRANT SELECT ON ALL TABLES IN SCHEMA reporting TO shop_reader;
ALTER DATABASE shop SET default_statistics_target = 100;
ANALYZE customers, products, orders, order_items, reporting.monthly_revenue;
RESET ROLE;
