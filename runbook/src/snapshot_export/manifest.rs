//! What readers of an export read: `latest.json`, which leads to the newest, and each export's own
//! `manifest.json`.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::reconciliation::{Table, Totals};
use crate::Arn;

/// `<prefix>/<export>/latest.json`: small, replaced as a whole.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Latest {
    pub version: u32,
    pub export: String,
    /// The export task, and the folder beside this object.
    pub task: String,
    /// The whole URL of its manifest.
    pub manifest: String,
    pub snapshot: Arn,
    /// As of when the data is.
    pub snapshot_time: Timestamp,
    pub published: Timestamp,
}

/// `<prefix>/<export>/<task>/manifest.json`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    pub version: u32,
    pub export: String,
    pub task: String,
    /// The whole URL of the folder of the files.
    pub files: String,
    pub snapshot: Arn,
    pub snapshot_time: Timestamp,
    pub published: Timestamp,
    /// How old the data was when it was published, in seconds.
    pub data_age_seconds: i64,
    /// Why production's values are in it; none of what a sync has sanitised.
    pub raw: Option<String>,
    pub execution: Arn,
    /// What the rows were compared with, or that they were not.
    pub verified: String,
    pub totals: Totals,
    pub warnings: Vec<String>,
    pub tables: Vec<Table>,
}

pub const VERSION: u32 = 1;

pub fn latest_key(folder: &str) -> String {
    format!("{folder}latest.json")
}

pub fn manifest_key(folder: &str, task: &str) -> String {
    format!("{folder}{task}/manifest.json")
}
