//! How green comes to be: a task after the other, in the background.
//!
//! The writer's twin is made with the replica, the other instances after the upgrade: the task of
//! the instances follows that of the version (AWS CLI, as above); that the first instance is there
//! before is assumed, for pg_upgrade's log files are an instance's.

use crate::rds::Rds;
use crate::rds::engine::UpgradeFailure;
use crate::rds::logs::{server_log, server_started};
use crate::rds::model::{Cluster, World};
use crate::rds::upgrade_checks::Upgrade;
use crate::rds::versions;

use super::checks::Plan;
use super::green::add_green_endpoint;
use super::{ENDPOINTS, INSTANCES, Part, REPLICA, UPGRADE};

/// Why a task ends: what StatusDetails and the event say, or nothing where the deployment itself
/// has gone.
type Step<T = ()> = Result<T, Option<String>>;

impl Rds {
    pub(super) async fn provision(&self, id: &str, plan: Plan) {
        self.pause(self.behaviour().blue_green.begin).await;
        match self.tasks(id, &plan).await {
            Ok(()) | Err(None) => {}
            Err(Some(why)) => self.give_up(id, why),
        }
    }

    async fn tasks(&self, id: &str, plan: &Plan) -> Step {
        let blue = self.begin_task(id, REPLICA)?;
        if let Some(why) = self.unfit(&blue, plan).await {
            return Err(Some(why));
        }
        let green = self.make_replica(id, &blue, plan).await?;
        self.end_task(id, REPLICA)?;
        if let Some(version) = &plan.version {
            self.begin_task(id, UPGRADE)?;
            self.upgrade_green(&green, version, plan).await?;
            self.end_task(id, UPGRADE)?;
        }
        self.follow(id, &blue.resource_id, &green).await?;
        self.begin_task(id, INSTANCES)?;
        let last = self.make_instances(id, &blue, &green, plan).await?;
        self.end_task(id, INSTANCES)?;
        self.make_endpoints(id, &green)?;
        self.finish(id, &last).await
    }

    /// Blue as it is now.
    fn begin_task(&self, id: &str, task: &str) -> Step<Cluster> {
        let mut world = self.world();
        set_task(&mut world, id, task, "IN_PROGRESS")?;
        let blue = world.deployments.get(id).ok_or(None)?.blue().to_owned();
        world.clusters.get(&blue).cloned().ok_or_else(|| Some("the source DB cluster wasn't found".into()))
    }

    fn end_task(&self, id: &str, task: &str) -> Step {
        set_task(&mut self.world(), id, task, "COMPLETED")
    }

    fn give_up(&self, id: &str, why: String) {
        let mut world = self.world();
        let Some(deployment) = world.deployments.get_mut(id) else { return };
        for task in &mut deployment.tasks {
            if task.status == "IN_PROGRESS" {
                task.status = "FAILED";
            }
        }
        deployment.status = "INVALID_CONFIGURATION";
        deployment.details = Some(why.clone());
        let deployment = deployment.clone();
        self.event(&mut world, &deployment, "0245", why);
    }

    /// The copy with its first instance.
    async fn make_replica(&self, id: &str, blue: &Cluster, plan: &Plan) -> Step<String> {
        let (green, instance) = {
            let mut world = self.world();
            let target = self.add_green_cluster(&mut world, blue, plan);
            let target = target.map_err(|fault| Some(because(&fault.message)))?;
            let green = target.resource_id.clone();
            let writer = blue.writer.clone().unwrap_or_default();
            let instance = self.add_green_instance(&mut world, &writer, &green, plan);
            let deployment = world.deployments.get_mut(id).ok_or(None)?;
            deployment.members[0].target = Some(target);
            (green, set_target(deployment, &writer, instance).ok_or(None)?)
        };
        let copied = async {
            let Some(engine) = &self.engine else { return Ok(()) };
            let pair = engine.blue_green().ok_or_else(|| anyhow::anyhow!("the servers follow nobody"))?;
            let port = self.world().clusters.get(&green).map(|green| green.server_port).unwrap_or_default();
            pair.branch(id, &blue.resource_id, &green, port, &blue.applied).await
        };
        let (_, copied) = tokio::join!(self.pause(self.behaviour().restore), copied);
        copied.map_err(|error| {
            tracing::error!(deployment = id, error = format!("{error:#}"), "copy the cluster");
            Some(because(&format!("{error:#}")))
        })?;
        {
            let mut world = self.world();
            let Some(cluster) = world.clusters.get_mut(&green) else { return Err(None) };
            (cluster.status, cluster.running) = ("available", true);
            let cluster = cluster.clone();
            self.event(&mut world, &cluster, "0170", "DB cluster created");
        }
        self.pause(self.behaviour().create_instance).await;
        self.show_instance(&instance.resource_id);
        Ok(green)
    }

