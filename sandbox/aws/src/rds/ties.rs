//! What ties a cluster to more than itself: a global cluster, an activity stream, a blue/green
//! deployment, a zero-ETL integration, Babelfish, Serverless v1. But for the deployment the sandbox
//! runs none of them: a test's world plants one with [`Rds::tie`], and it shows wherever RDS would
//! show it (botocore rds 2014-10-31).

use serde_json::{Value, json};

use super::error::Fault;
use super::model::{Cluster, ENGINE, Setting, World, stamp};
use super::paging::{Filters, page};
use super::parameter_groups::default_name;
use super::query::Input;
use super::{Answer, Rds, families, versions};
use crate::aws;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tie {
    GlobalCluster,
    ActivityStream,
    /// Green as it is when all of it has been made.
    BlueGreenDeployment,
    ZeroEtlIntegration,
    /// Only the cluster's parameter group tells: `rds.babelfish_status`
    /// (https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/babelfish-create.html).
    Babelfish,
    ServerlessV1,
}

impl Rds {
    pub fn tie(&self, cluster: &str, tie: Tie) -> anyhow::Result<()> {
        if tie == Tie::BlueGreenDeployment {
            return self.plant_deployment(cluster);
        }
        let mut world = self.world();
        let found = world.cluster_mut(cluster).map_err(|fault| anyhow::anyhow!("{}", fault.message))?;
        found.ties.insert(tie);
        if tie == Tie::Babelfish {
            let mut group = found.group.clone();
            if group == default_name(&families::family(versions::major(&found.engine_version))) {
                group = format!("{}-babelfish", found.id);
                found.group.clone_from(&group);
                let family = families::family(versions::major(&found.engine_version));
                let made = super::model::Group {
                    name: group.clone(),
                    family,
                    description: "turns Babelfish on".into(),
                    values: Default::default(),
                    tags: Default::default(),
                };
                world.cluster_groups.insert(group.clone(), made);
            }
            let on = Setting { value: "on".into(), apply: "pending-reboot".into() };
            if let Some(group) = world.cluster_groups.get_mut(&group) {
                group.values.insert("rds.babelfish_status".into(), on);
            }
        }
        Ok(())
    }

    /// The model knows the filter `region` only; Terraform's provider asks by `db-cluster-id`, with
    /// the member's ARN, and AWS answers it.
    pub(super) fn describe_global_clusters(&self, input: &Input) -> Answer {
        let filters = Filters::read(input, &["db-cluster-id", "region"])?;
        let world = self.world();
        let mut found: Vec<&Cluster> = tied(&world, Tie::GlobalCluster)
            .filter(|cluster| {
                filters.allow("db-cluster-id", &cluster.id) && filters.allow("region", aws::REGION)
            })
            .collect();
        if let Some(wanted) = input.text("GlobalClusterIdentifier").filter(|id| !id.is_empty()) {
            found.retain(|cluster| global_name(cluster) == wanted.to_lowercase());
            if found.is_empty() {
                let message = format!("Global cluster {wanted} not found");
                return Err(Fault::new("GlobalClusterNotFoundFault", message));
            }
        }
        page("GlobalClusters", found.into_iter().map(describe_global).collect(), input)
    }

    /// The filters are those of the AWS CLI's page of describe-integrations.
    pub(super) fn describe_integrations(&self, input: &Input) -> Answer {
        let filters = Filters::read(input, &["integration-arn", "integration-name", "source-arn", "status"])?;
        let world = self.world();
        let wanted = input.text("IntegrationIdentifier");
        let found: Vec<Value> = tied(&world, Tie::ZeroEtlIntegration)
            .map(|cluster| describe_integration(&world, cluster))
            .filter(|integration| {
                let text = |member: &str| integration[member].as_str().unwrap_or_default();
                filters.allow("integration-arn", text("IntegrationArn"))
                    && filters.allow("integration-name", text("IntegrationName"))
                    && filters.allow("source-arn", text("SourceArn"))
                    && filters.allow("status", text("Status"))
                    && wanted.is_none_or(|id| [text("IntegrationArn"), text("IntegrationName")].contains(&id))
            })
            .collect();
        if let (Some(id), true) = (wanted, found.is_empty()) {
            return Err(Fault::new("IntegrationNotFoundFault", format!("Integration {id} not found.")));
        }
        page("Integrations", found, input)
    }
}

fn tied(world: &World, tie: Tie) -> impl Iterator<Item = &Cluster> {
    world.clusters.values().filter(move |cluster| !cluster.hidden && cluster.ties.contains(&tie))
}

fn global_name(cluster: &Cluster) -> String {
    format!("{}-global", cluster.id)
}

fn describe_global(cluster: &Cluster) -> Value {
    let name = global_name(cluster);
    json!({
        "GlobalClusterIdentifier": name,
        "GlobalClusterResourceId": cluster.resource_id.to_lowercase(),
        // A global cluster belongs to no Region.
        "GlobalClusterArn": format!("arn:aws:rds::{}:global-cluster:{name}", cluster.account),
        "Status": "available",
        "Engine": ENGINE,
        "EngineVersion": cluster.engine_version,
        "EngineLifecycleSupport": cluster.lifecycle_support,
        "StorageEncrypted": cluster.storage_encrypted,
        "DeletionProtection": false,
        "GlobalClusterMembers": [{"DBClusterArn": cluster.arn(), "Readers": [], "IsWriter": true}],
        "TagList": [],
    })
}

