-- Comments on whatever can have one (PostgreSQL, "COMMENT": its list of objects). The words that pg_identify_object has for a kind of object
-- are COMMENT's, but for these.
SELECT format('%s %s', i.type, i.identity) AS object, description AS text, ARRAY[format('COMMENT ON %s IS NULL', target)] AS cut,
       format('COMMENT ON %s IS %L', target, description) AS rewrite
FROM (SELECT classoid, objoid, objsubid, description FROM pg_description UNION ALL SELECT classoid, objoid, 0, description FROM pg_shdescription) AS d,
     pg_identify_object(d.classoid, d.objoid, d.objsubid) AS i,
     LATERAL (SELECT CASE
         WHEN i.type LIKE '% column' THEN format('COLUMN %s', i.identity)
         WHEN i.type = 'domain constraint' THEN format('CONSTRAINT %s', regexp_replace(i.identity, ' on (?!.* on )', ' ON DOMAIN '))
         WHEN i.type = 'table constraint' THEN format('CONSTRAINT %s', i.identity)
         WHEN i.type = 'composite type' THEN format('TYPE %s', i.identity)
         WHEN i.type = 'foreign-data wrapper' THEN format('FOREIGN DATA WRAPPER %s', i.identity)
         WHEN i.type = 'statistics object' THEN format('STATISTICS %s', i.identity)
         WHEN i.type = 'transform' THEN format('TRANSFORM %s', regexp_replace(i.identity, ' on language ', ' LANGUAGE '))
         ELSE format('%s %s', i.type, i.identity) END) AS t (target)
WHERE coalesce(i.schema, '') NOT IN ('pg_catalog', 'information_schema') AND i.identity IS NOT NULL
