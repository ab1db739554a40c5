-- Remembers how far production was replayed.
SELECT roname AS object, ARRAY[format('SELECT pg_replication_origin_drop(%L)', roname)] AS cut
FROM pg_replication_origin
