//! RDS, as every state asks it: its answers parsed once into types of ours, one look-up of each
//! kind.

mod deployment;
mod families;
mod fault;
mod login;
mod types;
mod version;

use std::collections::BTreeMap;

use aws_sdk_rds::{
    config::retry::RetryConfig,
    types::{AccountQuota, Filter, Tag},
};

pub use deployment::{
    Deployment, Member, Phase, deployment_named, deployment_that_led_to, find_deployment, identifier, said_of,
};
pub use families::{Families, Family};
pub use fault::{Fault, is_denied, message};
pub use login::{login, read_login};
pub use types::{Cluster, Instance, ResourceId, Snapshot, Status, Tags};
pub use version::EngineVersion;

use crate::{
    Context, Error, Result,
    error::{Then, aws},
};

/// `None` only when RDS says that there is no such cluster; a call that fails is an error, never
/// "gone".
pub async fn find_cluster(cx: &Context, id: &str) -> Result<Option<Cluster>> {
    match cx.rds.describe_db_clusters().db_cluster_identifier(id).send().await {
        Ok(answer) => answer.db_clusters.into_iter().flatten().next().map(Cluster::parse).transpose(),
        Err(error) if Fault::of(&error) == Some(Fault::DBClusterNotFoundFault) => Ok(None),
        Err(error) => Err(aws("rds:DescribeDBClusters")(error)),
    }
}

pub async fn cluster(cx: &Context, id: &str) -> Result<Cluster> {
    find_cluster(cx, id).await?.ok_or_else(|| {
        Error::refused(format!("there is no cluster {id:?} in this account and Region"))
            .fix("give the DB cluster identifier as the RDS console shows it")
            .then(Then::StartAgain)
    })
}

/// Every cluster of the account and Region.
pub async fn clusters(cx: &Context) -> Result<Vec<Cluster>> {
    let pages = for_lists(cx).describe_db_clusters().into_paginator().items().send();
    let all = pages.try_collect().await.map_err(aws("rds:DescribeDBClusters"))?;
    all.into_iter().map(Cluster::parse).collect()
}

/// A list is as many calls as the account has hundreds. Where others use up the account's limit
/// some are throttled, and a next look would ask for those before them again; so the page is asked
/// for again, for 15 seconds in the middle and 31 at most
/// (https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html).
fn for_lists(cx: &Context) -> aws_sdk_rds::Client {
    let config = cx.rds.config();
    let retry = config.retry_config().cloned().unwrap_or_else(RetryConfig::standard);
    aws_sdk_rds::Client::from_conf(config.to_builder().retry_config(retry.with_max_attempts(6)).build())
}

/// Those of them that there are: one call, whatever else the account has.
pub async fn clusters_of(
    cx: &Context,
    ids: impl IntoIterator<Item = &ResourceId> + Send,
) -> Result<Vec<Cluster>> {
    let ids = ids.into_iter().map(ToString::to_string).collect();
    let filter = Filter::builder().name("db-cluster-resource-id").set_values(Some(ids)).build();
    match cx.rds.describe_db_clusters().filters(filter).into_paginator().items().send().try_collect().await {
        Ok(found) => found.into_iter().map(Cluster::parse).collect(),
        // A filter shows nothing where an identifier is this fault (floci-io/floci#1740); the API
        // reference does not say it.
        Err(error) if Fault::of(&error) == Some(Fault::DBClusterNotFoundFault) => clusters(cx).await,
        Err(error) => Err(aws("rds:DescribeDBClusters")(error)),
    }
}

/// By the id that a rename keeps, among clusters that were described.
pub fn by_resource_id<'a>(clusters: &'a [Cluster], id: &ResourceId) -> Option<&'a Cluster> {
    clusters.iter().find(|cluster| cluster.resource_id == *id)
}

/// By its name now. Right after a rename RDS answers to the old name with the new one
/// (hashicorp/terraform-provider-aws checks the same).
pub fn by_name<'a>(clusters: &'a [Cluster], name: &str) -> Option<&'a Cluster> {
    clusters.iter().find(|cluster| cluster.id == name)
}

/// Every instance of the account and Region.
pub async fn instances(cx: &Context) -> Result<Vec<Instance>> {
    let pages = for_lists(cx).describe_db_instances().into_paginator().items().send();
    let all = pages.try_collect().await.map_err(aws("rds:DescribeDBInstances"))?;
    all.into_iter().map(Instance::parse).collect()
}

