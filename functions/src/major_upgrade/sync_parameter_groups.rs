//! Gives every member its own parameter group and reboots, readers first and the writer last, until
//! all are in-sync.
//!
//! Changes: one ModifyDBInstance or one RebootDBInstance at a time. Again is harmless: only a
//! member that is not in-sync is touched. Undo: none needed. Errors: `NotReady`, `Conflict`
//! (another execution has the lease), `OperationFailed` (RDS cannot apply a group).
//!
//! Why: an upgrade with new groups leaves them pending-reboot, and "the DB cluster isn't rebooted
//! automatically" (ModifyDBCluster); ModifyDBCluster takes one instance group for all members,
//! although each may have its own.

use aws_sdk_rds::types::{DbCluster, DbInstance};
use runbook::{
    Context, Error, Result, Run, State, aurora,
    error::aws,
    lease,
    major_upgrade::{self, ParameterGroups},
};
use serde::{Deserialize, Serialize};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SyncParameterGroups {
    cluster: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct InSync {
    summary: String,
}

impl State for SyncParameterGroups {
    const NAME: &'static str = "SyncParameterGroups";
    type Output = InSync;

    async fn reconcile(self, cx: &Context, run: &Run) -> Result<InSync> {
        let cluster = aurora::cluster(cx, &self.cluster).await?;
        lease::take(cx, run, cluster.db_cluster_resource_id().unwrap_or_default()).await?;
        let members = aurora::members(cx, &cluster).await?;
        if let Some(what) = aurora::busy(&cluster, &members) {
            return Err(Error::NotReady(what));
        }
        let key = major_upgrade::parameter_groups_key(cluster.db_cluster_resource_id().unwrap_or_default());
        let chosen = cx.store.get_json::<ParameterGroups>(&key).await?;
        // Groups chosen for another version are not for this one.
        let chosen = chosen.filter(|chosen| Some(chosen.version.as_str()) == cluster.engine_version());
        for member in &members {
            let id = member.db_instance_identifier().unwrap_or_default();
            if let Some(group) = chosen
                .as_ref()
                .and_then(|chosen| chosen.instances.get(id))
                .filter(|group| Some(group.as_str()) != group_of(member))
            {
                let modify = cx
                    .rds
                    .modify_db_instance()
                    .db_instance_identifier(id)
                    .db_parameter_group_name(group)
                    .apply_immediately(true);
                modify.send().await.map_err(aws("rds:ModifyDBInstance"))?;
                return Err(Error::NotReady(format!(
                    "instance {id} to take its own parameter group {group}"
                )));
            }
        }
        for member in &members {
            let id = member.db_instance_identifier().unwrap_or_default();
            let statuses = statuses(&cluster, member);
            if statuses.contains(&"failed-to-apply") {
                return Err(Error::OperationFailed(format!(
                    "RDS could not apply a parameter group to {id} (failed-to-apply). The upgrade itself is \
                    done. The instance's events name the parameter; \
                     mend its value in the group, reboot the instance, then redrive."
                )));
            }
            // One reboot is for both groups, so it waits until neither is on its way.
            if let Some(other) =
                statuses.iter().find(|status| !["in-sync", "pending-reboot"].contains(status))
            {
                return Err(Error::NotReady(format!(
                    "the parameter groups of {id} to be in-sync (now {other})"
                )));
            }
            if statuses.contains(&"pending-reboot") {
                cx.rds
                    .reboot_db_instance()
                    .db_instance_identifier(id)
                    .send()
                    .await
                    .map_err(aws("rds:RebootDBInstance"))?;
                return Err(Error::NotReady(format!("instance {id} to reboot into its parameter groups")));
            }
        }
        Ok(InSync {
            summary: format!(
                "{} instances are in-sync with {} and their own groups",
                members.len(),
                cluster.db_cluster_parameter_group().unwrap_or_default()
            ),
        })
    }
}

fn group_of(member: &DbInstance) -> Option<&str> {
    member.db_parameter_groups().first()?.db_parameter_group_name()
}

/// The cluster group's status at this member, and its instance group's.
fn statuses<'a>(cluster: &'a DbCluster, member: &'a DbInstance) -> [&'a str; 2] {
    let id = member.db_instance_identifier();
    let of_cluster = cluster.db_cluster_members().iter().find(|one| one.db_instance_identifier() == id);
    [
        of_cluster.and_then(|one| one.db_cluster_parameter_group_status()).unwrap_or("unknown"),
        member
            .db_parameter_groups()
            .first()
            .and_then(|group| group.parameter_apply_status())
            .unwrap_or("unknown"),
    ]
}
