-- A password, key or token in a comment.
SELECT format('%s %s', i.type, i.identity) AS object,
       ARRAY[format('COMMENT ON %s %s IS NULL', CASE i.type WHEN 'table column' THEN 'column' WHEN 'view column' THEN 'column'
           WHEN 'materialized view column' THEN 'column' WHEN 'table constraint' THEN 'constraint' ELSE i.type END, i.identity)] AS cut
FROM (SELECT classoid, objoid, objsubid, description FROM pg_description UNION ALL SELECT classoid, objoid, 0, description FROM pg_shdescription) AS d,
     pg_identify_object(d.classoid, d.objoid, d.objsubid) AS i
WHERE coalesce(i.schema, '') NOT IN ('pg_catalog', 'information_schema') AND i.identity IS NOT NULL AND description ~* '(AKIA|ASIA)[0-9A-Z]{16}|xox[abprs]-[0-9A-Za-z-]{10}|hooks\.slack\.com/services/|-----BEGIN [A-Z ]*PRIVATE KEY|password\s*=\s*''*[^\s'';:]+|[a-z]+://[^\s/:@'']+:[^\s/@'']+@|\mgh[pousr]_[0-9A-Za-z]{20}|sk_live_[0-9A-Za-z]{10}'
