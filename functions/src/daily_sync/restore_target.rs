//! Restores a target's new cluster from the attested snapshot, beside the present one.
//!
//! Changes: RestoreDBClusterFromSnapshot, then ModifyDBCluster (a master password of RDS's own),
//! then CreateDBInstance, one a look. Again is harmless: what stands under the run's name is looked
//! at, and must carry its tags. Undo: CleanUp deletes it; the present cluster is not touched.
//! Errors: `NotReady`, `Refused` (no valid attestation; quota, key, a group that is missing),
//! `Conflict` (the name is someone else's), `OperationFailed` (RDS failed, or made it otherwise
//! than asked).

use aws_sdk_rds::types::DbClusterSnapshot;
use runbook::{
    Context, Error, Result, Run, State, aurora, daily_sync,
    daily_sync::{
        attestation, names,
        tags::{self, Role},
    },
};
use serde::{Deserialize, Serialize};

use super::{
    restore::{self, Wanted},
    snapshot_sanitized::find_snapshot,
    swap,
};

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
    resource_id: String,
    /// The DbClusterResourceId of the cluster that the target's clients use now. None before the
    /// first sync.
    former: Option<String>,
}

impl State for RestoreTarget {
    const NAME: &'static str = "RestoreTarget";
    type Output = Fresh;

    async fn reconcile(self, cx: &Context, run: &Run) -> Result<Fresh> {
        let policy = daily_sync::policy(cx, run, &self.sync).await?;
        let target = daily_sync::target(&policy, &self.target)?;
        let snapshot = find_snapshot(cx, &self.snapshot).await?.ok_or_else(|| {
            Error::Conflict(format!(
                "the sanitised snapshot {} is gone; someone has deleted it. Start a new execution.",
                self.snapshot
            ))
        })?;
        let attested = attested(&snapshot, &self.sync, run)?;
        attestation::check(cx, run, attested).await?;
        let mut all = tags::of(run, &self.sync, Role::Fresh);
        all.push(tags::tag(tags::TARGET, &self.target));
        all.extend([tags::tag(tags::ATTESTED_RUN, run.name()), tags::tag(tags::ATTESTED_RESOURCE, attested)]);
        let wanted = Wanted {
            sync: &self.sync,
            cluster: names::fresh(&self.target, run),
            snapshot: &self.snapshot,
            engine_version: snapshot.engine_version().unwrap_or_default(),
            subnet_group: &target.subnet_group,
            security_groups: &target.security_groups,
            cluster_parameter_group: &target.cluster_parameter_group,
            parameter_group: target.parameter_group.as_deref(),
            kms_key: &policy.quarantine.kms_key,
            instance_class: &target.instance_class,
            tags: all,
        };
        let restored = restore::reconcile(cx, run, &wanted).await?;
        let clusters = aurora::clusters(cx).await?;
        let former = swap::published(cx, &clusters, &self.sync, target).await?;
        let former = former.and_then(|cluster| cluster.db_cluster_resource_id()).map(str::to_owned);
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
fn attested<'a>(snapshot: &'a DbClusterSnapshot, sync: &str, run: &Run) -> Result<&'a str> {
    let name = snapshot.db_cluster_snapshot_identifier().unwrap_or_default();
    let tags = snapshot.tag_list();
    if !tags::is_of_run(tags, sync, run) || !tags::has_role(tags, Role::Sanitized) {
        return Err(Error::Refused(format!(
            "snapshot {name} is not this run's sanitised snapshot; only that one is restored. Nothing was \
            touched."
        )));
    }
    let resource = tags::value(tags, tags::ATTESTED_RESOURCE)
        .filter(|_| tags::value(tags, tags::ATTESTED_RUN) == Some(run.name()));
    let resource =
        resource.filter(|resource| snapshot.db_cluster_resource_id().is_none_or(|of| of == *resource));
    resource.ok_or_else(|| {
        Error::Refused(format!(
            "snapshot {name} does not carry this run's attestation (tags {} and {}). Nothing was touched. \
            Start a new execution.",
            tags::ATTESTED_RUN,
            tags::ATTESTED_RESOURCE
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_snapshot_attested_by_this_run_is_restored() {
        let run = Run::of("arn:aws:states:eu-west-1:444455556666:execution:daily-sync:one");
        let snapshot = |role: Role, attested_run: &str, of: Option<&str>| {
            let mut all = tags::of(&run, "orders", role);
            all.extend([
                tags::tag(tags::ATTESTED_RUN, attested_run),
                tags::tag(tags::ATTESTED_RESOURCE, "cluster-A"),
            ]);
            DbClusterSnapshot::builder()
                .set_db_cluster_resource_id(of.map(str::to_owned))
                .set_tag_list(Some(all))
                .build()
        };
        assert_eq!(
            attested(&snapshot(Role::Sanitized, "one", Some("cluster-A")), "orders", &run).unwrap(),
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
        let untagged = DbClusterSnapshot::builder().build();
        assert!(attested(&untagged, "orders", &run).is_err());
    }
}
