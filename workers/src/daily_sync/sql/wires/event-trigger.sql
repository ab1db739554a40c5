-- Runs at every DDL, in whose session ever. What belongs to an extension, or to RDS itself, is theirs.
SELECT evtname::text AS object, ARRAY[format('DROP EVENT TRIGGER %I CASCADE', evtname)] AS cut
FROM pg_event_trigger e
WHERE pg_get_userbyid(evtowner) <> 'rdsadmin'
  AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_event_trigger'::regclass AND d.objid = e.oid AND d.deptype = 'e')
