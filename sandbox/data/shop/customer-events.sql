-- What customers did, as it came in: a database, a table and columns whose names need quoting.
SET ROLE events_owner;
CREATE TABLE "Event" (
    "eventId" bigint PRIMARY KEY,
    "occurredAt" timestamptz NOT NULL,
    "customer" bigint,
    payload jsonb NOT NULL,
    tags text[] NOT NULL DEFAULT '{}'
);
INSERT INTO "Event"
SELECT i, timestamptz '2025-03-01 00:00+00' + i * interval '20 seconds', 1 + i * 17 % 12000,
    jsonb_build_object('type', (ARRAY['view', 'click', 'buy'])[1 + i % 3], 'email', format('anna.schmidt%s@mail.example', i % 12000), 'at', i % 86400),
    ARRAY['web', (ARRAY['de', 'en'])[1 + i % 2]]
FROM generate_series(1, 25000) AS i;
CREATE INDEX "Event occurredAt" ON "Event" ("occurredAt");
CREATE INDEX "Event type" ON "Event" ((payload ->> 'type'));
CREATE TABLE empty_so_far (id int PRIMARY KEY, note text);
ANALYZE "Event", empty_so_far;
RESET ROLE;
