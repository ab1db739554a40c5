//! What AWS writes of its export beside the files. Their members stand on no page of AWS's: these
//! are read by others (WordPress/openverse#2669, https://github.com/WordPress/openverse/pull/2669),
//! and whatever else is in them is passed over.

use std::collections::BTreeMap;

use runbook::{
    Error, Result,
    error::Then,
    store::{Listed, Store},
};
use serde::Deserialize;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Info {
    export_task_identifier: String,
    status: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct TablesInfo {
    per_table_status: Vec<Entry>,
}

/// A table, or a database or table that was left out.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Entry {
    /// `database.schema.table`, or `database`.
    pub target: String,
    pub status: Option<String>,
    pub warning_message: Option<String>,
    #[serde(rename = "sizeGB")]
    pub size_gb: Option<f64>,
    pub table_statistics: Statistics,
    pub schema_metadata: Schema,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Statistics {
    pub partitioning_info: Option<Partitions>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Partitions {
    pub number_of_partitions: u64,
    pub number_of_completed_partitions: u64,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Schema {
    pub original_type_mappings: Vec<Mapping>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Mapping {
    pub column_name: String,
    pub original_type: String,
    pub expected_exported_type: String,
}

/// `WarningMessage` of DescribeExportTasks: `{"skippedTables":[],"skippedObjectives":[],
/// "general":[{"reason":"…"}]}` (Aurora User Guide, aurora-export-snapshot.Monitoring).
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Warning {
    pub skipped_tables: Vec<serde_json::Value>,
    pub skipped_objectives: Vec<serde_json::Value>,
    pub general: Vec<serde_json::Value>,
}

/// Every entry of the export in that folder, by its target.
pub async fn read(
    bucket: &Store,
    folder: &str,
    task: &str,
    objects: &[Listed],
) -> Result<BTreeMap<String, Entry>> {
    let info_key = format!("{folder}export_info_{task}.json");
    let info: Info = serde_json::from_str(&text(bucket, &info_key).await?)
        .map_err(|error| unreadable(bucket, &info_key, &error))?;
    if info.export_task_identifier != task || info.status != "COMPLETE" {
        return Err(broken(
            bucket,
            &format!("{info_key} says {} of {}", info.status, info.export_task_identifier),
        ));
    }
    let start = format!("{folder}export_tables_info_{task}_");
    let mut files: Vec<(u64, u64, &str)> = objects
        .iter()
        .filter_map(|object| {
            let (from, to) = range(object.key.strip_prefix(&start)?)?;
            Some((from, to, object.key.as_str()))
        })
        .collect();
    files.sort_unstable();
    let mut entries = BTreeMap::new();
    let mut next = 1;
    for (from, to, key) in files {
        let tables = tables(&text(bucket, key).await?).map_err(|error| unreadable(bucket, key, &error))?;
        let last = from.checked_add(tables.len() as u64).and_then(|end| end.checked_sub(1));
        if from != next || last != Some(to) || to == u64::MAX {
            return Err(broken(bucket, &format!("what AWS says of its tables has a gap before {key}")));
        }
        next = to + 1;
        entries.extend(tables.into_iter().map(|entry| (entry.target.clone(), entry)));
    }
    if entries.is_empty() {
        return Err(broken(bucket, &format!("AWS says nothing of any table in {folder}")));
    }
    Ok(entries)
}

/// What a file of AWS's says of tables, in its order.
pub fn tables(text: &str) -> serde_json::Result<Vec<Entry>> {
    serde_json::from_str(text).map(|info: TablesInfo| info.per_table_status)
}

/// `from_1_to_100.json`
fn range(name: &str) -> Option<(u64, u64)> {
    let (from, to) = name.strip_prefix("from_")?.strip_suffix(".json")?.split_once("_to_")?;
    Some((from.parse().ok()?, to.parse().ok()?))
}

async fn text(bucket: &Store, key: &str) -> Result<String> {
    let text = bucket.get_text(key).await?;
    text.ok_or_else(|| broken(bucket, &format!("{key} is missing")))
}

fn unreadable(bucket: &Store, key: &str, error: &serde_json::Error) -> Error {
    broken(bucket, &format!("{key} cannot be read: {error}"))
}

fn broken(bucket: &Store, what: &str) -> Error {
    Error::failed(format!("s3://{}: {what}; the export is not whole", bucket.bucket))
        .changed("nothing; latest.json leads where it led")
        .fix("export it again with {\"again\": true}")
        .then(Then::StartAgain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_read_as_aws_writes_it_and_what_is_new_in_it_is_passed_over() {
        let text = r#"{"perTableStatus": [
            {"tableStatistics": {"extractionStartTime": "Jul 19, 2023, 11:21:00 PM", "partitioningInfo":
                {"numberOfPartitions": 3, "numberOfCompletedPartitions": 3, "constraintType": "CTID"}},
             "schemaMetadata": {"originalTypeMappings": [{"columnName": "id", "originalType": "bigint",
                "expectedExportedType": "int64", "originalCharMaxLength": 0}]},
             "status": "COMPLETE", "sizeGB": 0.5, "target": "shop.public.orders", "new": 1},
            {"warningMessage": "UNSUPPORTED_TABLE_NAME", "target": "shop.public.a/b"}]}"#;
        let info: TablesInfo = serde_json::from_str(text).unwrap();
        let [orders, odd] = info.per_table_status.as_slice() else { panic!("two entries") };
        assert_eq!(orders.schema_metadata.original_type_mappings[0].column_name, "id");
        assert_eq!(orders.size_gb, Some(0.5));
        assert_eq!(odd.warning_message.as_deref(), Some("UNSUPPORTED_TABLE_NAME"));
        assert_eq!(range("from_101_to_200.json"), Some((101, 200)));
        assert_eq!(range("from_101.json"), None);
    }
}
