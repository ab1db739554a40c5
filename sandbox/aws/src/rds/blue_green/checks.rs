//! What CreateBlueGreenDeployment refuses before anything is made.

use crate::aws;
use crate::rds::error::Fault;
use crate::rds::model::{Cluster, World};
use crate::rds::parameter_groups::{Kind, default_name, is_default};
use crate::rds::query::Input;
use crate::rds::ties::Tie;
use crate::rds::{create_cluster, families, instances, versions};

/// What green is to be.
#[derive(Debug, Clone)]
pub struct Plan {
    /// None: blue's.
    pub version: Option<String>,
    pub cluster_group: String,
    /// Of every instance; none: each its blue twin's.
    pub instance_group: Option<String>,
}

/// The first minor version of each major whose clusters may be a source (page
/// Concepts.Aurora_Fea_Regions_DB-eng.Feature.BlueGreenDeployments).
const SOURCES: [(u32, u32); 7] = [(11, 21), (12, 16), (13, 12), (14, 9), (15, 4), (16, 1), (17, 4)];

/// They are for DB instances outside of clusters (botocore rds 2014-10-31).
const NOT_OF_CLUSTERS: [&str; 6] = [
    "TargetDBInstanceClass",
    "UpgradeTargetStorageConfig",
    "TargetIops",
    "TargetStorageType",
    "TargetAllocatedStorage",
    "TargetStorageThroughput",
];

/// `[a-zA-Z](?:-?[a-zA-Z0-9]+)*`, 1 to 60 characters (botocore rds 2014-10-31).
pub fn name(input: &Input) -> Result<&str, Fault> {
    let name = input.required("BlueGreenDeploymentName")?;
    let letters = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    let starts = name.starts_with(|c: char| c.is_ascii_alphabetic());
    if letters && starts && name.len() <= 60 && !name.ends_with('-') && !name.contains("--") {
        return Ok(name);
    }
    Err(Fault::value(format!("The parameter BlueGreenDeploymentName is not a valid name: {name}")))
}

/// The words of these faults are assumed where no source stands by them.
fn unsupported(why: String) -> Fault {
    Fault::new("SourceClusterNotSupportedFault", why)
}

/// The source, and what is to be made of it.
pub fn plan(world: &World, input: &Input) -> Result<(Cluster, Plan), Fault> {
    if let Some(parameter) = NOT_OF_CLUSTERS.iter().find(|parameter| input.has(parameter)) {
        return Err(Fault::combination(format!(
            "{parameter} can't be specified for a blue/green deployment of an Aurora DB cluster."
        )));
    }
    let source = input.required("Source")?;
    let cluster = source_cluster(world, source)?;
    fits(world, &cluster)?;
    // AWS's words: an answer of the console that a reader of its page on scaling printed, and the
    // one on DB instances of
    // https://repost.aws/knowledge-center/rds-postgresql-blue-green-deployment-error.
    if cluster.applied.get("wal_level").is_none_or(|level| level != "logical") || is_default(&cluster.group) {
        return Err(unsupported(
            "Blue/Green Deployments require a DB cluster with logical replication enabled. Before you \
             create a Blue/Green Deployment for a DB cluster, associate the DB cluster with a custom DB \
             cluster parameter group that enables logical replication."
                .to_owned(),
        ));
    }
    let writer = cluster.writer.as_ref().and_then(|writer| world.instances.get(writer));
    if writer.is_none_or(|writer| writer.cluster_group_status != "in-sync") {
        return Err(unsupported(format!(
            "The writer DB instance of {} isn't in sync with the DB cluster parameter group {}. Reboot the \
             writer DB instance before you create a blue/green deployment.",
            cluster.id, cluster.group
        )));
    }
    let plan = target(world, &cluster, input)?;
    if world.clusters.len() >= create_cluster::MOST_CLUSTERS * world.quotas {
        return Err(Fault::new("DBClusterQuotaExceededFault", "The quota has been exceeded: DB clusters"));
    }
    let members = world.members(&cluster.resource_id).len();
    if world.instances.len() + members > instances::MOST_INSTANCES * world.quotas {
        return Err(Fault::new("InstanceQuotaExceeded", "The quota has been exceeded: DB instances"));
    }
    Ok((cluster, plan))
}

