-- database: postgres
-- as: master
ALTER ROLE analyst IN DATABASE shop SET search_path = reporting, public

ALTER DATABASE billing SET app.api_token = 'prod-token-76'
