-- Work that is waiting: mails, webhooks, payments. The first program that connects would do production's again.
SELECT c.oid::regclass::text AS object, ARRAY[format('TRUNCATE %s', c.oid::regclass)] AS cut
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND n.nspname NOT IN ('pg_catalog', 'information_schema')
  AND (c.relname ~ '^(que_jobs|delayed_jobs|good_jobs|good_job_executions|solid_queue_.*|oban_jobs|river_job|procrastinate_jobs|procrastinate_events|gue_jobs|neoq_jobs|queue_classic_jobs|.*outbox.*|celery_taskmeta|django_q_ormq|sidekiq_jobs|jobs_queue|job_queue|mail_queue|email_queue|message_queue|webhook_deliveries)$'
       OR n.nspname = 'pgmq' AND c.relname ~ '^[qa]_'
       OR n.nspname = 'pgboss' AND c.relname IN ('job', 'archive', 'schedule')
       OR n.nspname = 'graphile_worker' AND c.relname ~ '(jobs|tasks|crontabs)$')
  AND (SELECT sum(pg_relation_size(relid)) FROM (SELECT c.oid AS relid UNION SELECT relid FROM pg_partition_tree(c.oid)) AS t) > 0
ORDER BY 1
