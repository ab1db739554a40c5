-- database: postgres
-- as: master
ALTER ROLE analyst IN DATABASE shop SET search_path = reporting, public

ALTER DATABASE billing SET application_name = 'prod-token-76'
