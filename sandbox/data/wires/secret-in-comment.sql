-- database: billing
-- as: master
COMMENT ON TABLE ledger.rates IS 'loaded with password=rates-password-74 every night'

COMMENT ON COLUMN ledger.rates.rate IS 'ask https://loader:rates-password-75@rates.example'
