//! What a database consists of, as its catalog says it.

use std::collections::BTreeMap;

use anyhow::Context as _;
use policy::TableName;
use runbook::{
    Result,
    postgres::{self, query_failed, quote},
};
use serde::{Deserialize, Serialize};
use tokio_postgres::Client;

use super::sessions::texts;

#[derive(Debug, Clone, Default)]
pub struct Schema {
    /// Partitions as well.
    pub tables: Vec<Table>,
    pub foreign_keys: Vec<ForeignKey>,
    pub large_objects: i64,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Table {
    pub oid: u32,
    pub name: TableName,
    /// `r`: table, `p`: partitioned, `f`: foreign.
    pub kind: char,
    pub partition: bool,
    /// The partitioned table that it belongs to in the end.
    pub root: Option<u32>,
    /// Takes part in inheritance that is no partitioning.
    pub inherits: bool,
    pub typed: bool,
    pub row_type_used: bool,
    pub rows: i64,
    pub bytes: i64,
    pub columns: Vec<Column>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Column {
    pub name: String,
    /// As SQL writes it, domain and length too.
    #[serde(rename = "type")]
    pub data_type: String,
    /// The type below domain and array.
    pub base: String,
    pub base_namespace: String,
    pub category: char,
    pub array: bool,
    pub length: Option<usize>,
    /// When it is another than the type's.
    pub collation: Option<String>,
    pub case_insensitive: bool,
    pub not_null: bool,
    pub generated: bool,
    /// Part of a unique or exclusion constraint or index.
    pub unique: bool,
    /// Unique all by itself.
    pub unique_alone: bool,
    pub partition_key: bool,
    /// Something depends on it that ALTER COLUMN … TYPE refuses to carry along.
    pub refused: bool,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ForeignKey {
    pub name: String,
    pub table: u32,
    /// The name of that table.
    pub on: TableName,
    pub parent: u32,
    pub partitioned: bool,
    pub columns: Vec<String>,
    pub parent_columns: Vec<String>,
    pub definition: String,
    pub valid: bool,
    pub comment: Option<String>,
}

impl Column {
    /// The type of the value, or of an element of the array, without its domain.
    pub fn element_type(&self) -> String {
        format!("{}.{}", quote(&self.base_namespace), quote(&self.base))
    }
}

impl Table {
    /// As SQL writes it.
    pub fn sql(&self) -> String {
        postgres::table(&self.name)
    }

    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }
}

impl Schema {
    pub async fn read(client: &Client) -> Result<Self> {
        let tables = texts(client, "read the tables", include_str!("../sql/mask/tables.sql")).await?;
        let keys =
            texts(client, "read the foreign keys", include_str!("../sql/mask/foreign-keys.sql")).await?;
        let keys = [keys, taken_away(client).await?].concat();
        let large_objects = client
            .query_one("SELECT count(*) FROM pg_largeobject_metadata", &[])
            .await
            .map_err(|error| query_failed("count large objects", &error))?
            .get(0);
        let parse = |text: &String| serde_json::from_str(text).context("read a table's description");
        let tables = tables.iter().map(parse).collect::<anyhow::Result<_>>()?;
        let parse = |text: &String| serde_json::from_str(text).context("read a foreign key's description");
        let foreign_keys: Vec<ForeignKey> = keys.iter().map(parse).collect::<anyhow::Result<_>>()?;
        Ok(Self { tables, foreign_keys, large_objects })
    }

    /// The tables that a policy names: partitions are their root's.
    pub fn roots(&self) -> impl Iterator<Item = &Table> {
        self.tables.iter().filter(|table| !table.partition)
    }

    pub fn by_oid(&self) -> BTreeMap<u32, &Table> {
        self.tables.iter().map(|table| (table.oid, table)).collect()
    }
}

/// The foreign keys that a former attempt took away and did not bring back yet: without them their
/// columns would be replaced otherwise.
async fn taken_away(client: &Client) -> Result<Vec<String>> {
    let there = "SELECT to_regclass('aurora_runbooks.foreign_key')::text WHERE \
    to_regclass('aurora_runbooks.foreign_key') IS NOT NULL";
    if texts(client, "look for a journal", there).await?.is_empty() {
        return Ok(Vec::new());
    }
    let missing = "SELECT description::text FROM aurora_runbooks.foreign_key AS f WHERE NOT EXISTS (
                       SELECT FROM pg_constraint AS c WHERE c.conrelid = f.relation AND c.conname = f.name)";
    texts(client, "read the journal", missing).await
}
