-- database: postgres
-- as: master
ALTER ROLE analyst CREATEDB CREATEROLE
