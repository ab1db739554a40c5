//! What an export holds, compared with its source: a line a table. ReconcileExport writes it into
//! the run's folder, PublishExport makes the manifest of it.

use policy::DifferenceKind;
use serde::{Deserialize, Serialize};

use crate::Run;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Reconciliation {
    /// The export task.
    pub task: String,
    /// What the rows were compared with, or that they were not, in words.
    pub verified: String,
    pub tables: Vec<Table>,
    /// Of AWS's own warnings, those that name no table.
    pub warnings: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Table {
    /// As AWS writes it: `database.schema.table`, without quotes.
    pub table: String,
    /// The table's folder, below the task's.
    pub folder: Option<String>,
    pub rows: u64,
    /// What the source has, where somebody has counted.
    pub source_rows: Option<u64>,
    pub bytes: u64,
    pub files: u64,
    pub columns: Vec<Column>,
    #[serde(default)]
    pub differences: Vec<Difference>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Column {
    pub name: String,
    /// PostgreSQL's type, as AWS read it.
    pub original: String,
    /// The type in the files, or of an empty table the one that AWS would have written:
    /// `int32`, `byte_array (string)`.
    pub parquet: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Difference {
    pub kind: DifferenceKind,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    /// A sentence without its subject, the table.
    pub what: String,
    /// The policy's reason to accept it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted: Option<String>,
}

pub fn key(run: &Run) -> String {
    format!("{}/reconciliation.json", run.prefix())
}

/// All tables together, for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Totals {
    pub tables: u64,
    pub rows: u64,
    pub bytes: u64,
    pub files: u64,
    /// Tables that AWS has left out, and the policy accepts it.
    pub skipped: u64,
}

impl Reconciliation {
    pub fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        for table in &self.tables {
            if table.is_skipped() {
                totals.skipped += 1;
                continue;
            }
            totals.tables += 1;
            totals.rows = totals.rows.saturating_add(table.rows);
            totals.bytes = totals.bytes.saturating_add(table.bytes);
            totals.files = totals.files.saturating_add(table.files);
        }
        totals
    }
}

impl Table {
    /// It is not in the export.
    pub fn is_skipped(&self) -> bool {
        let absent = [DifferenceKind::Skipped, DifferenceKind::Missing];
        self.differences.iter().any(|difference| absent.contains(&difference.kind))
    }
}

/// `1.2 MB`
pub fn bytes(bytes: u64) -> String {
    let units = ["B", "kB", "MB", "GB", "TB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 1000.0 && unit + 1 < units.len() {
        (value, unit) = (value / 1000.0, unit + 1);
    }
    if unit == 0 { format!("{bytes} B") } else { format!("{value:.1} {}", units[unit]) }
}

#[cfg(test)]
mod tests {
    #[test]
    fn bytes_are_told_as_people_tell_them() {
        let said = [0, 999, 1_000, 1_234_567, 12_000_000_000_000].map(super::bytes);
        assert_eq!(said, ["0 B", "999 B", "1.0 kB", "1.2 MB", "12.0 TB"]);
    }
}
