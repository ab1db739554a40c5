-- A provider's word about an object. Removing it needs the provider's library.
SELECT format('%s %s', objtype, objname) AS object,
       ARRAY[format('SECURITY LABEL FOR %I ON %s %s IS NULL', provider, objtype, objname)] AS cut
FROM pg_seclabels
