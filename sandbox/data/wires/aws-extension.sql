-- database: shop
-- as: master
CREATE SCHEMA aws_lambda AUTHORIZATION shop_owner

CREATE FUNCTION aws_lambda.invoke(function_name text, payload json) RETURNS int LANGUAGE sql AS 'SELECT 202'

-- as: rdsadmin
-- The extension exists on RDS alone. This is what the catalog says of it there.
INSERT INTO pg_extension (oid, extname, extowner, extnamespace, extrelocatable, extversion)
VALUES (90001, 'aws_lambda', 'shop_owner'::regrole, 'aws_lambda'::regnamespace, false, '1.0')

INSERT INTO pg_depend VALUES
('pg_proc'::regclass, 'aws_lambda.invoke(text, json)'::regprocedure, 0, 'pg_extension'::regclass, 90001, 0, 'e'),
('pg_namespace'::regclass, 'aws_lambda'::regnamespace, 0, 'pg_extension'::regclass, 90001, 0, 'e')
