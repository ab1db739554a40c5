//! Green's cluster, instances and custom endpoints as the account shows them.

use crate::rds::Rds;
use crate::rds::endpoints::CustomEndpoint;
use crate::rds::error::Fault;
use crate::rds::model::{Cluster, ClusterPending, Instance, World};
use crate::rds::network::free_port;

use super::Part;
use super::checks::Plan;

/// RDS's longest identifier of a cluster or an instance. What becomes of a name for which `-green-`
/// is too much, no page says: here its end goes.
const LONGEST: usize = 63;

/// `orders-green-3rnukl`: every member has letters of its own (AWS CLI, example of
/// describe-blue-green-deployments).
fn green_name(world: &mut World, blue: &str) -> String {
    named(blue, &format!("-green-{}", world.random_letters(6)))
}

pub fn named(id: &str, suffix: &str) -> String {
    let room = LONGEST - suffix.len();
    let kept = id.get(..room).unwrap_or(id).trim_end_matches('-');
    format!("{kept}{suffix}")
}

impl Rds {
    /// Green's cluster, as far as RDS copies blue: tags and settings, but neither roles nor a
    /// managed password (page blue-green-deployments-considerations). Assumed: deletion protection
    /// is copied.
    pub(super) fn add_green_cluster(
        &self,
        world: &mut World,
        blue: &Cluster,
        plan: &Plan,
    ) -> Result<Part, Fault> {
        let (address, port, listener) = self.door(blue.port)?;
        let mut green = Cluster {
            resource_id: world.random_id("cluster-"),
            id: green_name(world, &blue.id),
            status: "creating",
            address,
            port,
            server_port: if listener.is_some() { free_port()?.0 } else { port },
            secret: None,
            waiting_password: None,
            writer: None,
            pending: ClusterPending::default(),
            roles: Default::default(),
            upgrade_accepted: false,
            running: false,
            hidden: false,
            echo: None,
            read_only: true,
            created: self.clock.now(),
            ties: Default::default(),
            ..blue.clone()
        };
        if plan.version.is_none() {
            green.group.clone_from(&plan.cluster_group);
        }
        if let Some(listener) = listener {
            self.open_door(&green, listener)
                .map_err(|error| Fault::new("InternalFailure", format!("open an endpoint: {error}")))?;
        }
        let part = Part { resource_id: green.resource_id.clone(), arn: green.arn() };
        world.clusters.insert(green.resource_id.clone(), green);
        Ok(part)
    }

    /// The twin of one of blue's instances, in green's cluster.
    pub(super) fn add_green_instance(
        &self,
        world: &mut World,
        blue: &str,
        green: &str,
        plan: &Plan,
    ) -> Option<Part> {
        let twin = world.instances.get(blue)?.clone();
        let cluster = world.clusters.get(green)?.clone();
        let group = plan.instance_group.clone().unwrap_or_else(|| twin.group.clone());
        let instance = Instance {
            resource_id: world.random_id("db-"),
            id: green_name(world, &twin.id),
            cluster: green.to_owned(),
            status: "creating",
            engine_version: cluster.engine_version.clone(),
            group: if cluster.engine_version == twin.engine_version && plan.version.is_some() {
                // It is made before the upgrade, which brings the new group.
                twin.group.clone()
            } else {
                group
            },
            group_status: "in-sync",
            cluster_group_status: "in-sync",
            pending_class: None,
            created: self.clock.now(),
            hidden: false,
            echo: None,
            logs: Default::default(),
            ..twin
        };
        let part = Part { resource_id: instance.resource_id.clone(), arn: instance.arn() };
        if let Some(cluster) = world.clusters.get_mut(green) {
            cluster.writer.get_or_insert_with(|| instance.resource_id.clone());
        }
        world.instances.insert(instance.resource_id.clone(), instance);
        Some(part)
    }
}

/// The twin of one of blue's custom endpoints. Assumed: it has no list of instances; the guide
/// only advises against endpoints with one (page blue-green-deployments-switching).
pub fn add_green_endpoint(world: &mut World, blue: &str, green: &str) -> Option<Part> {
    let twin = world.endpoints.get(blue)?.clone();
    let endpoint = CustomEndpoint {
        resource_id: world.random_id("cluster-endpoint-"),
        id: green_name(world, &twin.id),
        cluster: green.to_owned(),
        members: Vec::new(),
        excluded: Vec::new(),
        ..twin
    };
    let part = Part { resource_id: endpoint.resource_id.clone(), arn: endpoint.arn() };
    world.endpoints.insert(endpoint.resource_id.clone(), endpoint);
    Some(part)
}

#[cfg(test)]
mod tests {
    use super::named;

    #[test]
    fn a_long_name_gives_way_to_its_suffix() {
        assert_eq!(named("orders", "-green-3rnukl"), "orders-green-3rnukl");
        let long = format!("{}-{}", "a".repeat(49), "b".repeat(13));
        assert_eq!(named(&long, "-green-3rnukl"), format!("{}-green-3rnukl", "a".repeat(49)));
    }
}