fn describe_integration(world: &World, cluster: &Cluster) -> Value {
    json!({
        "IntegrationName": format!("{}-integration", cluster.id),
        "IntegrationArn": aws::arn_in(world.account, "rds", &format!("integration:{}", cluster.clone_group)),
        "SourceArn": cluster.arn(),
        "TargetArn": aws::arn_in(world.account, "redshift-serverless", "namespace/warehouse"),
        "Status": "active",
        "CreateTime": stamp(cluster.created),
        "Errors": [],
    })
}

/// What the cluster itself shows of its ties.
pub fn describe(cluster: &Cluster) -> Value {
    let tied = |tie| cluster.ties.contains(&tie);
    let stream = tied(Tie::ActivityStream);
    let first = tied(Tie::ServerlessV1);
    json!({
        "GlobalClusterIdentifier": tied(Tie::GlobalCluster).then(|| global_name(cluster)),
        "ActivityStreamStatus": if stream { "started" } else { "stopped" },
        "ActivityStreamMode": stream.then_some("async"),
        "ActivityStreamKinesisStreamName": stream.then(|| format!("aws-rds-das-{}", cluster.resource_id)),
        "EngineMode": if first { "serverless" } else { "provisioned" },
        "Capacity": first.then_some(2),
        "ScalingConfigurationInfo": first.then(|| {
            json!({"MinCapacity": 2, "MaxCapacity": 8, "AutoPause": true, "SecondsUntilAutoPause": 300})
        }),
    })
}

#[cfg(test)]
mod tests {
    use super::super::testing::Sandbox;
    use super::Tie;

    #[tokio::test(start_paused = true)]
    async fn a_cluster_on_its_own_is_tied_to_nothing() {
        let sandbox = Sandbox::with_cluster().await;
        for (action, element) in [
            ("DescribeGlobalClusters", "GlobalClusterMember"),
            ("DescribeBlueGreenDeployments", "BlueGreenDeploymentIdentifier"),
            ("DescribeIntegrations", "IntegrationArn"),
        ] {
            assert!(sandbox.ok(action, &[]).await.all(element).is_empty(), "{action}");
        }
        let cluster = sandbox.cluster("orders").await;
        assert_eq!(
            (cluster.text("ActivityStreamStatus"), cluster.text("EngineMode")),
            ("stopped", "provisioned")
        );
        let wanted = [("GlobalClusterIdentifier", "world")];
        assert_eq!(sandbox.refused("DescribeGlobalClusters", &wanted).await.0, "GlobalClusterNotFoundFault");
    }

    #[tokio::test(start_paused = true)]
    async fn each_tie_shows_where_rds_shows_it() {
        let sandbox = Sandbox::with_cluster().await;
        let arn = crate::aws::arn("rds", "cluster:orders");
        for tie in [
            Tie::GlobalCluster,
            Tie::ActivityStream,
            Tie::BlueGreenDeployment,
            Tie::ZeroEtlIntegration,
            Tie::Babelfish,
            Tie::ServerlessV1,
        ] {
            sandbox.rds.tie("orders", tie).unwrap();
        }
        let by =
            |filter, value| [("Filters.Filter.1.Name", filter), ("Filters.Filter.1.Values.Value.1", value)];
        let global = sandbox.ok("DescribeGlobalClusters", &by("db-cluster-id", &arn)).await;
        assert_eq!((global.text("DBClusterArn"), global.text("IsWriter")), (&*arn, "true"));
        let other = sandbox.ok("DescribeGlobalClusters", &by("db-cluster-id", "other")).await;
        assert!(other.all("DBClusterArn").is_empty());
        let deployment = sandbox.ok("DescribeBlueGreenDeployments", &by("source", &arn)).await;
        assert_eq!((deployment.text("Source"), deployment.text("Status")), (&*arn, "AVAILABLE"));
        let integration = sandbox.ok("DescribeIntegrations", &by("source-arn", &arn)).await;
        assert_eq!((integration.text("SourceArn"), integration.text("Status")), (&*arn, "active"));

        let cluster = sandbox.cluster("orders").await;
        assert_eq!(cluster.text("GlobalClusterIdentifier"), global.text("GlobalClusterIdentifier"));
        assert_eq!(
            (cluster.text("ActivityStreamStatus"), cluster.text("EngineMode")),
            ("started", "serverless")
        );
        let group = ("DBClusterParameterGroupName", cluster.text("DBClusterParameterGroup"));
        let set = sandbox.ok("DescribeDBClusterParameters", &[group, ("Source", "user")]).await;
        assert_eq!((set.text("ParameterName"), set.text("ParameterValue")), ("rds.babelfish_status", "on"));
    }
}
