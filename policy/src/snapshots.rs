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
    // As SelectSnapshot takes it: attested by the run that made it.
    let is_sanitized = |snapshot: &Printed, sync: &str| {
        let of =
            |key: &str| snapshot.tag_list.iter().find(|tag| tag.key == key).map(|tag| tag.value.as_str());
        of("managed-by") == Some("aurora-runbooks")
            && of("sync") == Some(sync)
            && of("role") == Some("sanitized")
            && of("attested-run").is_some_and(|run| of("execution") == Some(run))
    };
    let own = answer.snapshots.into_iter().filter(|snapshot| match (&source.cluster, &source.sync) {
        (Some(cluster), _) => snapshot.cluster == *cluster,
        (None, Some(sync)) => is_sanitized(snapshot, sync),
        (None, None) => false,
    });
    let taken = own.filter_map(|printed| Some((printed.snapshot_create_time?, printed)));
    Ok(taken
        .map(|(taken, printed)| {
            let tags: BTreeMap<_, _> = printed.tag_list.into_iter().map(|tag| (tag.key, tag.value)).collect();
            let Printed { id, arn, snapshot_type: kind, status, storage_encrypted: encrypted, .. } = printed;
            Snapshot { id, arn, taken, kind, tags, status, encrypted }
        })
        .collect())
}
