//! Takes the snapshot of the sanitised cluster from which every target is restored, and only with a
//! valid attestation.
//!
//! Changes: one CreateDBClusterSnapshot, named by the execution, tagged with the attestation.
//! Targets come from it rather than from the quarantine, so that no backup or point in time of a
//! target holds raw data. Again is harmless: the snapshot of that name is waited for. Undo: CleanUp
//! deletes it. Errors: `NotReady`, `Refused` (no valid attestation; quota), `Conflict` (another
//! cluster or snapshot), `OperationFailed` (RDS could not make it).

use aws_sdk_rds::{
    error::ProvideErrorMetadata,
    types::{DbCluster, DbClusterSnapshot},
};
use runbook::{
    Context, Error, Result, Run, State, aurora,
    daily_sync::{
        attestation, names,
        tags::{self, Role},
    },
    error::aws,
};
use serde::{Deserialize, Serialize};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SnapshotSanitized {
    sync: String,
    /// The quarantined cluster.
    cluster: String,
    resource_id: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Snapshot {
    summary: String,
    snapshot: String,
}

impl State for SnapshotSanitized {
    const NAME: &'static str = "SnapshotSanitized";
    type Output = Snapshot;

    async fn reconcile(self, cx: &Context, run: &Run) -> Result<Snapshot> {
        let attestation = attestation::check(cx, run, &self.resource_id).await?;
        let name = names::sanitized(&self.sync, run);
        let Some(snapshot) = find_snapshot(cx, &name).await? else {
            let cluster = aurora::cluster(cx, &self.cluster).await?;
            self.check(run, &cluster)?;
            if let Some(what) = aurora::busy(&cluster, &[]) {
                return Err(Error::NotReady(what));
            }
            return Err(self.create(cx, run, &name).await);
        };
        if !tags::is_of_run(snapshot.tag_list(), &self.sync, run) {
            return Err(Error::Conflict(format!(
                "a snapshot {name} exists and is not this run's. It was left alone. Rename or delete it, \
                then start a new execution."
            )));
        }
        match snapshot.status().unwrap_or("unknown") {
            "available" => Ok(Snapshot {
                summary: format!("{name} holds what was attested at {}", attestation.attested),
                snapshot: name,
            }),
            "failed" => Err(Error::OperationFailed(format!(
                "RDS could not make the snapshot {name} of {}",
                self.cluster
            ))),
            status => Err(Error::NotReady(format!(
                "snapshot {name} ({status}, {} %)",
                snapshot.percent_progress().unwrap_or_default()
            ))),
        }
    }
}

impl SnapshotSanitized {
    /// The cluster under that name is the one that was attested, and AttestSanitized has said so on
    /// it too.
    fn check(&self, run: &Run, cluster: &DbCluster) -> Result<()> {
        let ours = tags::is_of_run(cluster.tag_list(), &self.sync, run);
        if !ours || cluster.db_cluster_resource_id() != Some(&self.resource_id) {
            return Err(Error::Conflict(format!(
                "{} is no longer the cluster {} of this run. Nothing was changed.",
                self.cluster, self.resource_id
            )));
        }
        if tags::value(cluster.tag_list(), tags::ATTESTED_RUN) != Some(run.name()) {
            return Err(Error::Refused(format!(
                "{} does not carry the tag {}={}, so it is not attested. Nothing was changed. Start a new \
                execution.",
                self.cluster,
                tags::ATTESTED_RUN,
                run.name()
            )));
        }
        Ok(())
    }

    async fn create(&self, cx: &Context, run: &Run, name: &str) -> Error {
        let mut attested = tags::of(run, &self.sync, Role::Sanitized);
        attested.extend([
            tags::tag(tags::ATTESTED_RUN, run.name()),
            tags::tag(tags::ATTESTED_RESOURCE, &self.resource_id),
        ]);
        let create = cx
            .rds
            .create_db_cluster_snapshot()
            .db_cluster_identifier(&self.cluster)
            .db_cluster_snapshot_identifier(name);
        match create.set_tags(Some(attested)).send().await {
            Ok(_) => Error::NotReady(format!("snapshot {name}, which was begun now")),
            Err(error)
                if matches!(
                    error.code(),
                    Some("DBClusterSnapshotAlreadyExistsFault" | "InvalidDBClusterStateFault")
                ) =>
            {
                Error::NotReady(format!("snapshot {name} ({})", error.message().unwrap_or_default()))
            }
            Err(error) if error.code() == Some("SnapshotQuotaExceeded") => Error::Refused(format!(
                "the account has no room for another manual snapshot ({}). Delete old ones or raise the \
                quota, then start a new execution.",
                error.message().unwrap_or_default()
            )),
            Err(error) => aws("rds:CreateDBClusterSnapshot")(error),
        }
    }
}

pub async fn find_snapshot(cx: &Context, name: &str) -> Result<Option<DbClusterSnapshot>> {
    match cx.rds.describe_db_cluster_snapshots().db_cluster_snapshot_identifier(name).send().await {
        Ok(answer) => Ok(answer.db_cluster_snapshots.unwrap_or_default().into_iter().next()),
        Err(error) if error.code() == Some("DBClusterSnapshotNotFoundFault") => Ok(None),
        Err(error) => Err(aws("rds:DescribeDBClusterSnapshots")(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_attested_cluster_of_this_run_is_snapshotted() {
        let run = Run::of("arn:aws:states:eu-west-1:444455556666:execution:daily-sync:one");
        let state =
            SnapshotSanitized { sync: "orders".into(), cluster: "q".into(), resource_id: "cluster-A".into() };
        let cluster = |resource: &str, attested: &str| {
            let mut all = tags::of(&run, "orders", Role::Quarantine);
            all.push(tags::tag(tags::ATTESTED_RUN, attested));
            DbCluster::builder().db_cluster_resource_id(resource).set_tag_list(Some(all)).build()
        };
        assert!(state.check(&run, &cluster("cluster-A", "one")).is_ok());
        assert_eq!(state.check(&run, &cluster("cluster-A", "yesterday")).unwrap_err().name(), "Refused");
        assert_eq!(state.check(&run, &cluster("cluster-B", "one")).unwrap_err().name(), "Conflict");
        let other = Run::of("arn:aws:states:eu-west-1:444455556666:execution:daily-sync:two");
        assert_eq!(state.check(&other, &cluster("cluster-A", "two")).unwrap_err().name(), "Conflict");
    }
}
