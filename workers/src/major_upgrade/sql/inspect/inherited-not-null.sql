-- pg_upgrade 18: check_for_not_null_inheritance.
SELECT format('%s.%I', i.inhrelid::regclass, child.attname) AS object,
       format('inherits from %s, whose column is NOT NULL', i.inhparent::regclass) AS detail,
       format('ALTER TABLE %s ALTER COLUMN %I SET NOT NULL;', i.inhrelid::regclass, child.attname) AS remedy
FROM pg_inherits i
JOIN pg_attribute child ON child.attrelid = i.inhrelid AND child.attnum > 0 AND NOT child.attisdropped
JOIN pg_attribute parent ON parent.attrelid = i.inhparent AND parent.attname = child.attname AND parent.attnum > 0
JOIN pg_class c ON c.oid = i.inhrelid AND c.relkind IN ('r', 'p', 'f')
WHERE parent.attnotnull AND NOT child.attnotnull
ORDER BY 1
