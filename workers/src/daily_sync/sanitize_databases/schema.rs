//! What a database consists of, as its catalog says it.

use std::collections::BTreeMap;

use anyhow::Context as _;
use policy::TableName;
use runbook::{
    Result,
    postgres::{self, failed, query_failed},
};
use serde::Deserialize;
use tokio_postgres::Client;

use crate::shared::sessions::texts;

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
    pub rows: i64,
    /// What holds its rows: itself, or its partitions.
    pub heaps: Vec<Heap>,
    pub columns: Vec<Column>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Heap {
    /// Its name as SQL writes it.
    pub sql: String,
    pub pages: i64,
    /// Its policies, or rights that its owner gave away, hide rows from the owner, too.
    pub hides: bool,
}

impl Heap {
    /// Begins a transaction in which all rows are shown; rolled back, nothing of it is left.
    pub async fn unhide(&self, client: &Client) -> Result<()> {
        let table = &self.sql;
        let show = format!(
            "BEGIN; ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY; GRANT SELECT ON {table} TO CURRENT_USER"
        );
        client
            .batch_execute(&show)
            .await
            .map_err(|error| failed(&format!("see all rows of {}", self.sql), &error))
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Column {
    pub name: String,
    /// As SQL writes it, domain and length too.
    #[serde(rename = "type")]
    pub data_type: String,
    /// The same, with what is below it in place of a domain.
    pub value_type: String,
    /// The type below domain and array.
    pub base: String,
    pub array: bool,
    pub length: Option<usize>,
    pub case_insensitive: bool,
    pub not_null: bool,
    pub generated: bool,
    /// Part of a unique or exclusion constraint or index, or of an expression of one.
    pub unique: bool,
    /// Unique all by itself.
    pub unique_alone: bool,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ForeignKey {
    pub table: u32,
    pub parent: u32,
    pub columns: Vec<String>,
    pub parent_columns: Vec<String>,
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