/// `None` only when RDS says that there is no such instance, or that it has another name now.
pub async fn find_instance(cx: &Context, id: &str) -> Result<Option<Instance>> {
    let found = match cx.rds.describe_db_instances().db_instance_identifier(id).send().await {
        Ok(answer) => answer.db_instances.into_iter().flatten().next().map(Instance::parse).transpose()?,
        Err(error) if Fault::of(&error) == Some(Fault::DBInstanceNotFound) => None,
        Err(error) => return Err(aws("rds:DescribeDBInstances")(error)),
    };
    Ok(found.filter(|instance| instance.id == id))
}

/// The cluster's instances: readers first, the writer last (the order in which they may be
/// disturbed).
pub async fn members(cx: &Context, cluster: &Cluster) -> Result<Vec<Instance>> {
    let filter = Filter::builder().name("db-cluster-id").values(&cluster.id).build();
    let pages = cx.rds.describe_db_instances().filters(filter).into_paginator().items().send();
    let all = pages.try_collect().await.map_err(aws("rds:DescribeDBInstances"))?;
    let mut members: Vec<Instance> = all.into_iter().map(Instance::parse).collect::<Result<_>>()?;
    members.sort_by_key(|member| (Some(member.id.as_str()) == cluster.writer(), member.id.clone()));
    Ok(members)
}

/// What the account may have in the Region, and has, by the names of botocore rds 2014-10-31,
/// AccountQuota.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    pub used: i64,
    pub most: i64,
}

impl Quota {
    pub fn left(self) -> i64 {
        self.most.saturating_sub(self.used)
    }
}

pub async fn quotas(cx: &Context) -> Result<BTreeMap<String, Quota>> {
    let answer = cx.rds.describe_account_attributes().send().await;
    let answer = answer.map_err(aws("rds:DescribeAccountAttributes"))?;
    let quota = |quota: AccountQuota| {
        Some((quota.account_quota_name?, Quota { used: quota.used?, most: quota.max? }))
    };
    Ok(answer.account_quotas.into_iter().flatten().filter_map(quota).collect())
}

/// `None` only when RDS says that there is no such snapshot.
pub async fn find_snapshot(cx: &Context, id: &str) -> Result<Option<Snapshot>> {
    match cx.rds.describe_db_cluster_snapshots().db_cluster_snapshot_identifier(id).send().await {
        Ok(answer) => {
            answer.db_cluster_snapshots.into_iter().flatten().next().map(Snapshot::parse).transpose()
        }
        Err(error) if Fault::of(&error) == Some(Fault::DBClusterSnapshotNotFoundFault) => Ok(None),
        Err(error) => Err(aws("rds:DescribeDBClusterSnapshots")(error)),
    }
}

/// The manual snapshots of the account and Region.
pub async fn manual_snapshots(cx: &Context) -> Result<Vec<Snapshot>> {
    let of_kind = for_lists(cx).describe_db_cluster_snapshots().snapshot_type("manual");
    let pages = of_kind.into_paginator().items().send();
    let all = pages.try_collect().await.map_err(aws("rds:DescribeDBClusterSnapshots"))?;
    all.into_iter().map(Snapshot::parse).collect()
}

/// Begins a manual snapshot. Whose the name is shows at the next look.
pub async fn begin_snapshot(cx: &Context, cluster: &str, name: &str, tags: Vec<Tag>) -> Result<()> {
    let create = cx.rds.create_db_cluster_snapshot().db_cluster_identifier(cluster);
    let create = create.db_cluster_snapshot_identifier(name).set_tags(Some(tags));
    let Err(error) = create.send().await else { return Ok(()) };
    match Fault::of(&error) {
        Some(Fault::DBClusterSnapshotAlreadyExistsFault) => Ok(()),
        Some(Fault::SnapshotQuotaExceeded) => Err(Error::refused(format!(
            "the account has no room for another manual snapshot: {}",
            message(&error)
        ))
        .changed("nothing by this state")
        .fix("delete old ones or raise the quota")),
        _ => Err(aws("rds:CreateDBClusterSnapshot")(error)),
    }
}

/// Waits until neither the cluster nor a member is being changed. An unknown status is waited for
/// until the deadline prints it.
pub fn ready(cluster: &Cluster, members: &[Instance]) -> Result<()> {
    if cluster.status != Status::Available {
        return Err(Error::NotReady(format!(
            "cluster {} to be available (it is {})",
            cluster.id, cluster.status
        )));
    }
    match members.iter().find(|member| member.status != Status::Available) {
        Some(member) => {
            Err(Error::NotReady(format!("instance {} to be available (it is {})", member.id, member.status)))
        }
        None => Ok(()),
    }
}
