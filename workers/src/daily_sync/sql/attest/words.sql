-- Every word of people's comments.
SELECT w.text FROM pg_description AS d, regexp_split_to_table(d.description, '[\s,;"''()<>]+') AS w (text) WHERE d.objoid >= 16384
UNION ALL
SELECT d.description FROM pg_description AS d WHERE d.objoid >= 16384
UNION ALL
SELECT w.text FROM pg_shdescription AS d, regexp_split_to_table(d.description, '[\s,;"''()<>]+') AS w (text)
