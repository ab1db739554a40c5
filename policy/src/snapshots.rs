//! Snapshots as `aws rds describe-db-cluster-snapshots` prints them.

use std::collections::BTreeMap;

use anyhow::Context;
use jiff::Timestamp;
use serde::Deserialize;

use crate::choose::Snapshot;
use crate::types::Source;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    #[serde(rename = "DBClusterSnapshots")]
    snapshots: Vec<Printed>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Printed {
    #[serde(rename = "DBClusterSnapshotIdentifier")]
    id: String,
    #[serde(rename = "DBClusterSnapshotArn")]
    arn: String,
    #[serde(rename = "DBClusterIdentifier")]
    cluster: String,
    /// A snapshot in the making has none yet.
    snapshot_create_time: Option<Timestamp>,
    snapshot_type: String,
    status: String,
    #[serde(default)]
    storage_encrypted: bool,
    #[serde(default)]
    tag_list: Vec<Tag>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Tag {
    key: String,
    #[serde(default)]
    value: String,
}

/// The source's snapshots among those printed.
pub fn snapshots(json: &str, source: &Source) -> anyhow::Result<Vec<Snapshot>> {
    let answer: Answer = serde_json::from_str(json)
        .context("this is not what aws rds describe-db-cluster-snapshots prints")?;
    let is_sanitized = |snapshot: &Printed, sync: &str| {
        let has =
            |key: &str, value: &str| snapshot.tag_list.iter().any(|tag| tag.key == key && tag.value == value);
        has("managed-by", "aurora-runbooks") && has("sync", sync) && has("role", "sanitized")
    };
    let own = answer.snapshots.into_iter().filter(|snapshot| match (&source.cluster, &source.sync) {
        (Some(cluster), _) => snapshot.cluster == *cluster,
        (None, Some(sync)) => is_sanitized(snapshot, sync),
        (None, None) => false,
    });
    let taken = own.filter_map(|printed| Some((printed.snapshot_create_time?, printed)));
    Ok(taken
        .map(|(taken, printed)| {
            let mut tags: BTreeMap<_, _> =
                printed.tag_list.into_iter().map(|tag| (tag.key, tag.value)).collect();
            if source.sync.is_some() {
                // It is asked for, and no leftover of a run.
                tags.remove("managed-by");
            }
            let Printed { id, arn, snapshot_type: kind, status, storage_encrypted: encrypted, .. } = printed;
            Snapshot { id, arn, taken, kind, tags, status, encrypted }
        })
        .collect())
}
