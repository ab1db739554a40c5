//! A cluster's endpoints: its own two, and custom ones
//! (https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/Aurora.Endpoints.Custom.Considerations.html).
//! A custom one is a name; nobody is led by its lists of instances.

use serde_json::{Value, json};

use super::clusters::ACCOUNT_DOMAIN;
use super::error::Fault;
use super::model::{Cluster, World, identifier};
use super::paging::{Filters, page};
use super::query::Input;
use super::{Answer, Rds};
use crate::aws;

/// Of a cluster (page CHAP_Limits).
const MOST: usize = 5;

#[derive(Debug, Clone)]
pub struct CustomEndpoint {
    pub account: &'static str,
    pub resource_id: String,
    pub id: String,
    /// Resource id of its cluster.
    pub cluster: String,
    /// `READER`, `WRITER` or `ANY`.
    pub kind: String,
    pub members: Vec<String>,
    pub excluded: Vec<String>,
}

impl CustomEndpoint {
    pub fn arn(&self) -> String {
        aws::arn_in(self.account, "rds", &format!("cluster-endpoint:{}", self.id))
    }

    /// `reports.cluster-custom-….eu-west-1.rds.amazonaws.com`
    pub fn address(&self) -> String {
        format!("{}.cluster-custom-{ACCOUNT_DOMAIN}.{}.rds.amazonaws.com", self.id, aws::REGION)
    }
}

impl Rds {
    /// Assumed: it is available at once, and which faults its arguments meet.
    pub(super) fn create_db_cluster_endpoint(&self, input: &Input) -> Answer {
        let mut world = self.world();
        let cluster = world.cluster(input.required("DBClusterIdentifier")?)?.clone();
        cluster.available()?;
        let name = "DBClusterEndpointIdentifier";
        let id = identifier(name, input.required(name)?, 63)?;
        let kind = input.required("EndpointType")?.to_owned();
        if !["READER", "WRITER", "ANY"].contains(&kind.as_str()) {
            return Err(Fault::value(format!("Invalid EndpointType: {kind}")));
        }
        // "You can't reuse the same custom endpoint name for more than one cluster in the same
        // Region" (as above).
        if world.endpoints.values().any(|endpoint| endpoint.id == id) {
            let message = format!("DB cluster endpoint {id} already exists.");
            return Err(Fault::new("DBClusterEndpointAlreadyExistsFault", message));
        }
        if world.endpoints_of(&cluster.resource_id).count() >= MOST {
            let message = "The quota has been exceeded: custom endpoints of a DB cluster";
            return Err(Fault::new("DBClusterEndpointQuotaExceededFault", message));
        }
        let (members, excluded) = (input.texts("StaticMembers"), input.texts("ExcludedMembers"));
        for instance in members.iter().chain(&excluded) {
            world.instance(instance)?;
        }
        let endpoint = CustomEndpoint {
            account: world.account,
            resource_id: world.random_id("cluster-endpoint-"),
            id,
            cluster: cluster.resource_id.clone(),
            kind,
            members,
            excluded,
        };
        let answer = describe(&cluster, &endpoint);
        world.endpoints.insert(endpoint.resource_id.clone(), endpoint);
        Ok(answer)
    }

