//! Gives every member its own parameter group and reboots, readers first and the writer last, until
//! all are in-sync.
//!
//! Changes: one ModifyDBInstance or one RebootDBInstance at a time, and only after an upgrade to
//! another major version that this runbook has made: a cluster that was at its target, or whose
//! family stays, is not disturbed. Again is harmless: only a member that is not in-sync is touched,
//! and a reboot is remembered by its time, so that an apply status that comes late causes no second
//! one. Undo: none needed. Errors: `NotReady`, `Conflict` (another execution has the lease),
//! `OperationFailed` (RDS cannot apply a group).
//!
//! Why: an upgrade with new groups leaves them pending-reboot, and "the DB cluster isn't rebooted
//! automatically" (ModifyDBCluster); ModifyDBCluster takes one instance group for all members,
//! although each may have its own.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use runbook::{
    Context, Error, Result, Run, State,
    aurora::{self, Cluster, Instance},
    error::{Then, aws},
    lease,
    major_upgrade::{self, ParameterGroups},
    store::When,
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

/// A reboot takes a minute or two; the apply status has been seen to follow later.
const STATUS_FOLLOWS: SignedDuration = SignedDuration::from_mins(10);

impl State for SyncParameterGroups {
    const NAME: &'static str = "SyncParameterGroups";
    type Output = InSync;

    async fn reconcile(self, cx: &Context, run: &Run) -> Result<InSync> {
        let cluster = aurora::cluster(cx, &self.cluster).await?;
        lease::take(cx, run, cluster.resource_id.as_str()).await?;
        let key = major_upgrade::parameter_groups_key(&cluster.resource_id);
        let chosen = cx.store.get_json_tagged::<ParameterGroups>(&key).await?;
        // Groups chosen for another version are not for this one.
        let chosen = chosen.filter(|(chosen, _)| chosen.version == cluster.version);
        let Some((mut chosen, etag)) = chosen.filter(|(chosen, _)| chosen.are_new()) else {
            let summary = format!("{} needs no other parameter groups; it is left as it is", cluster.id);
            return Ok(InSync { summary });
        };
        if let Some(synced) = chosen.synced {
            let summary = format!("the parameter groups were in-sync at {synced}; {} is left", cluster.id);
            return Ok(InSync { summary });
        }
        let members = aurora::members(cx, &cluster).await?;
        aurora::ready(&cluster, &members)?;
        for member in &members {
            let id = &member.id;
            let Some(group) = chosen.instances.get(id) else { continue };
            if group != member.parameter_group()? {
                let modify = cx.rds.modify_db_instance().db_instance_identifier(id);
                let modify = modify.db_parameter_group_name(group).apply_immediately(true);
                modify.send().await.map_err(aws("rds:ModifyDBInstance"))?;
                return Err(Error::NotReady(format!(
                    "instance {id} to take its own parameter group {group}"
                )));
            }
        }
        if let Some(id) = next_reboot(&cluster, &members, &chosen.rebooted, cx.clock.now())? {
            // Written before the call: what is not written, no later look knows of.
            chosen.rebooted.insert(id.clone(), cx.clock.now());
            if cx.store.put_json_when(&key, &chosen, When::Unchanged(&etag)).await? {
                let reboot = cx.rds.reboot_db_instance().db_instance_identifier(&id);
                reboot.send().await.map_err(aws("rds:RebootDBInstance"))?;
            }
            return Err(Error::NotReady(format!("instance {id} to reboot into its parameter groups")));
        }
        chosen.synced = Some(cx.clock.now());
        cx.store.put_json(&key, &chosen).await?;
        let summary =
            format!("{} instances are in-sync with {} and their own groups", members.len(), chosen.cluster);
        Ok(InSync { summary })
    }
}

/// The first member that a reboot brings into its groups; none when all are in-sync.
pub(super) fn next_reboot(
    cluster: &Cluster,
    members: &[Instance],
    rebooted: &BTreeMap<String, Timestamp>,
    now: Timestamp,
) -> Result<Option<String>> {
    for member in members {
        if decide(&member.id, statuses(cluster, member), rebooted, now)? == Decision::Reboot {
            return Ok(Some(member.id.clone()));
        }
    }
    Ok(None)
}

#[derive(Debug, PartialEq)]
enum Decision {
    InSync,
    Reboot,
}

fn decide(
    id: &str,
    statuses: [&str; 2],
    rebooted: &BTreeMap<String, Timestamp>,
    now: Timestamp,
) -> Result<Decision> {
    if statuses.contains(&"failed-to-apply") {
        return Err(Error::failed(format!(
            "RDS could not apply a parameter group to {id} (failed-to-apply); the instance's events name the \
             parameter"
        ))
        .changed("nothing since the reboot of that instance")
        .fix("correct its value in the group and reboot the instance")
        .then(Then::Redrive));
    }
    // One reboot is for both groups, so it waits until neither is on its way.
    if let Some(other) = statuses.iter().find(|status| !["in-sync", "pending-reboot"].contains(status)) {
        return Err(Error::NotReady(format!("the parameter groups of {id} to be in-sync (now {other})")));
    }
    if !statuses.contains(&"pending-reboot") {
        return Ok(Decision::InSync);
    }
    match rebooted.get(id) {
        Some(at) if now.duration_since(*at) < STATUS_FOLLOWS => Err(Error::NotReady(format!(
            "the apply status of {id} to follow its reboot of {at} (now pending-reboot)"
        ))),
        // Never asked for, or the call was lost.
        _ => Ok(Decision::Reboot),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reboot_is_asked_for_once_while_its_status_may_come_late() {
        let now: Timestamp = "2026-01-02T04:00:00Z".parse().unwrap();
        let rebooted =
            |minutes: i64| BTreeMap::from([("a".into(), now - SignedDuration::from_mins(minutes))]);
        let decide = |statuses, rebooted: &BTreeMap<String, Timestamp>| {
            super::decide("a", statuses, rebooted, now).map_err(|error| error.name())
        };
        let pending = ["pending-reboot", "in-sync"];
        assert_eq!(decide(pending, &BTreeMap::new()), Ok(Decision::Reboot));
        assert_eq!(decide(pending, &rebooted(2)), Err("NotReady"), "its status comes late");
        assert_eq!(decide(pending, &rebooted(11)), Ok(Decision::Reboot), "the call was lost");
        assert_eq!(decide(["in-sync", "in-sync"], &rebooted(2)), Ok(Decision::InSync));
        assert_eq!(decide(["applying", "pending-reboot"], &BTreeMap::new()), Err("NotReady"));
        assert_eq!(decide(["in-sync", "failed-to-apply"], &rebooted(2)), Err("OperationFailed"));
    }
}
