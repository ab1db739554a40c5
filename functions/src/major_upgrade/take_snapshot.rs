//! Takes the manual snapshot to go back to.
//!
//! Changes: creates one snapshot, named by cluster, version and execution. Again is harmless: the
//! snapshot of that name is waited for, and must carry our tag. Undo: none; it is kept, and deleted
//! by people when they trust the new version. Errors: `NotReady`, `Conflict` (the name is someone
//! else's), `OperationFailed` (RDS could not make it).

use aws_sdk_rds::error::ProvideErrorMetadata;
use aws_sdk_rds::types::DbClusterSnapshot;
use runbook::{Context, Error, Result, Run, State, aurora, error::aws, major_upgrade};
use serde::{Deserialize, Serialize};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TakeSnapshot {
    cluster: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Snapshot {
    summary: String,
    snapshot: String,
}

impl State for TakeSnapshot {
    const NAME: &'static str = "TakeSnapshot";
    type Output = Snapshot;

    async fn reconcile(self, cx: &Context, run: &Run) -> Result<Snapshot> {
        let cluster = aurora::cluster(cx, &self.cluster).await?;
        let name = snapshot_name(&self.cluster, cluster.engine_version().unwrap_or_default(), run.name());
        let Some(snapshot) = find(cx, &name).await? else {
            if let Some(what) = aurora::busy(&cluster, &[]) {
                return Err(Error::NotReady(what));
            }
            return create(cx, run, &self.cluster, &name).await;
        };
        let ours = snapshot
            .tag_list()
            .iter()
            .any(|tag| tag.key() == Some("execution") && tag.value() == Some(run.name()));
        if !ours {
            return Err(Error::Conflict(format!(
                "a snapshot {name} exists and is not this run's. Rename or delete it, then redrive. Nothing \
                was changed."
            )));
        }
        match snapshot.status().unwrap_or("unknown") {
            "available" => Ok(Snapshot {
                summary: format!(
                    "snapshot {name} of {} is there to go back to",
                    cluster.engine_version().unwrap_or_default()
                ),
                snapshot: name,
            }),
            "failed" => Err(Error::OperationFailed(format!(
                "RDS could not make the snapshot {name}. The cluster is as it was. Delete that snapshot, \
                then redrive."
            ))),
            status => Err(Error::NotReady(format!(
                "snapshot {name} ({status}, {} %)",
                snapshot.percent_progress().unwrap_or_default()
            ))),
        }
    }
}

/// At most 255 letters, digits and single hyphens (botocore rds 2014-10-31,
/// CreateDBClusterSnapshot), the same at every call of this run.
fn snapshot_name(cluster: &str, version: &str, execution: &str) -> String {
    let name = format!("before-upgrade-{cluster}-{version}-{execution}").to_lowercase();
    let words = name.split(|letter: char| !letter.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join("-")
}

async fn find(cx: &Context, name: &str) -> Result<Option<DbClusterSnapshot>> {
    match cx.rds.describe_db_cluster_snapshots().db_cluster_snapshot_identifier(name).send().await {
        Ok(answer) => Ok(answer.db_cluster_snapshots.unwrap_or_default().into_iter().next()),
        Err(error) if error.code() == Some("DBClusterSnapshotNotFoundFault") => Ok(None),
        Err(error) => Err(aws("rds:DescribeDBClusterSnapshots")(error)),
    }
}

async fn create(cx: &Context, run: &Run, cluster: &str, name: &str) -> Result<Snapshot> {
    let create = cx
        .rds
        .create_db_cluster_snapshot()
        .db_cluster_identifier(cluster)
        .db_cluster_snapshot_identifier(name);
    match create.set_tags(Some(major_upgrade::tags(run))).send().await {
        Ok(_) => Err(Error::NotReady(format!("snapshot {name}, which was begun now"))),
        Err(error) if error.code() == Some("DBClusterSnapshotAlreadyExistsFault") => {
            Err(Error::NotReady(format!("snapshot {name}")))
        }
        Err(error) if error.code() == Some("SnapshotQuotaExceeded") => Err(Error::Refused(format!(
            "the account has no room for another manual snapshot ({}). Delete old ones or raise the quota, \
            then redrive. The cluster was not touched.",
            error.message().unwrap_or_default()
        ))),
        Err(error) => Err(aws("rds:CreateDBClusterSnapshot")(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_is_the_same_at_every_call_and_different_for_every_run() {
        let name = snapshot_name("Orders", "16.14", "run_1");
        assert_eq!(name, "before-upgrade-orders-16-14-run-1");
        assert_ne!(name, snapshot_name("Orders", "16.14", "run_2"));
        assert!(snapshot_name(&"c".repeat(63), "16.14", &"e".repeat(80)).len() <= 255);
    }
}
