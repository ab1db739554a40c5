-- database: shop
-- as: master
ROLLBACK PREPARED 'payout-2041'
