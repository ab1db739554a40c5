//! What an export reads: a snapshot that is open, its tables, and which Parquet types their columns
//! become.

use async_trait::async_trait;
use serde_json::{Value, json};

/// A snapshot that is open for reading.
#[async_trait]
pub trait Source: Send + Sync {
    async fn databases(&self) -> anyhow::Result<Vec<String>>;
    /// Those that a task would write or name: no unlogged, temporary and foreign ones.
    async fn tables(&self, database: &str) -> anyhow::Result<Vec<Table>>;
    /// Every row, in parts of about so many. A batch for each partition of a partitioned table,
    /// else one.
    async fn read(&self, table: &Table, rows_a_part: usize) -> anyhow::Result<Vec<Batch>>;
    async fn close(self: Box<Self>) -> anyhow::Result<()>;
}

#[derive(Debug, Clone, Default)]
pub struct Table {
    pub database: String,
    pub schema: String,
    pub name: String,
    pub columns: Vec<Column>,
    /// The master user has no SELECT on it.
    pub denied: bool,
}

#[derive(Debug, Clone)]
pub struct Column {
    pub name: String,
    /// As information_schema says it: `ARRAY`, `USER-DEFINED`, `timestamp with time zone`.
    pub original: String,
    pub kind: Kind,
    pub char_length: i64,
    pub num_precision: i64,
    pub datetime_precision: i64,
}

/// What a value becomes in Parquet
/// (https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/aurora-export-snapshot.Considerations.html#aurora-export-snapshot.data-types).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Boolean,
    Int16,
    Int32,
    Int64,
    Float,
    Double,
    Binary,
    /// Whatever has no type of its own: numeric, dates, JSON, arrays, enums, domains, ...
    Text,
}

impl Kind {
    /// Of a type by its name in `pg_catalog`, which is any other for a type of the owner's; none of
    /// object identifiers, whose row of the page says "N/A".
    pub fn of(name: &str, is_domain: bool) -> Option<Self> {
        Some(match name {
            _ if is_domain => Self::Text,
            "bool" => Self::Boolean,
            "int2" => Self::Int16,
            "int4" => Self::Int32,
            "int8" => Self::Int64,
            "float4" => Self::Float,
            "float8" => Self::Double,
            "bytea" => Self::Binary,
            "oid" | "regclass" | "regcollation" | "regconfig" | "regdatabase" | "regdictionary"
            | "regnamespace" | "regoper" | "regoperator" | "regproc" | "regprocedure" | "regrole"
            | "regtype" => return None,
            _ => Self::Text,
        })
    }

    /// As `expectedExportedType` says it: `binary (UTF8)`, `int32`, `int64`, `double` and `boolean`
    /// are read by those who read such files (WordPress/openverse#2669).
    pub fn exported(self) -> &'static str {
        match self {
            Self::Boolean => "boolean",
            Self::Int16 => "int32 (INT_16)",
            Self::Int32 => "int32",
            Self::Int64 => "int64",
            Self::Float => "float",
            Self::Double => "double",
            Self::Binary => "binary",
            Self::Text => "binary (UTF8)",
        }
    }
}

/// The values as PostgreSQL prints them; bytes in hexadecimal.
pub type Row = Vec<Option<String>>;

#[derive(Debug, Default)]
pub struct Batch {
    pub parts: Vec<Part>,
    pub partitioning: Option<Partitioning>,
}

#[derive(Debug)]
pub struct Part {
    /// Counts the ranges: one without a row has no part.
    pub index: usize,
    pub rows: Vec<Row>,
}

/// How a table was cut (the member `partitioningInfo`, WordPress/openverse#2669).
#[derive(Debug, Clone)]
pub struct Partitioning {
    pub parts: usize,
    pub constraint: &'static str,
    pub column: String,
    pub column_type: String,
    pub range: (String, String),
}

impl Partitioning {
    pub fn describe(&self) -> Value {
        json!({
            "numberOfPartitions": self.parts,
            "numberOfCompletedPartitions": self.parts,
            "constraintType": self.constraint,
            "partitionColumns": [{
                "columnType": self.column_type,
                "columnName": self.column,
                "min": self.range.0,
                "max": self.range.1,
            }],
        })
    }
}

impl Table {
    /// `database.schema.table`
    pub fn target(&self) -> String {
        format!("{}.{}.{}", self.database, self.schema, self.name)
    }

    /// Why a task leaves the table out
    /// (https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/aurora-export-snapshot.Considerations.html).
    pub fn unsupported(&self) -> Option<&'static str> {
        if self.denied {
            return Some("PERMISSIONS_DO_NOT_EXIST");
        }
        if self.name.contains('/') {
            return Some("UNSUPPORTED_TABLE_NAME");
        }
        let odd =
            |column: &Column| column.name.contains([',', ';', '{', '}', '(', ')', '\n', '\t', '=', ' ']);
        self.columns.iter().any(odd).then_some("UNSUPPORTED_COLUMN_NAME")
    }

    /// Whether one of `database`, `database.schema` and `database.schema.table` names it.
    pub fn is_named(&self, only: &[String]) -> bool {
        let whole = [&self.database, &self.schema, &self.name];
        only.iter().any(|item| item.split('.').zip(whole).all(|(wanted, name)| wanted == name))
    }
}
