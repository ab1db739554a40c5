-- database: shop
-- as: rdsadmin
CREATE FUNCTION public.awsdms_intercept_ddl() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END'

CREATE EVENT TRIGGER awsdms_intercept_ddl ON ddl_command_end EXECUTE FUNCTION public.awsdms_intercept_ddl()

-- On Aurora the master user makes event triggers (AuroraUserGuide, PostgreSQL.EventTriggers); elsewhere only a superuser can own one.
UPDATE pg_event_trigger SET evtowner = 'shop_owner'::regrole
