SELECT NULL::text AS database,
       library AS object,
       '' AS detail,
       format('say in the input: "parameters": [{"name": "shared_preload_libraries", "value": "<all but %s>", '
              '"reason": "…"}], and switch it on again after the switchover, with a reboot', library) AS remedy
FROM (SELECT trim(both ' "' from part) AS library
      FROM unnest(string_to_array(current_setting('shared_preload_libraries'), ',')) AS part) AS preloaded
WHERE library IN ('pg_cron', 'pg_partman_bgw', 'pglogical', 'pgactive')
ORDER BY library
