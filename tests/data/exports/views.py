"""Runs an export's duckdb.sql over its files on this disk, and counts the rows of every view.

Prints JSON: `<database> <schema>.<table>`, and the rows.
"""

import json
import sys
from pathlib import Path

import duckdb

sql, bucket, folder = Path(sys.argv[1]).read_text(), sys.argv[2], sys.argv[3]
# What speaks to S3 stays behind.
for statement in sql.split(";\n"):
    if "read_parquet" in statement or "CREATE SCHEMA" in statement:
        duckdb.execute(statement.replace(f"s3://{bucket}/", f"{folder}/{bucket}/"))
views = duckdb.execute("SELECT schema_name, view_name FROM duckdb_views() WHERE NOT internal").fetchall()
count = 'SELECT count(*) FROM "{}"."{}"'
print(json.dumps({f"{schema} {view}": duckdb.execute(count.format(schema, view)).fetchone()[0] for schema, view in views}))
