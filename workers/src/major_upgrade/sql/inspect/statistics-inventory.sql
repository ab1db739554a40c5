SELECT 'statistics' AS object,
       format('%s columns with a target of their own, %s extended statistics, %s partitioned tables', custom, extended, partitioned) AS detail,
       'nothing: RunAnalyze makes them again' AS remedy
FROM (SELECT count(*) AS custom FROM pg_attribute WHERE attnum > 0 AND attrelid >= 16384 AND attstattarget > 0) a,
     (SELECT count(*) AS extended FROM pg_statistic_ext) s,
     (SELECT count(*) AS partitioned FROM pg_class WHERE relkind = 'p') p
WHERE custom + extended + partitioned > 0
