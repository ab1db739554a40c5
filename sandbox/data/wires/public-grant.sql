-- database: billing
-- as: master
GRANT SELECT ON ledger.payments TO PUBLIC

GRANT CREATE ON SCHEMA ledger TO PUBLIC
