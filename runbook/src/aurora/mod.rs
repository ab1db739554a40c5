//! What every state asks RDS about a cluster.

use aws_sdk_rds::types::{DbCluster, DbInstance, Filter};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use serde::Deserialize;

use crate::{Context, Error, Result, error::aws, postgres::Login};

/// `None` only when RDS says that there is no such cluster; a call that fails is an error, never
/// "gone".
pub async fn find_cluster(cx: &Context, id: &str) -> Result<Option<DbCluster>> {
    match cx.rds.describe_db_clusters().db_cluster_identifier(id).send().await {
        Ok(answer) => Ok(answer.db_clusters.unwrap_or_default().into_iter().next()),
        Err(error) if error.code() == Some("DBClusterNotFoundFault") => Ok(None),
        Err(error) => Err(aws("rds:DescribeDBClusters")(error)),
    }
}

pub async fn cluster(cx: &Context, id: &str) -> Result<DbCluster> {
    find_cluster(cx, id).await?.ok_or_else(|| {
        Error::Refused(format!(
            "there is no cluster {id:?} in this account and Region. Give the DB cluster identifier as the \
            RDS console shows it."
        ))
    })
}

/// Every cluster of the account and Region.
pub async fn clusters(cx: &Context) -> Result<Vec<DbCluster>> {
    let pages = cx.rds.describe_db_clusters().into_paginator().items().send();
    pages.collect::<std::result::Result<_, _>>().await.map_err(aws("rds:DescribeDBClusters"))
}

/// By the id that a rename keeps, among clusters that were described.
pub fn by_resource_id<'a>(clusters: &'a [DbCluster], resource_id: &str) -> Option<&'a DbCluster> {
    clusters.iter().find(|cluster| cluster.db_cluster_resource_id() == Some(resource_id))
}

/// By its name now. Right after a rename RDS answers to the old name with the new one
/// (hashicorp/terraform-provider-aws checks the same).
pub fn by_name<'a>(clusters: &'a [DbCluster], name: &str) -> Option<&'a DbCluster> {
    clusters.iter().find(|cluster| cluster.db_cluster_identifier() == Some(name))
}

/// The cluster's instances: readers first, the writer last (the order in which they may be
/// disturbed).
pub async fn members(cx: &Context, cluster: &DbCluster) -> Result<Vec<DbInstance>> {
    let id = cluster.db_cluster_identifier().unwrap_or_default();
    let filter = Filter::builder().name("db-cluster-id").values(id).build();
    let pages = cx.rds.describe_db_instances().filters(filter).into_paginator().items().send();
    let mut instances: Vec<DbInstance> =
        pages.collect::<std::result::Result<_, _>>().await.map_err(aws("rds:DescribeDBInstances"))?;
    let writer = writer(cluster).unwrap_or_default().to_owned();
    instances.sort_by_key(|instance| {
        let name = instance.db_instance_identifier().unwrap_or_default().to_owned();
        (name == writer, name)
    });
    Ok(instances)
}

pub fn writer(cluster: &DbCluster) -> Option<&str> {
    cluster
        .db_cluster_members()
        .iter()
        .find(|member| member.is_cluster_writer() == Some(true))?
        .db_instance_identifier()
}

/// What keeps the cluster or a member from being changed right now: `None` when everything is
/// `available`.
///
/// Statuses:
/// https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/accessing-monitoring.html#Aurora.Status
/// and Overview.DBInstance.Status. An unknown one is waited for until the deadline prints it.
pub fn busy(cluster: &DbCluster, members: &[DbInstance]) -> Option<String> {
    let status = cluster.status().unwrap_or("unknown");
    if status != "available" {
        return Some(format!(
            "cluster {} to be available (it is {status})",
            cluster.db_cluster_identifier().unwrap_or_default()
        ));
    }
    members.iter().find_map(|instance| {
        let status = instance.db_instance_status().unwrap_or("unknown");
        let name = instance.db_instance_identifier().unwrap_or_default();
        (status != "available").then(|| format!("instance {name} to be available (it is {status})"))
    })
}

/// The major version of `16.14` is 16.
pub fn major(version: &str) -> u32 {
    version.split('.').next().and_then(|major| major.parse().ok()).unwrap_or_default()
}

#[derive(Deserialize)]
struct Secret {
    username: String,
    password: String,
}

/// How a worker logs in to the writer: the secret named in the input, or the one that RDS manages
/// for the cluster.
pub async fn login(cx: &Context, cluster: &DbCluster, secret_arn: Option<&str>) -> Result<Login> {
    let name = cluster.db_cluster_identifier().unwrap_or_default();
    let managed = cluster.master_user_secret().and_then(|secret| secret.secret_arn());
    let arn = secret_arn.or(managed).ok_or_else(|| {
        Error::Refused(format!(
            "no secret is known to log in to {name}. Either let RDS manage the master password \
            (ManageMasterUserPassword), or name a secret \
             with username and password as \"secretArn\" in the input."
        ))
    })?;
    let answer = cx
        .secrets
        .get_secret_value()
        .secret_id(arn)
        .send()
        .await
        .map_err(aws("secretsmanager:GetSecretValue"))?;
    let secret: Secret = serde_json::from_str(answer.secret_string().unwrap_or_default()).map_err(|_| {
        Error::Refused(format!("secret {arn} must be a JSON object with \"username\" and \"password\""))
    })?;
    let host = cluster
        .endpoint()
        .ok_or_else(|| Error::NotReady(format!("cluster {name} to have an endpoint")))?
        .to_owned();
    let port = cluster.port().and_then(|port| u16::try_from(port).ok()).unwrap_or(5432);
    Ok(Login { host, port, user: secret.username, password: secret.password })
}
