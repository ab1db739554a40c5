-- database: shop
-- as: master
CREATE ROLE deploy

GRANT deploy TO CURRENT_USER WITH INHERIT TRUE, SET TRUE

GRANT CREATE ON SCHEMA public TO deploy

CREATE TABLE deployment (id int PRIMARY KEY, at timestamptz NOT NULL)

ALTER TABLE deployment OWNER TO deploy

-- database: shop
-- as: rdsadmin
-- Such names stem from before 9.6, when they were not reserved yet. No command makes one today.
UPDATE pg_authid SET rolname = 'pg_deploy' WHERE rolname = 'deploy'
