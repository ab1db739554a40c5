-- Every text that people wrote into a catalog of this database or of the cluster: what it belongs to, the text. A page of
-- https://www.postgresql.org/docs/current/catalogs.html with a column of type text, pg_node_tree, name of a label, or an array of them.
SELECT pg_describe_object('pg_attrdef'::regclass, oid, 0), pg_get_expr(adbin, adrelid) FROM pg_attrdef
UNION ALL SELECT pg_describe_object('pg_constraint'::regclass, oid, 0), pg_get_constraintdef(oid) FROM pg_constraint WHERE oid >= 16384
UNION ALL SELECT pg_describe_object('pg_class'::regclass, oid, 0), pg_get_viewdef(oid) FROM pg_class WHERE relkind IN ('v', 'm') AND oid >= 16384
UNION ALL SELECT pg_describe_object('pg_class'::regclass, indexrelid, 0), pg_get_indexdef(indexrelid) FROM pg_index WHERE indexrelid >= 16384
UNION ALL SELECT pg_describe_object('pg_class'::regclass, oid, 0), pg_get_expr(relpartbound, oid) FROM pg_class WHERE relpartbound IS NOT NULL
UNION ALL SELECT pg_describe_object('pg_class'::regclass, oid, 0), array_to_string(reloptions, ' ') FROM pg_class WHERE reloptions IS NOT NULL
UNION ALL SELECT pg_describe_object('pg_class'::regclass, partrelid, 0), pg_get_partkeydef(partrelid) FROM pg_partitioned_table
UNION ALL SELECT pg_describe_object('pg_proc'::regclass, oid, 0), concat_ws(' ', prosrc, pg_get_function_sqlbody(oid), pg_get_function_arguments(oid), array_to_string(proconfig, ' '))
    FROM pg_proc WHERE oid >= 16384
UNION ALL SELECT pg_describe_object('pg_proc'::regclass, aggfnoid, 0), concat_ws(' ', agginitval, aggminitval) FROM pg_aggregate WHERE aggfnoid >= 16384
UNION ALL SELECT pg_describe_object('pg_trigger'::regclass, oid, 0), pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal
UNION ALL SELECT pg_describe_object('pg_rewrite'::regclass, oid, 0), pg_get_ruledef(oid) FROM pg_rewrite WHERE oid >= 16384
UNION ALL SELECT pg_describe_object('pg_policy'::regclass, oid, 0), concat_ws(' ', pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid)) FROM pg_policy
UNION ALL SELECT pg_describe_object('pg_type'::regclass, enumtypid, 0), enumlabel::text FROM pg_enum WHERE oid >= 16384
UNION ALL SELECT pg_describe_object('pg_type'::regclass, oid, 0), typdefault FROM pg_type WHERE typdefault IS NOT NULL AND oid >= 16384
UNION ALL SELECT pg_describe_object('pg_statistic_ext'::regclass, oid, 0), pg_get_statisticsobjdef(oid) FROM pg_statistic_ext
UNION ALL SELECT pg_describe_object('pg_class'::regclass, attrelid, attnum), concat_ws(' ', array_to_string(attoptions, ' '), array_to_string(attfdwoptions, ' '))
    FROM pg_attribute WHERE attoptions IS NOT NULL OR attfdwoptions IS NOT NULL
UNION ALL SELECT pg_describe_object('pg_event_trigger'::regclass, oid, 0), array_to_string(evttags, ' ') FROM pg_event_trigger
UNION ALL SELECT pg_describe_object('pg_ts_dict'::regclass, oid, 0), dictinitoption FROM pg_ts_dict WHERE oid >= 16384
UNION ALL SELECT pg_describe_object('pg_extension'::regclass, oid, 0), array_to_string(extcondition, ' ') FROM pg_extension
UNION ALL SELECT pg_describe_object(classoid, objoid, objsubid), description FROM pg_description
    WHERE objoid >= 16384 OR classoid IN ('pg_namespace'::regclass, 'pg_extension'::regclass, 'pg_language'::regclass)
      -- What initdb wrote (src/include/catalog/pg_namespace.dat, pg_language.dat, src/pl/plpgsql/src/plpgsql.control).
      AND description NOT IN ('standard public schema', 'system catalog schema', 'reserved schema for TOAST tables', 'PL/pgSQL procedural language',
          'built-in functions', 'dynamically-loaded C functions', 'SQL-language functions')
UNION ALL SELECT 'a comment on ' || pg_describe_object(classoid, objoid, 0), description FROM pg_shdescription
UNION ALL SELECT pg_describe_object(classoid, objoid, objsubid), label FROM pg_seclabel
UNION ALL SELECT 'a setting of a role or database', array_to_string(setconfig, ' ') FROM pg_db_role_setting
UNION ALL SELECT 'the name of a schema', nspname::text FROM pg_namespace WHERE oid >= 16384
UNION ALL SELECT 'the name of a type', typname::text FROM pg_type WHERE oid >= 16384
UNION ALL SELECT 'the name of a function', proname::text FROM pg_proc WHERE oid >= 16384
UNION ALL SELECT 'the name of a constraint', conname::text FROM pg_constraint WHERE oid >= 16384
UNION ALL SELECT 'the name of a policy', polname::text FROM pg_policy
UNION ALL SELECT 'the name of a trigger', tgname::text FROM pg_trigger WHERE NOT tgisinternal
UNION ALL SELECT 'the name of a rule', rulename::text FROM pg_rewrite WHERE oid >= 16384
UNION ALL SELECT 'the name of a collation', collname::text FROM pg_collation WHERE oid >= 16384
UNION ALL SELECT 'the name of a conversion', conname::text FROM pg_conversion WHERE oid >= 16384
UNION ALL SELECT 'the name of an operator class', opcname::text FROM pg_opclass WHERE oid >= 16384
UNION ALL SELECT 'the name of an operator family', opfname::text FROM pg_opfamily WHERE oid >= 16384
UNION ALL SELECT 'the name of a text search configuration', cfgname::text FROM pg_ts_config WHERE oid >= 16384
UNION ALL SELECT 'the name of a text search dictionary', dictname::text FROM pg_ts_dict WHERE oid >= 16384
UNION ALL SELECT 'the name of a relation', relname::text FROM pg_class WHERE oid >= 16384
UNION ALL SELECT 'the name of a column', attname::text FROM pg_attribute WHERE attrelid >= 16384 AND attnum > 0