    fn show_instance(&self, instance: &str) {
        let now = self.clock.now();
        let mut world = self.world();
        let Some(found) = world.instances.get_mut(instance) else { return };
        found.status = "available";
        found.logs.insert(server_log(now), server_started(now, &found.engine_version));
        let found = found.clone();
        self.event(&mut world, &found, "0005", "DB instance created");
    }

    /// Green comes up with its groups, so that nothing waits for a reboot (assumed).
    async fn upgrade_green(&self, green: &str, version: &str, plan: &Plan) -> Step {
        let from = self.world().clusters.get(green).map(|green| green.engine_version.clone()).ok_or(None)?;
        let major = versions::major(version) != versions::major(&from);
        let upgrade = Upgrade {
            target: version.to_owned(),
            major,
            cluster_group: plan.cluster_group.clone(),
            instance_group: plan.instance_group.clone(),
        };
        let before = self.begin_upgrade(green, &upgrade).ok_or(None)?;
        let upgraded = self.upgrade_server(green, &upgrade, self.planned_failure()).await;
        if let Err(failure) = upgraded {
            self.fail_upgrade(green, before, &failure);
            return Err(Some(not_upgraded(&failure)));
        }
        let mut world = self.world();
        let effective = world.effective(green);
        for member in world.members_mut(green) {
            (member.status, member.engine_version) = ("available", version.to_owned());
            (member.group_status, member.cluster_group_status) = ("in-sync", "in-sync");
        }
        let Some(cluster) = world.clusters.get_mut(green) else { return Err(None) };
        (cluster.status, cluster.engine_version) = ("available", version.to_owned());
        cluster.applied = effective;
        let cluster = cluster.clone();
        let (event, text) = match major {
            true => ("0176", "Database cluster engine major version has been upgraded."),
            false => ("0173", "Database cluster engine version has been upgraded."),
        };
        self.event(&mut world, &cluster, event, text);
        Ok(())
    }

    async fn follow(&self, id: &str, blue: &str, green: &str) -> Step {
        let Some(engine) = &self.engine else { return Ok(()) };
        let parameters = self.world().effective(green);
        let followed = async {
            let pair = engine.blue_green().ok_or_else(|| anyhow::anyhow!("the servers follow nobody"))?;
            engine.configure(green, &parameters, true).await?;
            pair.follow(id, blue, green).await
        };
        if let Some(cluster) = self.world().clusters.get_mut(green) {
            cluster.applied.clone_from(&parameters);
        }
        followed.await.map_err(|error| {
            tracing::error!(deployment = id, error = format!("{error:#}"), "follow the cluster");
            Some(because(&format!("{error:#}")))
        })
    }

    /// The other instances, one by one; the resource id of the last.
    async fn make_instances(&self, id: &str, blue: &Cluster, green: &str, plan: &Plan) -> Step<String> {
        let mut last = self.world().clusters.get(green).and_then(|green| green.writer.clone()).ok_or(None)?;
        let members = self.world().readers_then_writer(&blue.resource_id);
        for reader in members {
            if Some(&reader) == blue.writer.as_ref() {
                continue;
            }
            let made = {
                let mut world = self.world();
                let made = self.add_green_instance(&mut world, &reader, green, plan);
                let deployment = world.deployments.get_mut(id).ok_or(None)?;
                set_target(deployment, &reader, made)
            };
            // Somebody has deleted blue's meanwhile.
            let Some(made) = made else { continue };
            self.pause(self.behaviour().create_instance).await;
            self.show_instance(&made.resource_id);
            last = made.resource_id;
        }
        Ok(last)
    }

    fn make_endpoints(&self, id: &str, green: &str) -> Step {
        let mut world = self.world();
        let deployment = world.deployments.get(id).ok_or(None)?;
        if deployment.tasks.iter().all(|task| task.name != ENDPOINTS) {
            return Ok(());
        }
        let sources: Vec<_> = deployment.members.iter().map(|one| one.source.resource_id.clone()).collect();
        for source in sources {
            let made = add_green_endpoint(&mut world, &source, green);
            let deployment = world.deployments.get_mut(id).ok_or(None)?;
            set_target(deployment, &source, made);
        }
        set_task(&mut world, id, ENDPOINTS, "COMPLETED")
    }

