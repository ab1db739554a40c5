//! Restores a target's new cluster from the attested snapshot, beside the present one.
//!
//! Changes: RestoreDBClusterFromSnapshot, then ModifyDBCluster (a master password of RDS's own),
//! then CreateDBInstance, one a look. Again is harmless: what stands under the run's name is looked
//! at, and must carry its tags. Undo: CleanUp deletes it; the present cluster is not touched.
//! Errors: `NotReady`, `Refused` (no valid attestation; quota, key, a group that is missing),
//! `Conflict` (the name is someone else's), `OperationFailed` (RDS failed, or made it otherwise
//! than asked).

use runbook::{
    Context, Error, Result, Run, State,
    aurora::{self, ResourceId, Snapshot},
    daily_sync::{
        self, attestation, names,
        tags::{self, Maker, Role},
    },
    error::Then,
};
use serde::{Deserialize, Serialize};

use super::swap;
use crate::shared::restore::{self, Wanted};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RestoreTarget {
    sync: String,
    /// The target's stable name.
    target: String,
    /// The sanitised snapshot.
    snapshot: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Fresh {
    summary: String,
    target: String,
    cluster: String,
    resource_id: ResourceId,
    /// The DbClusterResourceId of the cluster that the target's clients use now. None before the
    /// first sync.
    former: Option<ResourceId>,
}

impl State for RestoreTarget {
    const NAME: &'static str = "RestoreTarget";
    type Output = Fresh;

    async fn reconcile(self, cx: &Context, run: &Run) -> Result<Fresh> {
        let (maker, name) = (Maker::Sync(&self.sync), names::fresh(&self.target, run));
        let found = restore::find(cx, run, maker, &name).await?;
        let policy = daily_sync::policy(cx, run, &self.sync).await?;
        let target = daily_sync::target(&policy, &self.target)?;
        let snapshot = aurora::find_snapshot(cx, &self.snapshot).await?.ok_or_else(|| {
            Error::conflict(format!(
                "the sanitised snapshot {} is gone; someone has deleted it",
                self.snapshot
            ))
            .then(Then::StartAgain)
        })?;
        let attested = attested(&snapshot, &self.sync, run)?;
        attestation::check(cx, run, &attested).await?;
        let mut all = tags::of(run, &self.sync, Role::Fresh);
        all.push(tags::tag(tags::TARGET, &self.target));
        all.extend(tags::attested(run.name(), &attested));
        let wanted = Wanted {
            cluster: name,
            from: restore::From::Snapshot(&self.snapshot),
            engine_version: &snapshot.version,
            subnet_group: &target.subnet_group,
            security_groups: &target.security_groups,
            cluster_parameter_group: &target.cluster_parameter_group,
            only_for: None,
            parameter_group: target.parameter_group.as_deref(),
            kms_key: Some(daily_sync::targets_key(&policy)?),
            instance_class: &target.instance_class,
            capacity: target.capacity,
            storage_type: snapshot.shown.storage_type(),
            lifecycle_support: policy.engine_lifecycle_support,
            tags: all,
        };
        let restored = restore::reconcile(cx, run, found, &wanted).await?;
        let clusters = swap::candidates(cx, target).await?;
        let former = swap::published(cx, &clusters, &self.sync, target).await?;
        let former = former.map(|cluster| cluster.resource_id.clone());
        Ok(Fresh {
            summary: format!("{} stands ready beside {}", restored.cluster, self.target),
            target: self.target,
            cluster: restored.cluster,
            resource_id: restored.resource_id,
            former,
        })
    }
}

/// The DbClusterResourceId that was attested, from the tags of this run's sanitised snapshot.
fn attested(snapshot: &Snapshot, sync: &str, run: &Run) -> Result<ResourceId> {
    let Snapshot { id, tags, shown, .. } = snapshot;
    if !tags::is_of_run(tags, sync, run) || !tags::has_role(tags, Role::Sanitized) {
        return Err(Error::refused(format!(
            "snapshot {id} is not this run's sanitised snapshot; only that one is restored"
        )));
    }
    let resource = tags.get(tags::ATTESTED_RESOURCE).filter(|_| tags.is(tags::ATTESTED_RUN, run.name()));
    let resource =
        resource.filter(|resource| shown.db_cluster_resource_id().is_none_or(|of| of == *resource));
    let resource = resource.and_then(|resource| ResourceId::try_from(resource.to_owned()).ok());
    resource.ok_or_else(|| {
        Error::refused(format!(
            "snapshot {id} does not carry this run's attestation (tags {} and {})",
            tags::ATTESTED_RUN,
            tags::ATTESTED_RESOURCE
        ))
        .then(Then::StartAgain)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{self, Parse};

    #[test]
    fn only_a_snapshot_attested_by_this_run_is_restored() {
        let run = Run::of("arn:aws:states:eu-west-1:444455556666:execution:daily-sync:one");
        let snapshot = |role: Role, attested_run: &str, of: Option<&str>| {
            let mut all = tags::of(&run, "orders", role);
            all.extend([
                tags::tag(tags::ATTESTED_RUN, attested_run),
                tags::tag(tags::ATTESTED_RESOURCE, "cluster-A"),
            ]);
            testing::snapshot("s", all).set_db_cluster_resource_id(of.map(str::to_owned)).parse()
        };
        assert_eq!(
            attested(&snapshot(Role::Sanitized, "one", Some("cluster-A")), "orders", &run).unwrap().as_str(),
            "cluster-A"
        );
        assert!(attested(&snapshot(Role::Sanitized, "one", None), "orders", &run).is_ok());
        assert!(attested(&snapshot(Role::Sanitized, "yesterday", None), "orders", &run).is_err());
        assert!(attested(&snapshot(Role::Copy, "one", None), "orders", &run).is_err());
        assert!(
            attested(&snapshot(Role::Sanitized, "one", Some("cluster-B")), "orders", &run).is_err(),
            "of another cluster than was attested"
        );
        assert!(attested(&snapshot(Role::Sanitized, "one", None), "customers", &run).is_err());
        let untagged = testing::snapshot("s", Vec::new()).parse();
        assert!(attested(&untagged, "orders", &run).is_err());
    }
}
