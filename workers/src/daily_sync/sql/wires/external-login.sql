-- Logins that IAM or a directory decides about.
SELECT format('%s in %s', pg_get_userbyid(member), pg_get_userbyid(roleid)) AS object,
       ARRAY[format('REVOKE %I FROM %I%s CASCADE', pg_get_userbyid(roleid), pg_get_userbyid(member),
           CASE WHEN current_setting('server_version_num')::int >= 160000 THEN format(' GRANTED BY %I', pg_get_userbyid(grantor)) ELSE '' END)] AS cut
FROM pg_auth_members
WHERE pg_get_userbyid(roleid) IN ('rds_iam', 'rds_ad') AND pg_get_userbyid(member) NOT IN ('rds_superuser', current_user)
