-- Offers the tables to whoever has a slot.
SELECT pubname::text AS object, ARRAY[format('DROP PUBLICATION %I', pubname)] AS cut
FROM pg_publication