fn source_cluster(world: &World, source: &str) -> Result<Cluster, Fault> {
    let own = aws::arn_in(world.account, "rds", "");
    let resource = source.strip_prefix(&own);
    let resource = resource.ok_or_else(|| Fault::value(format!("Invalid source ARN: {source}")))?;
    match resource.split_once(':') {
        Some(("cluster", id)) => world.cluster(id).cloned(),
        Some(("db", id)) => {
            let instance = world.instance(id)?;
            Err(Fault::new(
                "SourceDatabaseNotSupportedFault",
                format!("DB instance {} is a member of a DB cluster. Specify the DB cluster.", instance.id),
            ))
        }
        _ => Err(Fault::value(format!("Invalid source ARN: {source}"))),
    }
}

/// The limitations that the guide lists (page blue-green-deployments-considerations).
fn fits(world: &World, cluster: &Cluster) -> Result<(), Fault> {
    cluster.available()?;
    let members = world.members(&cluster.resource_id);
    if members.is_empty() {
        return Err(Fault::cluster_state(format!("DB cluster {} has no DB instance.", cluster.id)));
    }
    for member in members {
        member.available()?;
    }
    if let Some(deployment) = world.deployment_of(&cluster.resource_id) {
        return Err(unsupported(format!(
            "DB cluster {} already takes part in the blue/green deployment {}.",
            cluster.id, deployment.id
        )));
    }
    // moto answers it with the same fault (getmoto/moto, moto/rds/models.py).
    if cluster.secret.is_some() {
        return Err(unsupported(format!(
            "DB cluster {} manages its master user password in Secrets Manager, which blue/green \
             deployments don't support.",
            cluster.id
        )));
    }
    // A global database may be a source by now; the sandbox runs none.
    let tied = [Tie::GlobalCluster, Tie::ServerlessV1, Tie::ZeroEtlIntegration];
    if let Some(tie) = tied.iter().find(|tie| cluster.ties.contains(tie)) {
        return Err(unsupported(format!(
            "DB cluster {} isn't supported for a blue/green deployment: {tie:?}.",
            cluster.id
        )));
    }
    let number = |part: usize| {
        cluster.engine_version.split('.').nth(part).and_then(|part| part.parse::<u32>().ok()).unwrap_or(0)
    };
    // 18 is in no copy of the list that was read: assumed to be a source as it is a target.
    let supported = SOURCES
        .iter()
        .find(|(major, _)| *major == number(0))
        .map_or(number(0) > 17, |(_, minor)| number(1) >= *minor);
    if !supported {
        return Err(unsupported(format!(
            "Blue/Green Deployments don't support the engine version {} of DB cluster {}.",
            cluster.engine_version, cluster.id
        )));
    }
    Ok(())
}

fn target(world: &World, cluster: &Cluster, input: &Input) -> Result<Plan, Fault> {
    let from = &cluster.engine_version;
    let wanted = input.text("TargetEngineVersion").filter(|version| version != from);
    let version = wanted.map(|wanted| {
        let newest = versions::newest_target(from, wanted).cloned();
        let target = newest.unwrap_or_else(|| wanted.to_owned());
        world.resolve(Some(&target))?;
        if !versions::targets(from).contains(&target) {
            let message = format!("Cannot upgrade aurora-postgresql from {from} to {target}");
            return Err(Fault::combination(message));
        }
        Ok(target)
    });
    let version = version.transpose()?;
    let major = versions::major(version.as_ref().unwrap_or(from));
    let is_major = major != versions::major(from);
    let family = families::family(major);
    for member in world.members(&cluster.resource_id) {
        versions::check_class(&member.class, version.as_ref().unwrap_or(from))?;
    }
    // Assumed by analogy with ModifyDBCluster: a group of the old family stays with nobody.
    let needed = |what: &str, name: &str| {
        Fault::combination(format!(
            "The current DB {what} parameter group {name} is custom. You must explicitly specify a new DB \
             {what} parameter group, either default or custom, for the engine version upgrade."
        ))
    };
    let cluster_group = match input.text("TargetDBClusterParameterGroupName") {
        Some(name) => world.fitting_group(Kind::CLUSTER, name, &family)?.name,
        None if is_major && !is_default(&cluster.group) => return Err(needed("cluster", &cluster.group)),
        None if is_major => default_name(&family),
        None => cluster.group.clone(),
    };
    let custom = || {
        let members = world.members(&cluster.resource_id).into_iter();
        members.map(|member| &member.group).find(|group| !is_default(group))
    };
    let instance_group = match (input.text("TargetDBParameterGroupName"), custom()) {
        (Some(name), _) => Some(world.fitting_group(Kind::INSTANCE, name, &family)?.name),
        (None, Some(name)) if is_major => return Err(needed("instance", name)),
        (None, None) if is_major => Some(default_name(&family)),
        (None, _) => None,
    };
    Ok(Plan { version, cluster_group, instance_group })
}
