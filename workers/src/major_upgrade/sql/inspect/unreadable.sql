-- What this role cannot see is said, so that "nothing found" means something.
SELECT NULL::text AS database, what AS object, format('role %s is not a member of %s', current_user, role) AS detail,
       format('GRANT %I TO %I;', role, current_user) AS remedy
FROM (VALUES ('sessions of other roles (long-transaction)', 'pg_read_all_stats'), ('restricted settings (md5-password, lock-table)', 'pg_read_all_settings')) AS needed (what, role)
WHERE NOT pg_has_role(current_user, role, 'USAGE')
