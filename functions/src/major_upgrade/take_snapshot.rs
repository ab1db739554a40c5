//! Takes the manual snapshot to go back to.
//!
//! Changes: creates one snapshot, named by cluster, version and execution. Again is harmless: the
//! snapshot of that name is waited for, and must carry our tag. Undo: none; it is kept, and deleted
//! by people when they trust the new version. Errors: `NotReady`, `Conflict` (the name is someone
//! else's), `OperationFailed` (RDS could not make it).

use runbook::{
    Context, Error, Result, Run, State,
    aurora::{self, Cluster, Fault, message},
    error::{Then, aws},
    major_upgrade,
};
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
        let name = snapshot_name(&cluster, run);
        let Some(snapshot) = aurora::find_snapshot(cx, &name).await? else {
            aurora::ready(&cluster, &[])?;
            create(cx, run, &cluster, &name).await?;
            return Err(Error::NotReady(format!("snapshot {name}, which was begun now")));
        };
        if !snapshot.tags.is("execution", run.name()) {
            return Err(Error::conflict(format!("a snapshot {name} exists and is not this run's"))
                .fix("rename or delete it")
                .then(Then::Redrive));
        }
        snapshot.ready("snapshot").map_err(|error| {
            error
                .changed("nothing, the cluster is as it was")
                .fix(format!("delete snapshot {name}"))
                .then(Then::Redrive)
        })?;
        Ok(Snapshot {
            summary: format!("snapshot {name} of {} is there to go back to", cluster.version),
            snapshot: name,
        })
    }
}

/// At most 255 letters, digits and single hyphens (botocore rds 2014-10-31,
/// CreateDBClusterSnapshot), the same at every call of this run.
fn snapshot_name(cluster: &Cluster, run: &Run) -> String {
    let name = format!("before-upgrade-{}-{}-{}", cluster.id, cluster.version, run.name()).to_lowercase();
    let words = name.split(|letter: char| !letter.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join("-")
}

async fn create(cx: &Context, run: &Run, cluster: &Cluster, name: &str) -> Result<()> {
    let create = cx.rds.create_db_cluster_snapshot().db_cluster_identifier(&cluster.id);
    let create = create.db_cluster_snapshot_identifier(name).set_tags(Some(major_upgrade::tags(run)));
    let Err(error) = create.send().await else { return Ok(()) };
    match Fault::of(&error) {
        // Whose it is shows at the next look.
        Some(Fault::DBClusterSnapshotAlreadyExistsFault) => Ok(()),
        Some(Fault::SnapshotQuotaExceeded) => Err(Error::refused(format!(
            "the account has no room for another manual snapshot: {}",
            message(&error)
        ))
        .changed("nothing of the cluster")
        .fix("delete old ones or raise the quota")
        .then(Then::Redrive)),
        _ => Err(aws("rds:CreateDBClusterSnapshot")(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    #[test]
    fn the_name_is_the_same_at_every_call_and_different_for_every_run() {
        let name = |cluster: &str, execution: &str| {
            let run = Run::of(&format!("arn:aws:states:eu-west-1:444455556666:execution:up:{execution}"));
            snapshot_name(&testing::cluster(cluster).parse(), &run)
        };
        assert_eq!(name("orders", "run_1"), "before-upgrade-orders-16-14-run-1");
        assert_ne!(name("orders", "run_1"), name("orders", "run_2"));
        assert!(name(&"c".repeat(63), &"e".repeat(80)).len() <= 255);
    }
}
