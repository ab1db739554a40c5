-- An ordinary wide table: twelve columns, three indexes. For measuring.
SET ROLE shop_owner;
CREATE TABLE public.people (
    id bigint PRIMARY KEY, email text NOT NULL UNIQUE, first text, last text, phone text, street text, born date, plan text, visits int, balance numeric(10, 2),
    created timestamptz, note text
);
INSERT INTO public.people
SELECT i, format('person%s@mail.example', i), 'First' || i % 900, 'Last' || i % 7000, '+49 30 ' || i, 'Street ' || i % 400, date '1960-01-01' + i % 15000,
    'basic', i % 90, i % 5000, timestamptz '2024-01-01' + i * interval '1 minute', repeat('what was said ', i % 6)
FROM generate_series(1, 60000) AS i;
CREATE INDEX ON public.people (last, first);
CREATE INDEX ON public.people (created);
ANALYZE public.people;
RESET ROLE;
