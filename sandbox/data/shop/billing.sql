-- Invoices and payments, kept by other people than the shop's. Foreign keys are declared after the rows are in: with
-- old_snapshot_threshold a new index serves no look-up before its transaction has ended (index_build in
-- PostgreSQL 16's src/backend/catalog/index.c, EarlyPruningEnabled), and each row's key is looked up.
SET ROLE billing_owner;
CREATE EXTENSION IF NOT EXISTS btree_gist;
CREATE SCHEMA ledger;

CREATE TABLE ledger.accounts (
    id int PRIMARY KEY,
    holder text NOT NULL,
    iban text NOT NULL UNIQUE,
    tax_number text,
    parent_id int
);
INSERT INTO ledger.accounts
SELECT i, format('%s GmbH', (ARRAY['Schmidt', 'Weber', 'Fischer', 'Becker'])[1 + i % 4]), format('DE%s%s', 10 + i % 89, lpad((i * 7919)::text, 18, '0')),
    CASE WHEN i % 4 = 0 THEN format('%s/%s/%s', 10 + i % 80, 100 + i % 800, 10000 + i) END, CASE WHEN i > 100 THEN 1 + i % 100 END
FROM generate_series(1, 3000) AS i;
ALTER TABLE ledger.accounts ADD FOREIGN KEY (parent_id) REFERENCES ledger.accounts;

CREATE TABLE ledger.invoices (
    number text PRIMARY KEY,
    account_id int NOT NULL,
    issued_on date NOT NULL,
    net numeric(14, 4) NOT NULL,
    vat numeric(5, 4) NOT NULL DEFAULT 0.19,
    gross numeric GENERATED ALWAYS AS (round(net * (1 + vat), 2)) STORED,
    contact_email text NOT NULL,
    CHECK (net <> 0)
);
INSERT INTO ledger.invoices (number, account_id, issued_on, net, contact_email)
SELECT format('R-%s', lpad(i::text, 8, '0')), 1 + i * 31 % 3000, date '2024-01-01' + i % 700, 1 + i * 7919 % 500000 / 10.0, format('office%s@firm.example', i % 3000)
FROM generate_series(1, 20000) AS i;
ALTER TABLE ledger.invoices ADD FOREIGN KEY (account_id) REFERENCES ledger.accounts;
CREATE INDEX invoices_account ON ledger.invoices (account_id, issued_on DESC);

CREATE TABLE ledger.payments (
    id uuid PRIMARY KEY,
    invoice text NOT NULL,
    amount numeric(14, 2) NOT NULL,
    card_last4 text CHECK (card_last4 ~ '^[0-9]{4}$'),
    payer_ip inet,
    paid_at timestamp NOT NULL
);
INSERT INTO ledger.payments
SELECT md5('payment' || i)::uuid, format('R-%s', lpad(i::text, 8, '0')), 1 + i % 900, lpad((i * 13 % 10000)::text, 4, '0'),
    format('192.0.2.%s', i % 254)::inet, timestamp '2024-01-02 09:00' + i * interval '40 minutes'
FROM generate_series(1, 18000) AS i;
ALTER TABLE ledger.payments ADD FOREIGN KEY (invoice) REFERENCES ledger.invoices ON UPDATE CASCADE;
CREATE INDEX payments_invoice ON ledger.payments (invoice);

CREATE TABLE ledger.rates (
    account_id int NOT NULL,
    valid daterange NOT NULL,
    rate numeric(6, 4) NOT NULL,
    EXCLUDE USING gist (account_id WITH =, valid WITH &&)
);
INSERT INTO ledger.rates
SELECT i, daterange(date '2024-01-01', date '2025-01-01'), 0.01 + i % 30 / 1000.0 FROM generate_series(1, 1000) AS i;
ALTER TABLE ledger.rates ADD FOREIGN KEY (account_id) REFERENCES ledger.accounts;

CREATE VIEW ledger.open_invoices AS
SELECT i.number, i.gross - coalesce(sum(p.amount), 0) AS open FROM ledger.invoices AS i LEFT JOIN ledger.payments AS p ON p.invoice = i.number GROUP BY i.number;
ANALYZE ledger.accounts, ledger.invoices, ledger.payments, ledger.rates;
RESET ROLE;
