//! Snapshots as `aws rds describe-db-cluster-snapshots` prints them.

use std::collections::BTreeMap;

use anyhow::Context;
use jiff::Timestamp;
use serde::Deserialize;

use crate::choose::Snapshot;

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

/// The cluster's snapshots among those printed.
pub fn snapshots(json: &str, cluster: &str) -> anyhow::Result<Vec<Snapshot>> {
    let answer: Answer = serde_json::from_str(json)
        .context("this is not what aws rds describe-db-cluster-snapshots prints")?;
    let own = answer.snapshots.into_iter().filter(|snapshot| snapshot.cluster == cluster);
    let taken = own.filter_map(|printed| Some((printed.snapshot_create_time?, printed)));
    Ok(taken
        .map(|(taken, printed)| {
            let tags: BTreeMap<_, _> = printed.tag_list.into_iter().map(|tag| (tag.key, tag.value)).collect();
            let Printed { id, arn, snapshot_type: kind, status, storage_encrypted: encrypted, .. } = printed;
            Snapshot { id, arn, taken, kind, tags, status, encrypted }
        })
        .collect())
}
