SELECT 'large objects' AS object, format('%s of them', count(*)) AS detail,
       'remove those that nothing refers to (vacuumlo), and mind the memory: the guide asks for 32 GB for 25 million' AS remedy
FROM pg_largeobject_metadata
HAVING count(*) > 0
