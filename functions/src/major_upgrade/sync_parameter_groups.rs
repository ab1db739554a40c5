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

use runbook::{
    Context, Error, Result, Run, State,
    aurora::{self, Cluster, Instance},
    error::{Then, aws},
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
        lease::take(cx, run, cluster.resource_id.as_str()).await?;
        let members = aurora::members(cx, &cluster).await?;
        aurora::ready(&cluster, &members)?;
        let key = major_upgrade::parameter_groups_key(&cluster.resource_id);
        let chosen = cx.store.get_json::<ParameterGroups>(&key).await?;
        // Groups chosen for another version are not for this one.
        let chosen = chosen.filter(|chosen| chosen.version == cluster.version);
        for member in &members {
            let id = &member.id;
            let Some(group) = chosen.as_ref().and_then(|chosen| chosen.instances.get(id)) else { continue };
            if group != member.parameter_group()? {
                let modify = cx.rds.modify_db_instance().db_instance_identifier(id);
                let modify = modify.db_parameter_group_name(group).apply_immediately(true);
                modify.send().await.map_err(aws("rds:ModifyDBInstance"))?;
                return Err(Error::NotReady(format!(
                    "instance {id} to take its own parameter group {group}"
                )));
            }
        }
        for member in &members {
            let id = &member.id;
            let statuses = statuses(&cluster, member);
            if statuses.contains(&"failed-to-apply") {
                return Err(Error::failed(format!(
                    "RDS could not apply a parameter group to {id} (failed-to-apply); the instance's events \
                     name the parameter"
                ))
                .changed("the version is raised, and that is done")
                .fix("correct its value in the group and reboot the instance")
                .then(Then::Redrive));
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
                let reboot = cx.rds.reboot_db_instance().db_instance_identifier(id);
                reboot.send().await.map_err(aws("rds:RebootDBInstance"))?;
                return Err(Error::NotReady(format!("instance {id} to reboot into its parameter groups")));
            }
        }
        let group = cluster.shown.db_cluster_parameter_group().unwrap_or("the cluster's group");
        Ok(InSync {
            summary: format!("{} instances are in-sync with {group} and their own groups", members.len()),
        })
    }
}

/// The cluster group's status at this member, and its instance group's.
fn statuses<'a>(cluster: &'a Cluster, member: &'a Instance) -> [&'a str; 2] {
    let members = cluster.shown.db_cluster_members();
    let of_cluster = members.iter().find(|one| one.db_instance_identifier() == Some(&member.id));
    let of_instance = member.shown.db_parameter_groups().first();
    [
        of_cluster.and_then(|one| one.db_cluster_parameter_group_status()).unwrap_or("unknown"),
        of_instance.and_then(|group| group.parameter_apply_status()).unwrap_or("unknown"),
    ]
}