    async fn finish(&self, id: &str, last: &str) -> Step {
        let late = self.behaviour().blue_green.late_instance;
        {
            let mut world = self.world();
            if let Some(instance) = world.instances.get_mut(last).filter(|_| !late.is_zero()) {
                instance.status = "modifying";
            }
            let deployment = world.deployments.get_mut(id).ok_or(None)?;
            deployment.status = "AVAILABLE";
            deployment.set_members("AVAILABLE");
            let deployment = deployment.clone();
            let text = "Blue/green deployment tasks completed. You can make more modifications to the \
                        green environment databases or switch over the deployment.";
            self.event(&mut world, &deployment, "0244", text);
        }
        self.pause(late).await;
        let mut world = self.world();
        if let Some(instance) = world.instances.get_mut(last).filter(|one| one.status == "modifying") {
            instance.status = "available";
        }
        Ok(())
    }

    /// What shows only once the first task has begun: a source that cannot be followed.
    async fn unfit(&self, blue: &Cluster, plan: &Plan) -> Option<String> {
        let mut planned = None;
        self.behave(|behaviour| planned = behaviour.blue_green.fail_next_creation.take());
        if planned.is_some() {
            return planned;
        }
        let (mut databases, mut foreign) = (3, Vec::new());
        if let Some(pair) = self.engine.as_ref().and_then(|engine| engine.blue_green()) {
            match pair.look(&blue.resource_id).await {
                Ok(look) => (databases, foreign) = (look.databases, look.logical_slots),
                Err(error) => return Some(because(&format!("{error:#}"))),
            }
        }
        // The words are those that users of Materialize are given for it (its documentation of
        // PostgreSQL sources on RDS).
        if !foreign.is_empty() {
            return Some(because("of external replication on the blue primary instance"));
        }
        self.world().too_low(blue, plan, databases)
    }
}

impl World {
    /// One slot, one sender and one worker a database, on both sides
    /// (https://repost.aws/knowledge-center/rds-postgresql-blue-green-deployment-error, with the
    /// text).
    fn too_low(&self, blue: &Cluster, plan: &Plan, databases: usize) -> Option<String> {
        use crate::rds::parameter_groups::Kind;
        use crate::rds::{families, formulas, parameters};
        let group = self.group(Kind::CLUSTER, &plan.cluster_group);
        let green = parameters::server_parameters(group.iter());
        let major = plan.version.as_deref().map_or(versions::major(&blue.engine_version), versions::major);
        let sides = [(&blue.applied, versions::major(&blue.engine_version)), (&green, major)];
        let names = ["max_replication_slots", "max_wal_senders", "max_logical_replication_workers"];
        let low: Vec<&str> = names
            .into_iter()
            .filter(|name| {
                sides.iter().any(|(set, major)| {
                    let family = families::family(*major);
                    let default = families::parameter(&family, false, name)
                        .and_then(|known| formulas::evaluate(known.default.as_ref()?));
                    // PostgreSQL's own, where Aurora's list has none.
                    let value = set.get(*name).cloned().or(default).or_else(|| Some("4".to_owned()));
                    value.and_then(|value| value.parse::<usize>().ok()).is_some_and(|value| value < databases)
                })
            })
            .collect();
        (!low.is_empty()).then(|| {
            format!(
                "Creation of blue/green deployment failed due to incompatible parameter(s): [{}]. Delete \
                 the blue/green deployment, fix the parameters, and create it again.",
                low.join(", ")
            )
        })
    }
}

/// The event's words (page USER_Events.Messages, RDS-EVENT-0245).
fn because(reason: &str) -> String {
    format!("Creation of blue/green deployment failed because {reason}.")
}

fn not_upgraded(failure: &UpgradeFailure) -> String {
    because(&format!("the engine version of the green DB cluster couldn't be upgraded: {}", failure.reason))
}

fn set_task(world: &mut World, id: &str, name: &str, status: &'static str) -> Step {
    let deployment = world.deployments.get_mut(id).filter(|one| one.status == "PROVISIONING").ok_or(None)?;
    let task = deployment.tasks.iter_mut().find(|task| task.name == name).ok_or(None)?;
    task.status = status;
    Ok(())
}

fn set_target(deployment: &mut super::Deployment, blue: &str, target: Option<Part>) -> Option<Part> {
    let target = target?;
    let member = deployment.members.iter_mut().find(|member| member.source.resource_id == blue)?;
    member.target = Some(target.clone());
    Some(target)
}
