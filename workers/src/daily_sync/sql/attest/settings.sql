-- What the server goes by now, whatever its parameter groups say.
SELECT name::text, setting::text FROM pg_catalog.pg_settings WHERE name = ANY ($1::text[])
