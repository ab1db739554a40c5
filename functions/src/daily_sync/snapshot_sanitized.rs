//! Takes the snapshot of the sanitised cluster from which every target is restored, and only with a
//! valid attestation.
//!
//! Changes: one CreateDBClusterSnapshot, named by the execution, tagged with the attestation.
//! Targets come from it rather than from the quarantine, so that no backup or point in time of a
//! target holds raw data. Again is harmless: the snapshot of that name is waited for. Undo: CleanUp
//! deletes it. Errors: `NotReady`, `Refused` (no valid attestation; quota), `Conflict` (another
//! cluster or snapshot), `OperationFailed` (RDS could not make it).

use runbook::{
    Context, Error, Result, Run, State,
    aurora::{self, Cluster, ResourceId},
    daily_sync::{
        attestation, names,
        tags::{self, Role},
    },
    error::Then,
};
use serde::{Deserialize, Serialize};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SnapshotSanitized {
    sync: String,
    /// The quarantined cluster.
    cluster: String,
    resource_id: ResourceId,
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
        let Some(snapshot) = aurora::find_snapshot(cx, &name).await? else {
            let cluster = aurora::cluster(cx, &self.cluster).await?;
            self.check(run, &cluster)?;
            aurora::ready(&cluster, &[])?;
            self.create(cx, run, &name).await?;
            return Err(Error::NotReady(format!("snapshot {name}, which was begun now")));
        };
        if !tags::is_of_run(&snapshot.tags, &self.sync, run) {
            return Err(Error::conflict(format!("a snapshot {name} exists and is not this run's"))
                .fix("rename or delete it")
                .then(Then::StartAgain));
        }
        snapshot.ready("snapshot").map_err(|error| error.then(Then::StartAgain))?;
        Ok(Snapshot {
            summary: format!("{name} holds what was attested at {}", attestation.attested),
            snapshot: name,
        })
    }
}

impl SnapshotSanitized {
    /// The cluster under that name is the one that was attested, and AttestSanitized has said so on
    /// it too.
    fn check(&self, run: &Run, cluster: &Cluster) -> Result<()> {
        if !tags::is_of_run(&cluster.tags, &self.sync, run) || cluster.resource_id != self.resource_id {
            return Err(Error::conflict(format!(
                "{} is no longer the cluster {} of this run",
                self.cluster, self.resource_id
            ))
            .then(Then::StartAgain));
        }
        if !cluster.tags.is(tags::ATTESTED_RUN, run.name()) {
            return Err(Error::refused(format!(
                "{} does not carry the tag {}={}, so it is not attested",
                self.cluster,
                tags::ATTESTED_RUN,
                run.name()
            ))
            .then(Then::StartAgain));
        }
        Ok(())
    }

    async fn create(&self, cx: &Context, run: &Run, name: &str) -> Result<()> {
        let mut attested = tags::of(run, &self.sync, Role::Sanitized);
        attested.extend(tags::attested(run.name(), &self.resource_id));
        let begun = aurora::begin_snapshot(cx, &self.cluster, name, attested).await;
        begun.map_err(|error| error.then(Then::StartAgain))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{self, Parse};

    #[test]
    fn only_the_attested_cluster_of_this_run_is_snapshotted() {
        let run = Run::of("arn:aws:states:eu-west-1:444455556666:execution:daily-sync:one");
        let id = |id: &str| ResourceId::try_from(id.to_owned()).unwrap();
        let state =
            SnapshotSanitized { sync: "orders".into(), cluster: "q".into(), resource_id: id("cluster-A") };
        let cluster = |resource: &str, attested: &str| {
            let mut all = tags::of(&run, "orders", Role::Quarantine);
            all.push(tags::tag(tags::ATTESTED_RUN, attested));
            testing::cluster("q").db_cluster_resource_id(resource).set_tag_list(Some(all)).parse()
        };
        assert!(state.check(&run, &cluster("cluster-A", "one")).is_ok());
        assert_eq!(state.check(&run, &cluster("cluster-A", "yesterday")).unwrap_err().name(), "Refused");
        assert_eq!(state.check(&run, &cluster("cluster-B", "one")).unwrap_err().name(), "Conflict");
        let other = Run::of("arn:aws:states:eu-west-1:444455556666:execution:daily-sync:two");
        assert_eq!(state.check(&other, &cluster("cluster-A", "two")).unwrap_err().name(), "Conflict");
    }
}
