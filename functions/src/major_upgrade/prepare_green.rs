//! Gives each member of green the parameter group that is for its twin, and green the roles of the
//! cluster, and reboots green into its groups.
//!
//! Changes, on green alone: one ModifyDBInstance, AddRoleToDBCluster or RebootDBInstance at a time.
//! Again is harmless: what stands there is compared with what must. Undo: none needed; green goes
//! with its deployment. Errors: `NotReady`, `Conflict` (the deployment is gone, or the groups are
//! another run's), `OperationFailed` (RDS cannot apply a group).
//!
//! Why: CreateBlueGreenDeployment takes one instance group for all, and carries no role over
//! (AuroraUserGuide, blue-green-deployments-considerations). A reboot of green is felt by nobody.

use std::collections::BTreeMap;

use runbook::{
    Context, Error, Result, Run, State,
    aurora::{self, Cluster, EngineVersion, Fault, Phase, ResourceId, find_deployment, identifier},
    error::{Then, aws},
    lease,
    major_upgrade::{ParameterGroups, inspection_key, parameter_groups_key},
    store::When,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{modify_cluster_version::groups, sync_parameter_groups::next_reboot};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PrepareGreen {
    cluster: String,
    version: EngineVersion,
    deployment: Option<String>,
    green: String,
    resource_id: ResourceId,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Prepared {
    summary: String,
}

impl State for PrepareGreen {
    const NAME: &'static str = "PrepareGreen";
    type Output = Prepared;

    async fn reconcile(self, cx: &Context, run: &Run) -> Result<Prepared> {
        let Some(id) = &self.deployment else { return Ok(self.switched()) };
        let deployment = find_deployment(cx, id).await?.ok_or_else(|| {
            Error::conflict(format!("Blue/Green deployment {id} is gone: somebody has deleted it"))
                .then(Then::StartAgain)
        })?;
        if matches!(deployment.phase, Phase::Switching | Phase::Switched) {
            return Ok(self.switched());
        }
        let blue = aurora::cluster(cx, &self.cluster).await?;
        lease::take(cx, run, blue.resource_id.as_str()).await?;
        let green = aurora::find_cluster(cx, &self.green).await?;
        let green = green.filter(|green| green.resource_id == self.resource_id && green.id != blue.id);
        let green = green.ok_or_else(|| Error::NotReady(format!("the green cluster {}", self.green)))?;
        let members = aurora::members(cx, &green).await?;
        aurora::ready(&green, &members)?;

        // Under the names that they have after the switchover, which are blue's.
        let key = parameter_groups_key(&green.resource_id);
        let chosen = match cx.store.get_json_tagged::<ParameterGroups>(&key).await? {
            Some(kept) if kept.0.version == self.version => kept,
            _ => {
                let chosen = ParameterGroups {
                    rebooted: BTreeMap::new(),
                    synced: None,
                    ..groups(cx, &blue, &self.version).await?
                };
                cx.store.put_json(&key, &chosen).await?;
                cx.store.get_json_tagged(&key).await?.ok_or_else(|| {
                    Error::NotReady("the record of green's parameter groups to be seen".into())
                })?
            }
        };
        let (mut chosen, etag) = chosen;
        for twin in &deployment.members {
            let Some(target) = twin.target.as_deref().map(identifier) else { continue };
            let Some(member) = members.iter().find(|member| member.id == target) else { continue };
            let Some(group) = chosen.instances.get(identifier(&twin.source)) else { continue };
            if group != member.parameter_group()? {
                let modify = cx.rds.modify_db_instance().db_instance_identifier(&member.id);
                let modify = modify.db_parameter_group_name(group).apply_immediately(true);
                modify.send().await.map_err(aws("rds:ModifyDBInstance"))?;
                return Err(Error::NotReady(format!("instance {} to take its group {group}", member.id)));
            }
        }
        carry_roles(cx, &blue, &green).await?;
        if let Some(id) = next_reboot(&green, &members, &chosen.rebooted, cx.clock.now())? {
            chosen.rebooted.insert(id.clone(), cx.clock.now());
            if cx.store.put_json_when(&key, &chosen, When::Unchanged(&etag)).await? {
                let reboot = cx.rds.reboot_db_instance().db_instance_identifier(&id);
                reboot.send().await.map_err(aws("rds:RebootDBInstance"))?;
            }
            return Err(Error::NotReady(format!("instance {id} to reboot into its parameter groups")));
        }
        // What RunAnalyze and VerifyUpgrade look for is kept by the id of the cluster, and after
        // the switchover that is green's.
        if let Some(before) = cx.store.get_json::<Value>(&inspection_key(&blue.resource_id)).await? {
            cx.store.put_json(&inspection_key(&green.resource_id), &before).await?;
        }
        // Production is not rebooted for what is pending later.
        chosen.synced = Some(cx.clock.now());
        cx.store.put_json(&key, &chosen).await?;
        Ok(Prepared {
            summary: format!(
                "the {} instances of {} are in-sync with {} and their own groups",
                members.len(),
                green.id,
                chosen.cluster
            ),
        })
    }
}

impl PrepareGreen {
    fn switched(&self) -> Prepared {
        Prepared { summary: format!("{} is switched over; it is left as it is", self.cluster) }
    }
}

/// `aws_s3`, `aws_lambda` and others work through a role that the cluster has.
async fn carry_roles(cx: &Context, blue: &Cluster, green: &Cluster) -> Result<()> {
    for role in blue.shown.associated_roles() {
        let there =
            green.shown.associated_roles().iter().find(|there| {
                there.role_arn() == role.role_arn() && there.feature_name() == role.feature_name()
            });
        let name = role.role_arn().unwrap_or_default();
        match there.map(|there| there.status().unwrap_or("of unknown status")) {
            Some("ACTIVE") => {}
            Some(status) => {
                return Err(Error::NotReady(format!("role {name} of {} to be ACTIVE ({status})", green.id)));
            }
            None => {
                let add = cx.rds.add_role_to_db_cluster().db_cluster_identifier(&green.id).role_arn(name);
                let add = add.set_feature_name(role.feature_name().map(str::to_owned));
                return Err(match add.send().await {
                    Err(error) if Fault::of(&error) != Some(Fault::DBClusterRoleAlreadyExists) => {
                        aws("rds:AddRoleToDBCluster")(error)
                    }
                    _ => Error::NotReady(format!("role {name} to be one of {}", green.id)),
                });
            }
        }
    }
    Ok(())
}
