//! A snapshot that is open for an export: a server on a copy of it, which nobody else knows.

use anyhow::Context;
use async_trait::async_trait;
use tokio_postgres::Client;

use super::{server::Server, template::SUPERUSER};
use crate::rds::engine::Parameters;
use crate::rds::exports::{Batch, Column, Kind, Part, Partitioning, Row, Source, Table};

/// What lets any volume start, and keeps a copy of a subscriber from its publisher.
pub fn parameters() -> Parameters {
    let set = [
        ("wal_level", "logical"),
        ("max_logical_replication_workers", "0"),
        ("max_prepared_transactions", "64"),
        ("autovacuum", "off"),
    ];
    set.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
}

pub struct Opened {
    pub server: Server,
    pub master: String,
}

#[async_trait]
impl Source for Opened {
    async fn databases(&self) -> anyhow::Result<Vec<String>> {
        let client = self.server.connect(SUPERUSER, "postgres").await?;
        let databases = "SELECT datname::text FROM pg_database \
            WHERE datallowconn AND NOT datistemplate AND datname <> 'rdsadmin' ORDER BY datname";
        Ok(client.query(databases, &[]).await?.iter().map(|row| row.get(0)).collect())
    }

    async fn tables(&self, database: &str) -> anyhow::Result<Vec<Table>> {
        let client = self.server.connect(SUPERUSER, database).await?;
        let rows = client.query(include_str!("tables.sql"), &[&self.master]).await?;
        let mut tables: Vec<Table> = Vec::new();
        for row in rows {
            let (schema, name): (String, String) = (row.get("schema"), row.get("name"));
            if tables.last().is_none_or(|last| (&last.schema, &last.name) != (&schema, &name)) {
                let (database, denied) = (database.to_owned(), row.get("denied"));
                tables.push(Table { database, schema, name, columns: Vec::new(), denied });
            }
            let Some(column) = row.get::<_, Option<String>>("column_name") else { continue };
            let Some(kind) = Kind::of(row.get("internal"), row.get("is_domain")) else { continue };
            let column = Column {
                name: column,
                original: row.get("data_type"),
                kind,
                char_length: row.get("char_length"),
                num_precision: row.get("num_precision"),
                datetime_precision: row.get("datetime_precision"),
            };
            tables.last_mut().context("a column has a table")?.columns.push(column);
        }
        Ok(tables)
    }

    async fn read(&self, table: &Table, rows_a_part: usize) -> anyhow::Result<Vec<Batch>> {
        let client = self.server.connect(SUPERUSER, &table.database).await?;
        // Whatever the database and the role have set.
        let settings = "SET timezone = 'UTC'; SET datestyle = 'ISO'; SET intervalstyle = 'postgres'; \
            SET extra_float_digits = 1; SET bytea_output = 'hex'; SET row_security = off";
        client.batch_execute(settings).await?;
        let leaves = client.query(include_str!("leaves.sql"), &[&table.schema, &table.name]).await?;
        let whole = quoted(&client, &table.schema, &table.name).await?;
        let list = list(&client, &table.columns).await?;
        let mut batches = Vec::new();
        for leaf in leaves {
            let (name, is_empty): (String, bool) = (leaf.get(0), leaf.get(1));
            // A partitioned table without partitions holds nothing.
            let batch = match is_empty {
                true => Batch::default(),
                false if name == whole => cut(&client, table, &name, &list, rows_a_part).await?,
                false => {
                    Batch { parts: part(0, rows(&client, &list, &name, "true").await?), ..Batch::default() }
                }
            };
            batches.push(batch);
        }
        Ok(batches)
    }

    async fn close(self: Box<Self>) -> anyhow::Result<()> {
        self.server.stop().await?;
        Ok(tokio::fs::remove_dir_all(&self.server.folder).await?)
    }
}

fn part(index: usize, rows: Vec<Row>) -> Vec<Part> {
    if rows.is_empty() { Vec::new() } else { vec![Part { index, rows }] }
}

