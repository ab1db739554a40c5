//! Switches logical replication on in the cluster's own parameter group, and reboots, readers first
//! and the writer last.
//!
//! Changes: one ModifyDBClusterParameterGroup of the group in use (`rds.logical_replication`), then
//! one RebootDBInstance at a time: users feel those, so a person's yes and the window come before.
//! Again is harmless: what is on is left, and a reboot is remembered by its time. Undo: set it to 0
//! and reboot. Errors: `NotReady`, `Conflict` (another execution has the lease), `OperationFailed`
//! (RDS cannot apply the group).
//!
//! Why: green follows by logical replication, and the parameter is static (AuroraUserGuide,
//! blue-green-deployments-creating).

use std::collections::BTreeMap;

use aws_sdk_rds::types::{ApplyMethod, Parameter};
use jiff::Timestamp;
use runbook::{
    Context, Error, Result, Run, State,
    aurora::{self},
    error::aws,
    lease,
    store::When,
};
use serde::{Deserialize, Serialize};

use super::{
    blue_green::{LOGICAL_REPLICATION, is_on},
    sync_parameter_groups::next_reboot,
};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EnableLogicalReplication {
    cluster: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Enabled {
    summary: String,
}

/// Each member is rebooted after the value was set, whatever its apply status says by then: RDS
/// shows that late.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    set: Option<Timestamp>,
    rebooted: BTreeMap<String, Timestamp>,
}

impl State for EnableLogicalReplication {
    const NAME: &'static str = "EnableLogicalReplication";
    type Output = Enabled;

    async fn reconcile(self, cx: &Context, run: &Run) -> Result<Enabled> {
        let cluster = aurora::cluster(cx, &self.cluster).await?;
        lease::take(cx, run, cluster.resource_id.as_str()).await?;
        let members = aurora::members(cx, &cluster).await?;
        aurora::ready(&cluster, &members)?;
        let group = cluster.shown.db_cluster_parameter_group().ok_or_else(|| {
            Error::unexpected(format!("RDS shows no DBClusterParameterGroup of cluster {}", cluster.id))
        })?;
        let key = format!("{}/logical-replication-{}.json", run.prefix(), run.since().as_millisecond());
        let (mut record, etag) = match cx.store.get_json_tagged::<Record>(&key).await? {
            Some((record, etag)) => (record, Some(etag)),
            None => (Record::default(), None),
        };
        let write = async |record: &Record| {
            let when = etag.as_deref().map_or(When::Absent, When::Unchanged);
            cx.store.put_json_when(&key, record, when).await
        };
        if !is_on(cx, group).await? {
            record.set = Some(cx.clock.now());
            if write(&record).await? {
                let value = Parameter::builder()
                    .parameter_name(LOGICAL_REPLICATION)
                    .parameter_value("1")
                    .apply_method(ApplyMethod::PendingReboot);
                let modify = cx.rds.modify_db_cluster_parameter_group();
                let modify = modify.db_cluster_parameter_group_name(group).parameters(value.build());
                modify.send().await.map_err(aws("rds:ModifyDBClusterParameterGroup"))?;
            }
            return Err(Error::NotReady(format!("{group} to hold {LOGICAL_REPLICATION} = 1")));
        }
        let pending = next_reboot(&cluster, &members, &record.rebooted, cx.clock.now())?;
        let unseen = || {
            let left = members.iter().find(|member| !record.rebooted.contains_key(&member.id));
            left.filter(|_| record.set.is_some()).map(|member| member.id.clone())
        };
        if let Some(id) = pending.or_else(unseen) {
            record.rebooted.insert(id.clone(), cx.clock.now());
            if write(&record).await? {
                let reboot = cx.rds.reboot_db_instance().db_instance_identifier(&id);
                reboot.send().await.map_err(aws("rds:RebootDBInstance"))?;
            }
            return Err(Error::NotReady(format!("instance {id} to reboot into {LOGICAL_REPLICATION} = 1")));
        }
        Ok(Enabled { summary: format!("{} instances run with {LOGICAL_REPLICATION} = 1", members.len()) })
    }
}
