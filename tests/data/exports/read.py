"""Reads every Parquet file below a folder with DuckDB, which knows nothing of who wrote them.

Prints JSON: by `<database>/<schema>.<table>`, the columns as the files say them (name, physical and converted type), the codecs,
the numbers of the parts, and the rows.
"""

import json
import math
import sys
from pathlib import Path

import duckdb


def plain(value):
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, float) and math.isnan(value):
        return "NaN"
    return value


def read(folder):
    files = sorted(str(file) for file in folder.glob("*/part-*.gz.parquet"))
    if not files:
        return {"columns": [], "codecs": [], "parts": [], "rows": []}
    schema = "SELECT name, type, converted_type, repetition_type FROM parquet_schema(?) WHERE num_children IS NULL OR num_children = 0"
    columns = {str(duckdb.execute(schema, [file]).fetchall()) for file in files}
    assert len(columns) == 1, f"{folder}: the files have columns of their own: {columns}"
    codecs = duckdb.execute("SELECT DISTINCT compression FROM parquet_metadata(?)", [files]).fetchall()
    rows = duckdb.execute("SELECT * FROM read_parquet(?)", [files]).fetchall()
    return {
        "columns": duckdb.execute(schema, [files[0]]).fetchall(),
        "codecs": [codec for (codec,) in codecs],
        "parts": [f"{Path(file).parent.name}/{Path(file).name.split('-')[1]}" for file in files],
        "rows": [[plain(value) for value in row] for row in rows],
    }


def main():
    root = Path(sys.argv[1])
    tables = sorted(path for path in root.glob("*/*") if path.is_dir())
    print(json.dumps({str(table.relative_to(root)): read(table) for table in tables}))


main()
