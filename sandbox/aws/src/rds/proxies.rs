//! RDS Proxies, as far as they show what they lead to
//! (https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/rds-proxy.html). No connection
//! goes through one: a test's world plants them with [`Rds::plant_proxy`].

use serde_json::{Value, json};

use super::clusters::ACCOUNT_DOMAIN;
use super::error::Fault;
use super::model::World;
use super::paging::{Filters, page};
use super::query::Input;
use super::{Answer, Rds};
use crate::aws;

#[derive(Debug, Clone)]
pub struct Proxy {
    /// What its ARN ends in.
    id: String,
    /// Resource id of its one target: a cluster, or an instance alone.
    pub target: String,
}

impl Rds {
    /// A proxy whose target is the cluster or the instance of that identifier.
    pub fn plant_proxy(&self, name: &str, target: &str) -> anyhow::Result<()> {
        let mut world = self.world();
        let cluster = world.cluster(target).map(|cluster| cluster.resource_id.clone());
        let target = cluster.or_else(|_| world.instance(target).map(|instance| instance.resource_id.clone()));
        let target = target.map_err(|fault| anyhow::anyhow!("{}", fault.message))?;
        let id = world.random_id("prx-").to_lowercase();
        world.proxies.insert(name.to_owned(), Proxy { id, target });
        Ok(())
    }

    /// "Filters: This parameter is not currently supported" (botocore rds 2014-10-31).
    pub(super) fn describe_db_proxies(&self, input: &Input) -> Answer {
        Filters::read(input, &[])?;
        let world = self.world();
        let found: Vec<Value> = match input.text("DBProxyName") {
            Some(name) => vec![describe(&world, name, world.proxy(name)?)],
            None => world.proxies.iter().map(|(name, proxy)| describe(&world, name, proxy)).collect(),
        };
        page("DBProxies", found, input)
    }

    /// A cluster and, beside it, each of its instances (AuroraUserGuide, rds-proxy: the example of
    /// describe-db-proxy-targets, whose instances have no TrackedClusterId).
    pub(super) fn describe_db_proxy_targets(&self, input: &Input) -> Answer {
        Filters::read(input, &[])?;
        let world = self.world();
        let proxy = world.proxy(input.required("DBProxyName")?)?;
        if let Some(group) = input.text("TargetGroupName").filter(|group| *group != "default") {
            let message = format!("DBProxyTargetGroup {group} not found.");
            return Err(Fault::new("DBProxyTargetGroupNotFoundFault", message));
        }
        let mut members = world.members(&proxy.target);
        members.extend(world.instances.get(&proxy.target));
        let instances = members.into_iter().map(|instance| {
            let cluster = world.clusters.get(&instance.cluster);
            let is_writer = cluster.is_some_and(|one| one.writer.as_ref() == Some(&instance.resource_id));
            json!({
                "RdsResourceId": instance.id,
                "Port": cluster.map(|cluster| cluster.port),
                "Type": "RDS_INSTANCE",
                "Role": if is_writer { "READ_WRITE" } else { "READ_ONLY" },
                "TargetHealth": {"State": "AVAILABLE"},
            })
        });
        let tracked = world
            .clusters
            .get(&proxy.target)
            .map(|cluster| json!({"RdsResourceId": cluster.id, "Port": 0, "Type": "TRACKED_CLUSTER"}));
        page("Targets", tracked.into_iter().chain(instances).collect(), input)
    }
}

impl World {
    fn proxy(&self, name: &str) -> Result<&Proxy, Fault> {
        self.proxies
            .get(name)
            .ok_or_else(|| Fault::new("DBProxyNotFoundFault", format!("DBProxy {name} not found.")))
    }
}

fn describe(world: &World, name: &str, proxy: &Proxy) -> Value {
    json!({
        "DBProxyName": name,
        "DBProxyArn": aws::arn_in(world.account, "rds", &format!("db-proxy:{}", proxy.id)),
        "Status": "available",
        "EngineFamily": "POSTGRESQL",
        "Endpoint": format!("{name}.proxy-{ACCOUNT_DOMAIN}.{}.rds.amazonaws.com", aws::REGION),
        "RequireTLS": true,
        "IdleClientTimeout": 1800,
        "DebugLogging": false,
    })
}

#[cfg(test)]
mod tests {
    use super::super::testing::Sandbox;

    #[tokio::test(start_paused = true)]
    async fn a_proxy_shows_its_cluster_beside_the_instances_or_the_instance_alone() {
        let sandbox = Sandbox::with_cluster().await;
        assert!(sandbox.rds.plant_proxy("none", "nobody").is_err());
        sandbox.rds.plant_proxy("app", "orders").unwrap();
        sandbox.rds.plant_proxy("batch", "orders-2").unwrap();
        let proxies = sandbox.ok("DescribeDBProxies", &[]).await;
        assert_eq!(proxies.all("DBProxyName"), ["app", "batch"]);
        let targets = async |name| sandbox.ok("DescribeDBProxyTargets", &[("DBProxyName", name)]).await;
        let of_cluster = targets("app").await;
        assert_eq!(of_cluster.all("RdsResourceId"), ["orders", "orders-1", "orders-2"]);
        assert_eq!(of_cluster.all("Type"), ["TRACKED_CLUSTER", "RDS_INSTANCE", "RDS_INSTANCE"]);
        assert_eq!(of_cluster.all("Role"), ["READ_WRITE", "READ_ONLY"]);
        assert_eq!(targets("batch").await.all("RdsResourceId"), ["orders-2"]);
        let unknown = sandbox.refused("DescribeDBProxyTargets", &[("DBProxyName", "none")]).await;
        assert_eq!(unknown.0, "DBProxyNotFoundFault");
    }
}
