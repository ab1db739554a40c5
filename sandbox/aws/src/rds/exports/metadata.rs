//! Where the files of an export lie, and the JSON files that tell of them. The names of their
//! members are those that others read: WordPress/openverse#2669 shows a table's entry;
//! `export_info_…` as jobs of AWS Glue map it.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::source::{Batch, Column, Table};
use super::{GIGABYTE, Task};
use crate::rds::model::stamp;

/// `[<prefix>/]<task>/`
pub fn folder(task: &Task) -> String {
    let prefix = task.prefix.trim_matches('/');
    let prefix = if prefix.is_empty() { String::new() } else { format!("{prefix}/") };
    safe(&format!("{prefix}{}/", task.id))
}

/// `<database>/<schema>.<table>/<batch>/`
/// (https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/aurora-export-snapshot.Considerations.html#aurora-export-snapshot.FileNames).
pub fn of_batch(table: &Table, batch: usize) -> String {
    safe(&format!("{}/{}.{}/{batch}/", table.database, table.schema, table.name))
}

/// "The following characters in the S3 file path are converted to underscores" (same page).
fn safe(path: &str) -> String {
    path.replace(['\\', '`', '"', ' '], "_")
}

pub fn part(index: usize, uuid: &str) -> String {
    format!("part-{index:05}-{uuid}-c000.gz.parquet")
}

pub fn info_name(task: &Task) -> String {
    format!("export_info_{}.json", task.id)
}

pub fn info(task: &Task) -> Value {
    json!({
        "exportTaskIdentifier": task.id,
        "sourceArn": task.snapshot.arn(),
        "exportOnly": task.only,
        "snapshotTime": stamp(task.snapshot.created),
        "taskStartTime": task.started.map(stamp),
        "taskEndTime": task.ended.map(stamp),
        "s3Bucket": task.bucket,
        "s3Prefix": task.prefix,
        "exportedFilesPath": folder(task).trim_end_matches('/'),
        "iamRoleArn": task.role,
        "kmsKeyId": task.key,
        "status": task.status,
        "percentProgress": task.percent,
        "totalExportedDataInGB": gigabytes(task.bytes),
    })
}

/// The files of the tables' entries, so many in each: name and content.
pub fn tables(task: &Task, entries: &[Value], a_file: usize) -> Vec<(String, Value)> {
    let mut from = 1;
    let file = |entries: &[Value]| {
        let to = from + entries.len() - 1;
        let name = format!("export_tables_info_{}_from_{from}_to_{to}.json", task.id);
        from = to + 1;
        (name, json!({ "perTableStatus": entries }))
    };
    entries.chunks(a_file.max(1)).map(file).collect()
}

pub fn entry(table: &Table, batches: &[Batch], (start, end): (Timestamp, Timestamp), bytes: u64) -> Value {
    let mut statistics = json!({ "extractionStartTime": spoken(start), "extractionEndTime": spoken(end) });
    if let [Batch { partitioning: Some(partitioning), .. }] = batches {
        statistics["partitioningInfo"] = partitioning.describe();
    }
    json!({
        "tableStatistics": statistics,
        "schemaMetadata": { "originalTypeMappings": table.columns.iter().map(mapping).collect::<Vec<_>>() },
        "status": "COMPLETE",
        "sizeGB": gigabytes(bytes),
        "target": table.target(),
    })
}

/// Of a table that is skipped, or of a database without tables.
pub fn left_out(target: &str, reason: &str) -> Value {
    json!({ "warningMessage": reason, "target": target })
}

fn mapping(column: &Column) -> Value {
    json!({
        "columnName": column.name,
        "originalType": column.original,
        "expectedExportedType": column.kind.exported(),
        "originalCharMaxLength": column.char_length,
        "originalNumPrecision": column.num_precision,
        "originalDateTimePrecision": column.datetime_precision,
    })
}

fn gigabytes(bytes: u64) -> f64 {
    bytes as f64 / GIGABYTE as f64
}

/// `Jul 19, 2023, 11:21:00 PM`
fn spoken(time: Timestamp) -> String {
    time.strftime("%b %-d, %Y, %-I:%M:%S %p").to_string()
}

/// `WarningMessage`, with the members of the guide's example (`skippedTables`, `skippedObjectives`,
/// `general`).
pub fn warning(skipped: &[(String, String)], general: &[&str]) -> Option<String> {
    if skipped.is_empty() && general.is_empty() {
        return None;
    }
    let table = |(target, reason): &(String, String)| json!({ "tableName": target, "reason": reason });
    let reason = |reason: &&str| json!({ "reason": reason });
    let message = json!({
        "skippedTables": skipped.iter().map(table).collect::<Vec<_>>(),
        "skippedObjectives": [],
        "general": general.iter().map(reason).collect::<Vec<_>>(),
    });
    Some(message.to_string())
}
