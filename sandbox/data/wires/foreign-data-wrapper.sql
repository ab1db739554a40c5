-- database: template1
-- as: master
CREATE EXTENSION dblink
