//! What RDS shows of the account: whom an upgrade is for, and for how many clones there is room.

use aws_sdk_rds::types::{BlueGreenDeployment, GlobalCluster};
use runbook::{
    Context, Result,
    aurora::{self, Cluster, Quota, Status},
    error::aws,
    major_upgrade::MANAGED_BY,
};

use crate::major_upgrade::ties::{self, Ties};

/// What RDS shows of the account, asked once for all clusters.
pub struct Account {
    pub clusters: Vec<Cluster>,
    global: Vec<GlobalCluster>,
    deployments: Vec<BlueGreenDeployment>,
}

impl Account {
    pub async fn look(cx: &Context) -> Result<Self> {
        let global = cx.rds.describe_global_clusters().into_paginator().items().send();
        let deployments = cx.rds.describe_blue_green_deployments().into_paginator().items().send();
        Ok(Self {
            clusters: aurora::clusters(cx).await?,
            global: global.try_collect().await.map_err(aws("rds:DescribeGlobalClusters"))?,
            deployments: deployments.try_collect().await.map_err(aws("rds:DescribeBlueGreenDeployments"))?,
        })
    }

    /// Whether an owner's upgrade is for this cluster, and now; or why not.
    pub fn fits(&self, cluster: &Cluster) -> std::result::Result<(), String> {
        let Cluster { id, arn, tags, shown, .. } = cluster;
        ties::check(cluster).map_err(|error| error.reason())?;
        let ties = Ties::of(arn, &self.global, &self.deployments, &[]);
        if let Some(tie) = ties.findings(cluster, true).map_err(|error| error.reason())?.first() {
            return Err(format!("{}: {}", tie.id(), tie.reason));
        }
        if tags.is(MANAGED_BY.0, MANAGED_BY.1) {
            return Err("a runbook has made it: the next run makes it again of an upgraded cluster".into());
        }
        // Tags are copied to green, and stay with what a switchover has replaced
        // (https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/blue-green-deployments-overview.html).
        if let Some(source) = shown.replication_source_identifier().filter(|source| !source.is_empty()) {
            return Err(format!("it is a replica of {source}"));
        }
        let of_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let former = id.rsplit_once("-old").filter(|(_, number)| of_digits(number));
        if let Some((plain, _)) = former
            && aurora::by_name(&self.clusters, plain).is_some()
        {
            return Err(format!("a blue/green deployment has replaced it by {plain}"));
        }
        if cluster.status != Status::Available {
            return Err(format!("it is {}", cluster.status));
        }
        if shown.master_user_secret().is_none() {
            return Err("RDS does not manage its master password, and a fleet has no secret for each: \
                        upgrade it by itself, with secretArn"
                .into());
        }
        Ok(())
    }
}

/// For how many rehearsals side by side the account has room.
pub struct Room {
    pub clones: usize,
    /// The quota that says so, as `47 of 50 DBClusterParameterGroups`.
    pub quota: String,
}

/// What a rehearsal makes for as long as it runs: the clone, its instance, and their groups of the
/// old and of the new version.
const OF_A_REHEARSAL: [(&str, i64); 4] =
    [("DBClusters", 1), ("DBInstances", 1), ("DBClusterParameterGroups", 2), ("DBParameterGroups", 2)];

impl Room {
    pub async fn look(cx: &Context) -> Result<Self> {
        let quotas = aurora::quotas(cx).await?;
        let rooms = OF_A_REHEARSAL.iter().filter_map(|(name, needed)| {
            let quota = quotas.get(*name)?;
            let Quota { used, most } = quota;
            let clones = usize::try_from(quota.left() / needed).unwrap_or_default();
            Some(Self { clones, quota: format!("{used} of {most} {name}") })
        });
        let least = rooms.min_by_key(|room| room.clones);
        Ok(least.unwrap_or(Self { clones: usize::MAX, quota: String::new() }))
    }
}
