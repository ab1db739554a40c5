ANALYZE aurora_runbooks_statistics.relations (schema, relation), aurora_runbooks_statistics.columns (schema, relation);
