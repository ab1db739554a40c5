//! What every export does: a cluster's data as Parquet files in S3.

use std::fmt::{self, Display};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::tell::{Tell, default_tell};
use crate::types::{KeepOld, Quarantine, Schedule, SnapshotRule};

/// The data of a snapshot in S3, checked before readers are led to it.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Export {
    /// What is exported.
    pub source: ExportSource,
    /// When a run starts. A snapshot's event starts one without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<Schedule>,
    /// What of a run is told in a message beside that it has succeeded or failed: that it has
    /// started, that it is blocked and waits for a person.
    #[serde(default = "default_tell")]
    pub tell: Vec<Tell>,
    /// The bucket, in the Region of the snapshot.
    #[schemars(extend("format" = "bucket"))]
    pub bucket: String,
    /// What the keys begin with, before the export's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "key-prefix"))]
    pub prefix: Option<String>,
    /// The ARN of the role that RDS writes with.
    #[schemars(extend("format" = "role-arn"))]
    pub role: String,
    /// The key that encrypts the files.
    #[schemars(extend("format" = "kms-key"))]
    pub kms_key: String,
    /// The databases, schemas and tables that are exported: database, database.schema or
    /// database.schema.table. All when this is left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("items" = json!({"type": "string", "format": "exported"})))]
    pub only: Vec<String>,
    /// What the rows in the files are compared with.
    #[serde(default)]
    pub verify: Verify,
    /// With verify: restore: where the snapshot is restored to be counted, raw. As a sync's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quarantine: Option<Quarantine>,
    /// What may differ, each with a reason.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub accept: Vec<Accepted>,
    /// How many exports are kept and how long.
    pub keep: KeepOld,
    /// Exports that are never deleted, by the names of their export tasks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(inner(length(min = 1)))]
    pub pinned: Vec<String>,
}

/// Either sync, or cluster with snapshot and accept-raw.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ExportSource {
    /// The sync whose newest sanitised snapshot is exported. Its runs then keep that snapshot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "sync"))]
    pub sync: Option<String>,
    /// The cluster whose snapshot is exported as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "cluster"))]
    pub cluster: Option<String>,
    /// The account of the cluster, in quotes: twelve digits. The runbooks' own when this is left
    /// out; another one shares its snapshots with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "account"))]
    pub account: Option<String>,
    /// Which of its snapshots.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<SnapshotRule>,
    /// Why production's values may leave the database as they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub accept_raw: Option<String>,
}

/// Where the rows come from that an export has to have.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Verify {
    /// The rows that the sync counted when it made the snapshot's databases.
    #[default]
    Recorded,
    /// A count on a restore of the snapshot, which stands in quarantine for that time.
    Restore,
    /// What AWS says of its own export, which has no rows.
    Aws,
}

impl Verify {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Recorded => "recorded",
            Self::Restore => "restore",
            Self::Aws => "aws",
        }
    }
}

/// A difference that does not keep an export from being published.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Accepted {
    /// What kind of difference.
    pub kind: DifferenceKind,
    /// The table, as database.schema.table without quotes; of a database that is skipped as a
    /// whole, the database.
    #[schemars(length(min = 1))]
    pub table: String,
    /// For the kind type: the column.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub column: Option<String>,
    /// Why.
    #[schemars(length(min = 1))]
    pub reason: String,
}

/// How an export may differ from its source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DifferenceKind {
    /// AWS has left it out and says so.
    Skipped,
    /// The source has it, and AWS does not mention it.
    Missing,
    /// The files have other rows than the source.
    Rows,
    /// A column has a Parquet type that cannot hold all of its values.
    Type,
}

impl DifferenceKind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Skipped => "skipped",
            Self::Missing => "missing",
            Self::Rows => "rows",
            Self::Type => "type",
        }
    }
}

impl Display for DifferenceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Export {
    /// What the keys of every export of that name begin with, with a slash at the end.
    pub fn folder(&self, name: &str) -> String {
        match &self.prefix {
            Some(prefix) => format!("{prefix}/{name}/"),
            None => format!("{name}/"),
        }
    }
}
