//! Makes green, a copy of the cluster at the next version that follows it, and waits until it is
//! whole.
//!
//! Changes: one CreateBlueGreenDeployment, which leaves the cluster as it is; of one that RDS could
//! not make, one DeleteBlueGreenDeployment with what there is of green. Again is harmless: a
//! deployment's name is made of cluster and version, and the one that bears it is waited for. Undo,
//! before the switchover: `aws rds delete-blue-green-deployment --delete-target`. Errors:
//! `NotReady`, `Conflict` (the name is someone else's, or somebody has promoted green), `Refused`
//! (RDS does not take the request), `OperationFailed` (RDS could not make it, by its own words).

use aws_sdk_rds::error::SdkError;
use jiff::Timestamp;
use runbook::{
    Context, Error, Result, Run, State,
    aurora::{
        self, Cluster, Deployment, EngineVersion, Fault, Phase, ResourceId, deployment_named,
        deployment_that_led_to, identifier, message, said_of,
    },
    error::{Then, aws},
    lease,
    major_upgrade::{self, MANAGED_BY, deployment_name},
};
use serde::{Deserialize, Serialize};

use super::modify_cluster_version::groups;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CreateGreen {
    cluster: String,
    /// The next version of the path.
    version: EngineVersion,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Green {
    summary: String,
    /// Null when the cluster is at the version, and no deployment is there any more.
    deployment: Option<String>,
    /// Green's DB cluster identifier.
    green: String,
    resource_id: ResourceId,
}

/// Kept because a deployment that could not be made is deleted, and its reason with it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Failed {
    at: Timestamp,
    reason: String,
}

impl State for CreateGreen {
    const NAME: &'static str = "CreateGreen";
    type Output = Green;

    async fn reconcile(self, cx: &Context, run: &Run) -> Result<Green> {
        let cluster = aurora::cluster(cx, &self.cluster).await?;
        lease::take(cx, run, cluster.resource_id.as_str()).await?;
        if cluster.version == self.version {
            let by = deployment_that_led_to(cx, &cluster).await?;
            return Ok(Green {
                summary: format!("{} is at {}: it is switched over", cluster.id, self.version),
                deployment: by.map(|deployment| deployment.id),
                green: cluster.id,
                resource_id: cluster.resource_id,
            });
        }
        let name = deployment_name(&cluster.id, &cluster.resource_id, &self.version);
        let key = format!("{}/green-{}-{}.json", run.prefix(), self.version, run.since().as_millisecond());
        let Some(deployment) = deployment_named(cx, &name).await? else {
            if let Some(failed) = cx.store.get_json::<Failed>(&key).await? {
                return Err(not_made(&failed.reason, &name, "what it had made of green is deleted"));
            }
            return Err(self.create(cx, run, &cluster, &name).await?);
        };
        check_ours(&deployment, &cluster)?;
        match &deployment.phase {
            Phase::Available | Phase::NotSwitched => self.whole(cx, &cluster, deployment).await,
            Phase::Invalid => Err(remove(cx, &cluster, &deployment, &key).await?),
            Phase::Switched => Err(Error::NotReady(format!("{} to be seen at {}", cluster.id, self.version))),
            phase => {
                let done = deployment.shown.tasks().iter().filter(|task| task.status() == Some("COMPLETED"));
                Err(Error::NotReady(format!(
                    "Blue/Green deployment {name} to be AVAILABLE (it is {phase}, {} of {} tasks done)",
                    done.count(),
                    deployment.shown.tasks().len()
                )))
            }
        }
    }
}

impl CreateGreen {
    async fn create(&self, cx: &Context, run: &Run, cluster: &Cluster, name: &str) -> Result<Error> {
        let members = aurora::members(cx, cluster).await?;
        aurora::ready(cluster, &members)?;
        let chosen = groups(cx, cluster, &self.version).await?;
        if chosen.usable.is_some_and(|usable| cx.clock.now() < usable) {
            return Ok(Error::NotReady(
                "the new parameter groups to be usable (RDS asks for 5 minutes after their creation)".into(),
            ));
        }
        // One group for all of its instances; PrepareGreen gives each its own afterwards. Left out,
        // each would keep its group of the old family (AuroraUserGuide,
        // blue-green-deployments-creating).
        let group = cluster.writer().and_then(|writer| chosen.instances.get(writer));
        let create = cx
            .rds
            .create_blue_green_deployment()
            .blue_green_deployment_name(name)
            .source(cluster.arn.as_str())
            .target_engine_version(self.version.to_string())
            .target_db_cluster_parameter_group_name(&chosen.cluster)
            .set_target_db_parameter_group_name(group.cloned())
            .set_tags(Some(major_upgrade::tags(run)));
        let Err(error) = create.send().await else {
            return Ok(Error::NotReady(format!("Blue/Green deployment {name}, which was begun now")));
        };
        let refused = |fix: &str| {
            Error::refused(format!("RDS does not make green of {}: {}", cluster.id, message(&error)))
                .fix(fix)
                .then(Then::Redrive)
        };
        Ok(match Fault::of(&error) {
            Some(Fault::BlueGreenDeploymentAlreadyExistsFault) => {
                Error::NotReady(format!("Blue/Green deployment {name} to be seen"))
            }
            Some(Fault::SourceClusterNotSupportedFault | Fault::SourceDatabaseNotSupportedFault) => {
                refused("change what it names, or upgrade in place")
            }
            fault => match fault.and_then(Fault::needs_a_person) {
                Some(fix) => refused(fix),
                None => aws("rds:CreateBlueGreenDeployment")(error),
            },
        })
    }

