//! What a swap still has to put in order once the stable name leads to the new cluster.

use aws_sdk_rds::{
    error::ProvideErrorMetadata,
    types::{DbCluster, DbInstance},
};
use policy::Target;
use runbook::{
    Context, Error, Result, Run, aurora,
    daily_sync::{
        names as names_of, secret,
        tags::{self, Role},
    },
    error::aws,
    store::When,
};
use serde_json::json;

use super::swap::{self, Plan};

/// Instances named after their clusters, and certificates that fit the names; one change a look.
pub async fn names(
    cx: &Context,
    run: &Run,
    plan: &Plan<'_>,
    clusters: &[DbCluster],
    fresh: &DbCluster,
) -> Result<()> {
    let wanted = names_of::instance(plan.stable);
    let former = plan.former.and_then(|id| aurora::by_resource_id(clusters, id));
    if let Some(former) = former {
        let members = aurora::members(cx, former).await?;
        if let Some(instance) = named(&members, &wanted) {
            return Err(rename_instance(cx, instance, &names_of::instance(&plan.old_name)).await);
        }
    }
    let members = aurora::members(cx, fresh).await?;
    if restart_is_due(cx, run, plan, fresh).await? {
        return restart(cx, run, plan, fresh, &members, &wanted).await;
    }
    match aurora::busy(fresh, &members) {
        Some(what) => Err(Error::NotReady(what)),
        None => Ok(()),
    }
}

fn named<'a>(members: &'a [DbInstance], name: &str) -> Option<&'a DbInstance> {
    members.iter().find(|member| member.db_instance_identifier() == Some(name))
}

/// Renaming an instance reboots it (AuroraUserGuide, USER_RenameInstance).
async fn rename_instance(cx: &Context, instance: &DbInstance, to: &str) -> Error {
    let from = instance.db_instance_identifier().unwrap_or_default();
    if instance.db_instance_status() != Some("available") {
        return Error::NotReady(format!(
            "instance {from} to be available (it is {})",
            instance.db_instance_status().unwrap_or("unknown")
        ));
    }
    let modify = cx
        .rds
        .modify_db_instance()
        .db_instance_identifier(from)
        .new_db_instance_identifier(to)
        .apply_immediately(true);
    match modify.send().await {
        Ok(_) => Error::NotReady(format!("instance {from} to be renamed to {to}")),
        Err(error)
            if matches!(
                error.code(),
                Some("DBInstanceNotFound" | "DBInstanceAlreadyExists" | "InvalidDBInstanceState")
            ) =>
        {
            Error::NotReady(format!(
                "instance {from} to take the name {to} ({})",
                error.message().unwrap_or_default()
            ))
        }
        Err(error) => aws("rds:ModifyDBInstance")(error),
    }
}

fn restarted_key(run: &Run, plan: &Plan<'_>) -> String {
    format!("{}/restarted-{}.json", run.prefix(), plan.fresh)
}

async fn restart_is_due(cx: &Context, run: &Run, plan: &Plan<'_>, fresh: &DbCluster) -> Result<bool> {
    let started: Option<serde_json::Value> = cx.store.get_json(&restarted_key(run, plan)).await?;
    Ok(started.is_none() || fresh.status() == Some("stopped"))
}

/// "If you're using SSL endpoints and change the DB cluster identifier, stop and restart the DB
/// cluster to update the SSL endpoints" (AuroraUserGuide, Aurora.Modifying). RDS does not show for
/// which name a certificate is, so the run notes that it saw the cluster stopped.
async fn restart(
    cx: &Context,
    run: &Run,
    plan: &Plan<'_>,
    fresh: &DbCluster,
    members: &[DbInstance],
    wanted: &str,
) -> Result<()> {
    let name = plan.stable;
    match fresh.status().unwrap_or("unknown") {
        "available" => {
            if let Some(what) = aurora::busy(fresh, members) {
                return Err(Error::NotReady(what));
            }
            if let Some(instance) = named(members, &names_of::instance(&plan.fresh_name)) {
                return Err(rename_instance(cx, instance, wanted).await);
            }
            match cx.rds.stop_db_cluster().db_cluster_identifier(name).send().await {
                Ok(_) => {
                    Err(Error::NotReady(format!("{name} to stop, so that its certificate gets its name")))
                }
                Err(error)
                    if matches!(
                        error.code(),
                        Some(
                            "InvalidDBClusterStateFault"
                                | "InvalidDBInstanceState"
                                | "DBClusterNotFoundFault"
                        )
                    ) =>
                {
                    Err(Error::NotReady(format!(
                        "{name} to be stoppable ({})",
                        error.message().unwrap_or_default()
                    )))
                }
                Err(error) => Err(aws("rds:StopDBCluster")(error)),
            }
        }
        "stopped" => {
            cx.store
                .put_json_when(&restarted_key(run, plan), &json!({ "stopped": cx.clock.now() }), When::Absent)
                .await?;
            cx.rds
                .start_db_cluster()
                .db_cluster_identifier(name)
                .send()
                .await
                .map_err(aws("rds:StartDBCluster"))?;
            Err(Error::NotReady(format!("{name} to start again")))
        }
        status => Err(Error::NotReady(format!("{name} to be available (it is {status})"))),
    }
}

/// Marks the cluster that clients use.
pub async fn publish(cx: &Context, cluster: &DbCluster) -> Result<()> {
    if tags::has_role(cluster.tag_list(), Role::Published) {
        return Ok(());
    }
    swap::tag(cx, cluster, &[(tags::ROLE, Role::Published.as_str())]).await
}

/// The environment's roles find the cluster in their secrets, under the names that it has now.
pub async fn secrets(cx: &Context, target: &Target, cluster: &DbCluster) -> Result<()> {
    let Some(host) = cluster.endpoint() else {
        return Err(Error::NotReady(format!("an endpoint of {}", target.cluster)));
    };
    for name in target.roles.iter().filter(|role| role.login).filter_map(|role| role.secret.as_deref()) {
        secret::set(cx, name, &[("host", json!(host)), ("port", json!(cluster.port()))]).await?;
    }
    Ok(())
}
