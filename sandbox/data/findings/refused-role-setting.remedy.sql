-- database: shop
-- as: rdsadmin
ALTER ROLE nightly_report RESET auto_explain.log_min_durations