    /// AVAILABLE of the deployment does not mean that every member is (hashicorp's provider tries
    /// its switchover for ten minutes).
    async fn whole(&self, cx: &Context, cluster: &Cluster, deployment: Deployment) -> Result<Green> {
        let late =
            deployment.members.iter().find(|one| one.target.is_none() || one.phase != Phase::Available);
        // After a switchover that was rolled back members show that for a while.
        if let Some(late) = late.filter(|_| deployment.phase == Phase::Available) {
            return Err(Error::NotReady(format!("{} to have a green side ({})", late.source, late.phase)));
        }
        let name = deployment.target.as_deref().map(identifier).unwrap_or_default();
        let green = aurora::find_cluster(cx, name).await?;
        let green = green.ok_or_else(|| Error::NotReady(format!("the green cluster {name:?} to be seen")))?;
        let members = aurora::members(cx, &green).await?;
        aurora::ready(&green, &members)?;
        if green.version != self.version {
            return Err(Error::conflict(format!(
                "green of deployment {} is at {}, not at {}",
                deployment.name, green.version, self.version
            ))
            .fix(format!("delete it: {}", deployment.delete()))
            .then(Then::Redrive));
        }
        let blue = cluster.shown.db_cluster_members().len();
        if members.len() < blue {
            return Err(Error::NotReady(format!(
                "{name} to have {blue} instances (it has {})",
                members.len()
            )));
        }
        Ok(Green {
            summary: format!(
                "green is {}, at {} with {} instances, and follows {}. To go back before the switchover: {}",
                green.id,
                green.version,
                members.len(),
                cluster.id,
                deployment.delete()
            ),
            deployment: Some(deployment.id),
            green: green.id,
            resource_id: green.resource_id,
        })
    }
}

fn check_ours(deployment: &Deployment, cluster: &Cluster) -> Result<()> {
    let ours = deployment.tags.is(MANAGED_BY.0, MANAGED_BY.1);
    // After the switchover the source is …-old1, and production the target.
    let sides = [Some(deployment.source.as_str()), deployment.target.as_deref()];
    if ours && sides.contains(&Some(cluster.arn.as_str())) {
        return Ok(());
    }
    let why = if ours { format!("is of {}", deployment.source) } else { "is not a run's".to_owned() };
    Err(Error::conflict(format!(
        "a Blue/Green deployment {} exists and {why}, and its name is needed",
        deployment.name
    ))
    .fix("delete it, or upgrade in place")
    .then(Then::Redrive))
}

/// One that no waiting makes whole is deleted with its green, for it costs as much as the cluster.
async fn remove(cx: &Context, cluster: &Cluster, deployment: &Deployment, key: &str) -> Result<Error> {
    let tasks = deployment.shown.tasks();
    // One that was whole once has become invalid by somebody's doing.
    let was_whole = !tasks.is_empty() && tasks.iter().all(|task| task.status() == Some("COMPLETED"));
    if let Some(target) = deployment.target.as_ref().filter(|_| was_whole)
        && let Some(green) = aurora::find_cluster(cx, identifier(target)).await?
        && green.shown.replication_source_identifier().is_none()
    {
        return Ok(Error::conflict(format!(
            "{} no longer follows {}: somebody has promoted it, and deployment {} is of no use",
            green.id, cluster.id, deployment.name
        ))
        .fix(format!(
            "delete the deployment, which leaves {} (aws rds delete-blue-green-deployment \
             --blue-green-deployment-identifier {})",
            green.id, deployment.id
        ))
        .then(Then::Redrive));
    }
    let said = said_of(cx, deployment, deployment.created()).await?;
    let reason: String = said.iter().map(|message| format!("\n\nRDS says: {message}")).collect();
    cx.store.put_json(key, &Failed { at: cx.clock.now(), reason: reason.clone() }).await?;
    let delete = cx.rds.delete_blue_green_deployment().blue_green_deployment_identifier(&deployment.id);
    // Without a green yet there is nothing to be deleted with it.
    let delete = delete.set_delete_target(deployment.target.is_some().then_some(true));
    Ok(match delete.send().await {
        Ok(_) => Error::NotReady(format!("Blue/Green deployment {} to be deleted", deployment.name)),
        Err(error @ SdkError::ServiceError(_))
            if matches!(
                Fault::of(&error),
                Some(Fault::InvalidParameterCombination | Fault::InvalidDBClusterStateFault)
            ) =>
        {
            let left = format!("and RDS does not delete it ({}): {}", message(&error), deployment.delete());
            not_made(&reason, &deployment.name, &left)
        }
        Err(error)
            if matches!(
                Fault::of(&error),
                Some(Fault::BlueGreenDeploymentNotFoundFault | Fault::InvalidBlueGreenDeploymentStateFault)
            ) =>
        {
            Error::NotReady(format!("Blue/Green deployment {} to be deleted", deployment.name))
        }
        Err(error) => aws("rds:DeleteBlueGreenDeployment")(error),
    })
}

fn not_made(reason: &str, name: &str, left: &str) -> Error {
    Error::failed(format!("RDS could not make the Blue/Green deployment {name}.{reason}"))
        .changed(format!("nothing of the cluster; {left}"))
        .fix("change what RDS names")
        .then(Then::Redrive)
}
