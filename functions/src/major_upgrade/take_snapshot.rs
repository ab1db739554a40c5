//! Takes the manual snapshot to go back to.
//!
//! Changes: creates one snapshot, named by cluster, version and execution. Again is harmless: the
//! snapshot of that name is waited for, and must be of this cluster and begun in this state. Undo:
//! none; it is kept, and deleted by people when they trust the new version. Errors: `NotReady`,
//! `Conflict` (the name is someone else's), `OperationFailed` (RDS could not make it).

use jiff::SignedDuration;
use runbook::{
    Context, Error, Result, Run, State,
    aurora::{self, Cluster},
    error::Then,
    major_upgrade,
};
use serde::{Deserialize, Serialize};

use super::way_back;

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
    /// The commands that restore it as another cluster.
    way_back: Vec<String>,
}

impl State for TakeSnapshot {
    const NAME: &'static str = "TakeSnapshot";
    type Output = Snapshot;

    async fn reconcile(self, cx: &Context, run: &Run) -> Result<Snapshot> {
        let cluster = aurora::cluster(cx, &self.cluster).await?;
        let name = snapshot_name(&cluster, run);
        let Some(snapshot) = aurora::find_snapshot(cx, &name).await? else {
            aurora::ready(&cluster, &[])?;
            let tags = major_upgrade::tags(run);
            let begun = aurora::begin_snapshot(cx, &cluster.id, &name, tags).await;
            begun.map_err(|error| error.then(Then::Redrive))?;
            return Err(Error::NotReady(format!("snapshot {name}, which was begun now")));
        };
        if !is_ours(&snapshot, &cluster, run) {
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
        let members = aurora::members(cx, &cluster).await?;
        let writer = members.iter().find(|member| Some(member.id.as_str()) == cluster.writer());
        let writer =
            writer.ok_or_else(|| Error::NotReady(format!("{} to have a writer again", cluster.id)))?;
        Ok(Snapshot {
            summary: format!("snapshot {name} of {} is there to go back to", cluster.version),
            way_back: way_back::commands(&cluster, writer, &name, run)?,
            snapshot: name,
        })
    }
}

/// By what RDS itself says of it. Tags prove nothing: with CopyTagsToSnapshot a snapshot carries
/// the cluster's, and those may be of another run (ModifyDBCluster, botocore rds 2014-10-31).
fn is_ours(snapshot: &aurora::Snapshot, cluster: &Cluster, run: &Run) -> bool {
    let shown = &snapshot.shown;
    let of_cluster = shown.db_cluster_resource_id().map_or_else(
        || shown.db_cluster_identifier() == Some(&cluster.id),
        |id| id == cluster.resource_id.as_str(),
    );
    // RDS and Step Functions have clocks of their own.
    let earliest = run.entered - SignedDuration::from_mins(1);
    let created = shown.snapshot_create_time().and_then(|at| at.to_millis().ok());
    // In the making it may have no time yet.
    let is_new = created.is_none_or(|created| created >= earliest.as_millisecond());
    of_cluster && is_new && shown.snapshot_type() == Some("manual")
}

/// "Must contain from 1 to 63 letters, numbers, or hyphens" (botocore rds 2014-10-31,
/// CreateDBClusterSnapshot), the same at every call of this run.
fn snapshot_name(cluster: &Cluster, run: &Run) -> String {
    let end = format!("-{}-{}", cluster.version, run.short_id()).replace('.', "-");
    let start = format!("before-upgrade-{}", cluster.id);
    let cut = start.len().min(63 - end.len());
    format!("{}{end}", start[..cut].trim_end_matches('-')).to_lowercase()
}

#[cfg(test)]
mod tests {
    use aws_sdk_rds::primitives::DateTime;

    use super::*;
    use crate::testing::{self, Parse};

    fn run(execution: &str) -> Run {
        let arn = format!("arn:aws:states:eu-west-1:444455556666:execution:major-upgrade:{execution}");
        Run { entered: "2026-01-02T03:00:00Z".parse().unwrap(), ..Run::of(&arn) }
    }

    #[test]
    fn the_name_is_the_same_at_every_call_different_for_every_run_and_never_too_long() {
        let name = |cluster: &str, execution: &str| {
            snapshot_name(&testing::cluster(cluster).parse(), &run(execution))
        };
        assert_eq!(name("orders", "one"), format!("before-upgrade-orders-16-14-{}", run("one").short_id()));
        assert_ne!(name("orders", "one"), name("orders", "two"));
        for length in 1..=63 {
            let name = name(&"c-".repeat(32)[..length], "one");
            assert!(name.len() <= 63 && !name.contains("--") && !name.ends_with('-'), "{name}");
        }
    }

    #[test]
    fn our_snapshot_is_known_by_what_rds_says_and_not_by_tags() {
        let cluster = testing::cluster("orders").parse();
        let snapshot = |at: &str| {
            let at: jiff::Timestamp = at.parse().unwrap();
            testing::snapshot("s", Vec::new())
                .snapshot_type("manual")
                .db_cluster_identifier("orders")
                .db_cluster_resource_id("id-orders")
                .snapshot_create_time(DateTime::from_millis(at.as_millisecond()))
        };
        let ours = |snapshot: aws_sdk_rds::types::builders::DbClusterSnapshotBuilder| {
            is_ours(&snapshot.parse(), &cluster, &run("one"))
        };
        assert!(ours(snapshot("2026-01-02T03:00:05Z")));
        assert!(ours(snapshot("2026-01-02T03:00:05Z").set_snapshot_create_time(None)), "in the making");
        let copied = testing::snapshot("s", vec![runbook::daily_sync::tags::tag("execution", "yesterday")]);
        assert!(
            ours(copied.snapshot_type("manual").db_cluster_resource_id("id-orders")),
            "the cluster's tags were copied onto it"
        );
        assert!(!ours(snapshot("2026-01-01T03:00:05Z")), "made before this state was entered");
        assert!(!ours(snapshot("2026-01-02T03:00:05Z").db_cluster_resource_id("id-other")));
        assert!(!ours(snapshot("2026-01-02T03:00:05Z").snapshot_type("automated")));
    }
}
