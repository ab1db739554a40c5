-- database: shop
-- as: master
-- ALTER ROLE ... RENAME refuses a reserved name on either side.
REASSIGN OWNED BY pg_deploy TO CURRENT_USER

DROP OWNED BY pg_deploy

DROP ROLE pg_deploy
