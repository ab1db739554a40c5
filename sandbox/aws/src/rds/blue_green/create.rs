//! CreateBlueGreenDeployment. It is accepted with what blue is made of; all else shows later, and a
//! source that cannot be followed too.

use serde_json::json;

use super::checks::{self, Plan};
use super::describe::describe;
use super::green::add_green_endpoint;
use super::{Deployment, ENDPOINTS, INSTANCES, Member, Part, REPLICA, Task, UPGRADE};
use crate::rds::error::Fault;
use crate::rds::model::{Cluster, Tags, World};
use crate::rds::query::Input;
use crate::rds::{Answer, Rds, tags};

impl Rds {
    pub(in crate::rds) fn create_blue_green_deployment(&self, input: &Input) -> Answer {
        let mut world = self.world();
        let name = checks::name(input)?;
        if world.deployments.values().any(|deployment| deployment.name == name) {
            return Err(Fault::new(
                "BlueGreenDeploymentAlreadyExistsFault",
                format!("A blue/green deployment with the name {name} already exists."),
            ));
        }
        let (cluster, plan) = checks::plan(&world, input)?;
        let tags = tags::read(input)?;
        let deployment = self.new_deployment(&mut world, name, &cluster, &plan, tags);
        let answer = json!({"BlueGreenDeployment": describe(&world, &deployment)});
        let id = deployment.id.clone();
        world.deployments.insert(id.clone(), deployment);
        drop(world);
        self.background(|rds| async move { rds.provision(&id, plan).await });
        Ok(answer)
    }

    /// A deployment that has been made, where there are no servers to be made.
    pub(in crate::rds) fn plant_deployment(&self, cluster: &str) -> anyhow::Result<()> {
        anyhow::ensure!(self.engine.is_none(), "a deployment of real servers is created, not planted");
        let mut world = self.world();
        let say = |fault: Fault| anyhow::anyhow!("{}", fault.message);
        let blue = world.cluster(cluster).map_err(say)?.clone();
        let plan = Plan { version: None, cluster_group: blue.group.clone(), instance_group: None };
        let name = format!("{}-deployment", blue.id);
        let mut deployment = self.new_deployment(&mut world, &name, &blue, &plan, Default::default());
        let target = self.add_green_cluster(&mut world, &blue, &plan).map_err(say)?;
        for member in &mut deployment.members {
            let (twin, green) = (&member.source.resource_id, &target.resource_id);
            let made = self.add_green_instance(&mut world, twin, green, &plan);
            member.target = made.or_else(|| add_green_endpoint(&mut world, twin, green));
        }
        for instance in world.members_mut(&target.resource_id) {
            instance.status = "available";
        }
        if let Some(green) = world.clusters.get_mut(&target.resource_id) {
            (green.status, green.running) = ("available", true);
        }
        deployment.members[0].target = Some(target);
        deployment.set_members("AVAILABLE");
        deployment.status = "AVAILABLE";
        for task in &mut deployment.tasks {
            task.status = "COMPLETED";
        }
        world.deployments.insert(deployment.id.clone(), deployment);
        Ok(())
    }

    pub(super) fn new_deployment(
        &self,
        world: &mut World,
        name: &str,
        cluster: &Cluster,
        plan: &Plan,
        tags: Tags,
    ) -> Deployment {
        let member = |resource_id: &str, arn: String| Member {
            source: Part { resource_id: resource_id.to_owned(), arn },
            target: None,
            status: "PROVISIONING",
        };
        let mut members = vec![member(&cluster.resource_id, cluster.arn())];
        let instances = world.members(&cluster.resource_id).into_iter();
        members.extend(instances.map(|instance| member(&instance.resource_id, instance.arn())));
        let endpoints = world.endpoints_of(&cluster.resource_id);
        members.extend(endpoints.map(|endpoint| member(&endpoint.resource_id, endpoint.arn())));
        let mut tasks = vec![REPLICA, INSTANCES];
        if world.endpoints_of(&cluster.resource_id).next().is_some() {
            tasks.push(ENDPOINTS);
        }
        if plan.version.is_some() {
            tasks.insert(1, UPGRADE);
        }
        Deployment {
            id: format!("bgd-{}", world.random_letters(16)),
            name: name.to_owned(),
            members,
            tasks: tasks.into_iter().map(|name| Task { name, status: "PENDING" }).collect(),
            status: "PROVISIONING",
            details: None,
            created: self.clock.now(),
            deleted: None,
            tags,
        }
    }
}
