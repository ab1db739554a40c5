-- database: postgres
-- as: master
GRANT shop_reader TO analyst WITH ADMIN OPTION
