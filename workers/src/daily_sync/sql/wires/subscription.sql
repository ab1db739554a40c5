-- A copy that subscribes takes production's slot. The slot's name goes first, or DROP would drop the slot in production; the address goes
-- too, for DROP looks for half-copied tables at the publisher even without a slot (src/backend/commands/subscriptioncmds.c, DropSubscription).
SELECT subname::text AS object,
       ARRAY[format('ALTER SUBSCRIPTION %I DISABLE', subname),
             format('ALTER SUBSCRIPTION %I CONNECTION %L', subname,
                    'host=127.0.0.1 port=1 dbname=gone user=gone password=gone connect_timeout=2'),
             format('ALTER SUBSCRIPTION %I SET (slot_name = NONE)', subname),
             format('DROP SUBSCRIPTION %I', subname)] AS cut
FROM pg_subscription
WHERE subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())
