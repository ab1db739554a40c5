-- database: postgres
-- as: master
CREATE ROLE nightly_export LOGIN PASSWORD 'nightly-password-77'
