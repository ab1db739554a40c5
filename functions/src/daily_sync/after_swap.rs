//! What a swap still has to put in order once the stable name leads to the new cluster.

use policy::Target;
use runbook::{
    Context, Error, Result, Run,
    aurora::{self, Cluster, Fault, Instance, Status, message},
    daily_sync::{
        names as names_of, secret,
        tags::{self, Role},
    },
    store::When,
};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::swap::{self, Plan};
use crate::shared::{denied, removal};

/// Instances named after their clusters, and certificates that fit the names; one change a look.
pub async fn names(cx: &Context, run: &Run, plan: &Plan<'_>, fresh: &Cluster) -> Result<()> {
    // While it stops or starts its instances do too, and are not asked.
    if matches!(fresh.status, Status::Stopping | Status::Starting) {
        return aurora::ready(fresh, &[]);
    }
    let members = aurora::members(cx, fresh).await?;
    let wanted = names_of::instance(plan.stable);
    if !members.iter().any(|member| member.id == wanted)
        && let Some(instance) = aurora::find_instance(cx, &wanted).await?
        && let Some(holder) = instance.cluster.as_deref().filter(|holder| *holder != fresh.id)
        && let Some(holder) = aurora::find_cluster(cx, holder).await?
        && holder.resource_id != fresh.resource_id
    {
        // The former one, or one before it, whose swap ended before its instance was renamed.
        let is_former = plan.former == Some(&holder.resource_id);
        let is_before = tags::has_role(&holder.tags, Role::Old) && holder.tags.is(tags::TARGET, plan.stable);
        if is_former || is_before {
            if holder.status == Status::Stopped {
                removal::start(cx, &holder.id).await?;
                return Err(Error::NotReady(format!("{} to start: its instance has the name", holder.id)));
            }
            return rename_instance(cx, &instance, &names_of::instance(&holder.id)).await;
        }
    }
    if restart_is_due(cx, run, plan, fresh).await? {
        return restart(cx, run, plan, fresh, &members).await;
    }
    aurora::ready(fresh, &members)
}

/// Renaming an instance reboots it (AuroraUserGuide, USER_RenameInstance). Done at a later look,
/// which shows the new name.
async fn rename_instance(cx: &Context, instance: &Instance, to: &str) -> Result<()> {
    let from = &instance.id;
    if instance.status != Status::Available {
        return Err(Error::NotReady(format!("instance {from} to be available (it is {})", instance.status)));
    }
    let modify = cx.rds.modify_db_instance().db_instance_identifier(from).new_db_instance_identifier(to);
    match modify.apply_immediately(true).send().await {
        Ok(_) => Err(Error::NotReady(format!("instance {from} to be renamed to {to}"))),
        Err(error) => match Fault::of(&error) {
            Some(
                Fault::DBInstanceNotFound | Fault::DBInstanceAlreadyExists | Fault::InvalidDBInstanceState,
            ) => Err(Error::NotReady(format!("instance {from} to take the name {to} ({})", message(&error)))),
            _ => Err(denied::on_instance(cx, "rds:ModifyDBInstance", from, error).await),
        },
    }
}

/// That the run saw the new cluster stopped.
#[derive(Serialize, Deserialize)]
struct Restarted {
    stopped: jiff::Timestamp,
}

fn restarted_key(run: &Run, plan: &Plan<'_>) -> String {
    format!("{}/restarted-{}.json", run.prefix(), plan.fresh)
}

async fn restart_is_due(cx: &Context, run: &Run, plan: &Plan<'_>, fresh: &Cluster) -> Result<bool> {
    let restarted: Option<Restarted> = cx.store.get_json(&restarted_key(run, plan)).await?;
    Ok(restarted.is_none() || fresh.status == Status::Stopped)
}

/// "If you're using SSL endpoints and change the DB cluster identifier, stop and restart the DB
/// cluster to update the SSL endpoints" (AuroraUserGuide, Aurora.Modifying). RDS does not show for
/// which name a certificate is, so the run notes that it saw the cluster stopped.
async fn restart(
    cx: &Context,
    run: &Run,
    plan: &Plan<'_>,
    fresh: &Cluster,
    members: &[Instance],
) -> Result<()> {
    let name = plan.stable;
    if fresh.status == Status::Stopped {
        let restarted = Restarted { stopped: cx.clock.now() };
        cx.store.put_json_when(&restarted_key(run, plan), &restarted, When::Absent).await?;
        removal::start(cx, name).await?;
        return Err(Error::NotReady(format!("{name} to start again")));
    }
    aurora::ready(fresh, members)?;
    if let Some(instance) = members.iter().find(|member| member.id == names_of::instance(&plan.fresh_name)) {
        return rename_instance(cx, instance, &names_of::instance(name)).await;
    }
    match cx.rds.stop_db_cluster().db_cluster_identifier(name).send().await {
        Ok(_) => Err(Error::NotReady(format!("{name} to stop, so that its certificate gets its name"))),
        Err(error) => match Fault::of(&error) {
            Some(fault) if fault.is_busy() || fault == Fault::DBClusterNotFoundFault => {
                Err(Error::NotReady(format!("{name} to be stoppable ({})", message(&error))))
            }
            _ => Err(denied::on_cluster(cx, "rds:StopDBCluster", name, error).await),
        },
    }
}

/// Marks the cluster that clients use.
pub async fn publish(cx: &Context, cluster: &Cluster) -> Result<()> {
    if tags::has_role(&cluster.tags, Role::Published) {
        return Ok(());
    }
    swap::tag(cx, cluster, &[(tags::ROLE, Role::Published.as_str())]).await
}

/// The environment's roles find the cluster in their secrets, under the names that it has now.
pub async fn secrets(cx: &Context, target: &Target, cluster: &Cluster) -> Result<()> {
    let Some(host) = cluster.shown.endpoint() else {
        return Err(Error::NotReady(format!("an endpoint of {}", target.cluster)));
    };
    let values = [("host", json!(host)), ("port", json!(cluster.shown.port()))];
    for name in target.roles.iter().filter(|role| role.login).filter_map(|role| role.secret.as_deref()) {
        secret::set(cx, name, &values).await?;
    }
    Ok(())
}
