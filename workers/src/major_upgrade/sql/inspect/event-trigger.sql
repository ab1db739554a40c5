SELECT t.evtname::text AS object, format('on %s, calls %s', t.evtevent, t.evtfoid::regproc) AS detail,
       format('ALTER EVENT TRIGGER %I DISABLE; -- and ENABLE it after the upgrade', t.evtname) AS remedy
FROM pg_event_trigger t
WHERE t.evtenabled <> 'D'
  AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_event_trigger'::regclass AND d.objid = t.oid AND d.deptype = 'e')
ORDER BY 1
