//! What a person pastes to read an export: tables of Athena and Glue, views of DuckDB.

use std::fmt::Write;

use runbook::snapshot_export::reconciliation::{Column, Table};

/// One external table for each table, in the database that is chosen in the editor.
/// (https://docs.aws.amazon.com/athena/latest/ug/parquet-serde.html)
pub fn athena(files: &str, tables: &[Table]) -> String {
    let mut text =
        "-- Choose a database of Glue, then run each statement. Names in Athena are lower-case.\n".to_owned();
    for table in tables.iter().filter(|table| !table.is_skipped() && !table.columns.is_empty()) {
        let Some(folder) = &table.folder else { continue };
        let column = |column: &Column| {
            format!("  `{}` {}", column.name.replace('`', "``").to_lowercase(), athena_type(&column.parquet))
        };
        let columns = table.columns.iter().map(column).collect::<Vec<_>>().join(",\n");
        let name = athena_name(&table.table);
        let _ = write!(
            text,
            "\nCREATE EXTERNAL TABLE IF NOT EXISTS `{name}` (\n{columns}\n)\nSTORED AS PARQUET\nLOCATION \
             {};\n",
            quoted(&format!("{files}{folder}/"))
        );
    }
    text
}

/// Letters, digits and underscores
/// (https://docs.aws.amazon.com/athena/latest/ug/tables-databases-columns-names.html).
fn athena_name(table: &str) -> String {
    table.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' }).collect()
}

fn athena_type(parquet: &str) -> &str {
    let physical = parquet.split(' ').next().unwrap_or_default();
    match physical {
        "boolean" => "boolean",
        "int32" => "int",
        "int64" => "bigint",
        "int96" => "timestamp",
        "float" => "float",
        "double" => "double",
        _ if parquet.contains("string") => "string",
        _ => "binary",
    }
}

/// One view for each table, in a schema for each database; rows are read when it is asked.
/// (https://duckdb.org/docs/stable/core_extensions/httpfs/s3api)
pub fn duckdb(files: &str, tables: &[Table]) -> String {
    let mut text = "INSTALL httpfs; LOAD httpfs; INSTALL aws; LOAD aws;\n\
                    CREATE OR REPLACE SECRET (TYPE s3, PROVIDER credential_chain);\n"
        .to_owned();
    let mut last = "";
    for table in tables.iter().filter(|table| !table.is_skipped()) {
        let Some(folder) = &table.folder else { continue };
        let (database, name) = folder.split_once('/').unwrap_or(("", folder));
        if database != last {
            let _ = write!(text, "\nCREATE SCHEMA IF NOT EXISTS {};\n", identifier(database));
            last = database;
        }
        let view = format!("{}.{}", identifier(database), identifier(name));
        let _ = match table.files {
            // A pattern that finds no file is an error.
            0 => writeln!(text, "-- {} is empty", table.table),
            _ => writeln!(text, "CREATE OR REPLACE VIEW {view} AS {};", select(files, folder)),
        };
    }
    text
}

/// The query of one table, for a person to paste.
pub fn example(files: &str, tables: &[Table]) -> Option<String> {
    let largest = tables.iter().filter(|table| !table.is_skipped() && table.files > 0);
    let largest = largest.max_by_key(|table| table.rows)?;
    Some(select(files, largest.folder.as_ref()?).replacen('*', "count(*)", 1))
}

fn select(files: &str, folder: &str) -> String {
    format!("SELECT * FROM read_parquet({})", quoted(&format!("{files}{}/*/*.parquet", pattern(folder))))
}

/// What would be a pattern in a name is one character of it.
fn pattern(name: &str) -> String {
    name.chars().map(|c| if "*?[]{}".contains(c) { '?' } else { c }).collect()
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

fn identifier(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(name: &str, folder: &str, files: u64) -> Table {
        let column = |name: &str, parquet: &str| Column {
            name: name.into(),
            original: "x".into(),
            parquet: parquet.into(),
        };
        Table {
            table: name.into(),
            folder: Some(folder.into()),
            rows: files,
            source_rows: None,
            bytes: 1,
            files,
            columns: vec![
                column("id", "int64"),
                column("Name", "byte_array (string)"),
                column("raw", "byte_array"),
            ],
            differences: vec![],
        }
    }

    #[test]
    fn every_table_has_its_types_and_its_files_in_athena() {
        let text = athena("s3://b/orders/t/", &[table("shop.public.customers", "shop/public.customers", 1)]);
        for part in [
            "`shop_public_customers`",
            "  `id` bigint,\n  `name` string,\n  `raw` binary\n",
            "LOCATION 's3://b/orders/t/shop/public.customers/'",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }

    #[test]
    fn duckdb_reads_every_batch_and_says_what_is_empty() {
        let tables = [table("shop.public.a", "shop/public.a", 2), table("shop.public.b", "shop/public.b", 0)];
        let text = duckdb("s3://b/orders/t/", &tables);
        assert!(text.contains(
            "CREATE OR REPLACE VIEW \"shop\".\"public.a\" AS SELECT * FROM \
             read_parquet('s3://b/orders/t/shop/public.a/*/*.parquet');"
        ));
        assert!(text.contains("-- shop.public.b is empty\n"), "{text}");
        let example = example("s3://b/orders/t/", &tables).unwrap();
        assert!(example.starts_with("SELECT count(*) FROM read_parquet('s3://"), "{example}");
    }

    #[test]
    fn nothing_in_a_name_becomes_sql() {
        let odd = table("shop.public.it's*", "shop/public.it's*", 1);
        let text = duckdb("s3://b/o/t/", std::slice::from_ref(&odd)) + &athena("s3://b/o/t/", &[odd]);
        assert!(text.contains("public.it''s?/*/*.parquet'") && text.contains("public.it''s*/'"), "{text}");
    }
}
