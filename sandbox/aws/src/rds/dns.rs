//! Where an endpoint's name leads. It follows a rename late: clients keep the old name's address
//! for minutes, and "the new DNS name becomes effective in about 10 minutes" (AmazonRDS UserGuide,
//! USER_RenameInstance).
//!
//! Only the model gear's endpoints have names; real servers are told apart by their addresses.

use std::time::Duration;

use jiff::Timestamp;

use super::Rds;
use super::model::{Cluster, World};

#[derive(Debug, Clone)]
pub struct Record {
    name: String,
    /// The cluster's resource id.
    leads_to: String,
    from: Timestamp,
    until: Timestamp,
}

const KINDS: [&str; 2] = ["cluster-", "cluster-ro-"];

impl Rds {
    /// The DbClusterResourceId of the cluster that a client who connects to that name now gets to.
    pub fn resolve(&self, endpoint: &str) -> Option<String> {
        let now = self.clock.now();
        let world = self.world();
        let records = || world.dns.iter().filter(|record| record.name == endpoint);
        if let Some(record) = records()
            .filter(|record| record.from <= now && now < record.until)
            .max_by_key(|record| record.from)
        {
            return Some(record.leads_to.clone());
        }
        let named = |cluster: &&Cluster| KINDS.iter().any(|kind| self.endpoint(cluster, kind) == endpoint);
        let found = world.clusters.values().find(|cluster| cluster.status != "creating" && named(cluster))?;
        let late = records().any(|record| record.leads_to == found.resource_id && now < record.from);
        (!late).then(|| found.resource_id.clone())
    }

    /// Notes that the cluster has another name than it had.
    pub(super) fn rename_endpoints(
        &self,
        world: &mut World,
        before: &Cluster,
        now: &Cluster,
        delay: Duration,
    ) {
        let (at, effective) = (self.clock.now(), self.clock.now() + delay);
        for kind in KINDS {
            let record = |cluster, from, until| Record {
                name: self.endpoint(cluster, kind),
                leads_to: now.resource_id.clone(),
                from,
                until,
            };
            world.dns.push(record(before, at, effective));
            world.dns.push(record(now, effective, effective));
        }
        world.dns.retain(|record| at < record.until);
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::Sandbox;

    #[tokio::test(start_paused = true)]
    async fn a_swapped_name_leads_to_the_old_cluster_for_some_minutes() {
        let sandbox = Sandbox::new();
        for cluster in ["orders", "orders-new"] {
            sandbox.create_cluster(cluster, "16.14", &[]).await;
        }
        let id = async |name: &str| sandbox.cluster(name).await.text("DbClusterResourceId").to_owned();
        let (old, new) = (id("orders").await, id("orders-new").await);
        let endpoint = sandbox.cluster("orders").await.text("Endpoint").to_owned();
        let fresh_endpoint = sandbox.cluster("orders-new").await.text("Endpoint").to_owned();
        assert_eq!(sandbox.rds.resolve(&endpoint), Some(old.clone()));
        let rename = |from, to| {
            [("DBClusterIdentifier", from), ("NewDBClusterIdentifier", to), ("ApplyImmediately", "true")]
        };
        sandbox.ok("ModifyDBCluster", &rename("orders", "orders-old")).await;
        sandbox.pass(70).await;
        sandbox.ok("ModifyDBCluster", &rename("orders-new", "orders")).await;
        sandbox.pass(70).await;
        assert_eq!(id("orders").await, new);
        assert_eq!(sandbox.cluster("orders").await.text("Endpoint"), endpoint);
        assert_eq!(sandbox.rds.resolve(&endpoint), Some(old.clone()), "still");
        assert_eq!(sandbox.rds.resolve(&fresh_endpoint), Some(new.clone()));
        sandbox.pass(700).await;
        assert_eq!(sandbox.rds.resolve(&endpoint), Some(new));
        assert_eq!(sandbox.rds.resolve(&fresh_endpoint), None);
        assert_eq!(sandbox.rds.resolve(&endpoint.replacen("orders", "orders-old", 1)), Some(old));
    }
}