    pub(super) fn describe_db_cluster_endpoints(&self, input: &Input) -> Answer {
        const BY: [(&str, &str); 4] = [
            ("db-cluster-endpoint-type", "EndpointType"),
            ("db-cluster-endpoint-custom-type", "CustomEndpointType"),
            ("db-cluster-endpoint-id", "DBClusterEndpointIdentifier"),
            ("db-cluster-endpoint-status", "Status"),
        ];
        let filters = Filters::read(input, &BY.map(|(filter, _)| filter))?;
        let world = self.world();
        let clusters = match input.text("DBClusterIdentifier") {
            Some(id) => vec![world.cluster(id)?],
            None => world.clusters.values().filter(|cluster| !cluster.hidden).collect(),
        };
        let own = |cluster: &Cluster, kind: &str, prefix: &str| {
            json!({
                "DBClusterIdentifier": cluster.id,
                "Endpoint": self.endpoint(cluster, prefix),
                "Status": "available",
                "EndpointType": kind,
            })
        };
        let of = |cluster: &Cluster| {
            let custom = world.endpoints_of(&cluster.resource_id).map(|one| describe(cluster, one));
            let own = [own(cluster, "WRITER", "cluster-"), own(cluster, "READER", "cluster-ro-")];
            own.into_iter().chain(custom).collect::<Vec<_>>()
        };
        let mut found: Vec<Value> = clusters.into_iter().flat_map(of).collect();
        found.retain(|endpoint| {
            let text = |member: &str| endpoint[member].as_str().unwrap_or_default();
            BY.iter().all(|(filter, member)| filters.allow(filter, text(member)))
                && input
                    .text("DBClusterEndpointIdentifier")
                    .is_none_or(|id| id.eq_ignore_ascii_case(text("DBClusterEndpointIdentifier")))
        });
        page("DBClusterEndpoints", found, input)
    }
}

impl World {
    pub fn endpoints_of(&self, cluster: &str) -> impl Iterator<Item = &CustomEndpoint> {
        self.endpoints.values().filter(move |endpoint| endpoint.cluster == cluster)
    }
}

fn describe(cluster: &Cluster, endpoint: &CustomEndpoint) -> Value {
    json!({
        "DBClusterEndpointIdentifier": endpoint.id,
        "DBClusterIdentifier": cluster.id,
        "DBClusterEndpointResourceIdentifier": endpoint.resource_id,
        "Endpoint": endpoint.address(),
        "Status": "available",
        "EndpointType": "CUSTOM",
        "CustomEndpointType": endpoint.kind,
        "StaticMembers": endpoint.members,
        "ExcludedMembers": endpoint.excluded,
        "DBClusterEndpointArn": endpoint.arn(),
    })
}

#[cfg(test)]
mod tests {
    use super::super::testing::Sandbox;

    #[tokio::test(start_paused = true)]
    async fn a_custom_endpoint_shows_beside_the_clusters_own_two() {
        let sandbox = Sandbox::with_cluster().await;
        sandbox.create_cluster("users", "16.14", &[]).await;
        let create = |cluster, name| {
            [
                ("DBClusterIdentifier", cluster),
                ("DBClusterEndpointIdentifier", name),
                ("EndpointType", "READER"),
            ]
        };
        let made = sandbox.ok("CreateDBClusterEndpoint", &create("orders", "Reports")).await;
        assert!(made.text("Endpoint").starts_with("reports.cluster-custom-"), "{made:?}");
        let cluster = sandbox.cluster("orders").await;
        assert_eq!(cluster.element("CustomEndpoints").text("member"), made.text("Endpoint"));
        let all = sandbox.ok("DescribeDBClusterEndpoints", &[("DBClusterIdentifier", "orders")]).await;
        assert_eq!(all.all("EndpointType"), ["WRITER", "READER", "CUSTOM"]);
        let custom = [
            ("Filters.Filter.1.Name", "db-cluster-endpoint-type"),
            ("Filters.Filter.1.Values.Value.1", "custom"),
        ];
        let custom = sandbox.ok("DescribeDBClusterEndpoints", &custom).await;
        assert_eq!(custom.all("DBClusterEndpointIdentifier"), ["reports"]);

        let taken = sandbox.refused("CreateDBClusterEndpoint", &create("users", "reports")).await;
        assert_eq!(taken.0, "DBClusterEndpointAlreadyExistsFault");
        let unknown = [&create("orders", "other")[..], &[("StaticMembers.member.1", "users-1")]].concat();
        assert_eq!(sandbox.refused("CreateDBClusterEndpoint", &unknown).await.0, "DBInstanceNotFound");
        for name in ["b", "c", "d", "e"] {
            sandbox.ok("CreateDBClusterEndpoint", &create("orders", name)).await;
        }
        let many = sandbox.refused("CreateDBClusterEndpoint", &create("orders", "f")).await;
        assert_eq!(many.0, "DBClusterEndpointQuotaExceededFault");
    }
}