async fn quoted(client: &Client, schema: &str, name: &str) -> anyhow::Result<String> {
    let quoted = client.query_one("SELECT format('%I.%I', $1::text, $2::text)", &[&schema, &name]).await?;
    Ok(quoted.get(0))
}

/// The output function of each type, as `::text` of a `char(n)` is not what it prints.
async fn list(client: &Client, columns: &[Column]) -> anyhow::Result<String> {
    let mut list = Vec::new();
    for column in columns {
        let quoted = client.query_one("SELECT quote_ident($1::text)", &[&column.name]).await?;
        let name: String = quoted.get(0);
        list.push(match column.kind {
            Kind::Binary => format!("encode({name}, 'hex')"),
            _ => format!("CASE WHEN {name} IS NULL THEN NULL ELSE format('%s', {name}) END"),
        });
    }
    // A table may have no column at all.
    Ok(if list.is_empty() { "NULL::text".to_owned() } else { list.join(", ") })
}

async fn rows(client: &Client, list: &str, table: &str, condition: &str) -> anyhow::Result<Vec<Row>> {
    let rows = client.query(&format!("SELECT {list} FROM ONLY {table} WHERE {condition}"), &[]).await?;
    Ok(rows.iter().map(|row| (0..row.len()).map(|index| row.get(index)).collect()).collect())
}

/// By ranges of an integer primary key, as the guide describes it, else by pages (`CTID`:
/// WordPress/openverse#2669).
async fn cut(
    client: &Client,
    table: &Table,
    name: &str,
    list: &str,
    rows_a_part: usize,
) -> anyhow::Result<Batch> {
    let count: i64 = client.query_one(&format!("SELECT count(*) FROM ONLY {name}"), &[]).await?.get(0);
    if count == 0 {
        return Ok(Batch::default());
    }
    let wanted = (count as usize).div_ceil(rows_a_part.max(1)) as i128;
    let (constraint, column, column_type, bounds) = match key(client, table).await? {
        Some((column, kind)) => {
            let bounds = format!("SELECT min({column})::bigint, max({column})::bigint FROM ONLY {name}");
            let bounds = client.query_one(&bounds, &[]).await?;
            ("PRIMARY_KEY", column, kind, (bounds.get::<_, i64>(0), bounds.get::<_, i64>(1)))
        }
        None => {
            let pages = "SELECT pg_relation_size($1::text::regclass) / current_setting('block_size')::bigint";
            let pages: i64 = client.query_one(pages, &[&name]).await?.get(0);
            ("CTID", "ctid".to_owned(), "TID".to_owned(), (0, pages - 1))
        }
    };
    let is_key = constraint == "PRIMARY_KEY";
    let (from, to) = (i128::from(bounds.0), i128::from(bounds.1));
    let width = (to - from + 1 + wanted - 1) / wanted;
    let (mut parts, mut index) = (Vec::new(), 0);
    let mut low = from;
    while low <= to {
        let high = low + width;
        let condition = match is_key {
            true if high > to => format!("{column} >= {low} ORDER BY {column}"),
            true => format!("{column} >= {low} AND {column} < {high} ORDER BY {column}"),
            false => format!("ctid >= '({low},0)' AND ctid < '({high},0)'"),
        };
        parts.extend(part(index, rows(client, list, name, &condition).await?));
        (low, index) = (high, index + 1);
    }
    let show = |value: i64| if is_key { value.to_string() } else { format!("({value},1)") };
    let range = (show(bounds.0), show(bounds.1));
    let partitioning = Partitioning { parts: index, constraint, column, column_type, range };
    Ok(Batch { parts, partitioning: Some(partitioning) })
}

/// The one integer column of the primary key, quoted, and its type.
async fn key(client: &Client, table: &Table) -> anyhow::Result<Option<(String, String)>> {
    let found = client.query_opt(include_str!("key.sql"), &[&table.schema, &table.name]).await?;
    Ok(found.map(|row| (row.get(0), row.get(1))))
}
