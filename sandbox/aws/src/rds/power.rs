//! What stops and starts servers: start, stop, reboot, failover.

use std::time::Duration;

use serde_json::json;

use super::error::Fault;
use super::model::Cluster;
use super::query::Input;
use super::{Answer, Rds};

impl Rds {
    pub(super) fn stop_db_cluster(&self, input: &Input) -> Answer {
        self.switch(input, "available", "stopping", "stopped")
    }

    pub(super) fn start_db_cluster(&self, input: &Input) -> Answer {
        self.switch(input, "stopped", "starting", "available")
    }

    fn switch(&self, input: &Input, from: &'static str, during: &'static str, to: &'static str) -> Answer {
        self.turn(input.required("DBClusterIdentifier")?, from, during, to)
    }

    fn turn(&self, name: &str, from: &'static str, during: &'static str, to: &'static str) -> Answer {
        let mut world = self.world();
        let cluster = world.cluster_mut(name)?;
        if cluster.status != from {
            return Err(Fault::cluster_state(format!(
                "DbCluster {} is in {} state but expected it to be in {from} state.",
                cluster.id, cluster.status
            )));
        }
        let id = cluster.resource_id.clone();
        // Page blue-green-deployments-considerations; the words are assumed.
        if world.deployment_of(&id).is_some() {
            return Err(Fault::cluster_state(format!(
                "DB cluster {} takes part in a blue/green deployment and can't be stopped.",
                world.clusters[&id].id
            )));
        }
        if let Some(member) = world.members(&id).into_iter().find(|member| member.status != from) {
            return Err(Fault::instance_state(format!(
                "DB instance {} is in {} state.",
                member.id, member.status
            )));
        }
        self.set_statuses(&mut world, &id, during);
        let cluster = world.clusters[&id].clone();
        let answer = json!({"DBCluster": self.described_cluster(&world, &cluster)});
        drop(world);
        self.background(|rds| async move {
            let start = to == "available";
            let switched = async {
                match &rds.engine {
                    Some(engine) if start => engine.start(&id).await,
                    Some(engine) => engine.stop(&id).await,
                    None => Ok(()),
                }
            };
            let (_, switched) = tokio::join!(rds.pause(rds.behaviour().start_stop), switched);
            if let Err(error) = switched {
                tracing::error!(
                    cluster = id,
                    error = format!("{error:#}"),
                    "start or stop the cluster's server"
                );
            }
            let cluster = {
                let mut world = rds.world();
                rds.set_statuses(&mut world, &id, to);
                let Some(cluster) = world.clusters.get_mut(&id) else { return };
                cluster.running = start;
                cluster.stops += u32::from(!start);
                let cluster = cluster.clone();
                let (event, what) =
                    if start { ("0151", "DB cluster started") } else { ("0150", "DB cluster stopped") };
                rds.event(&mut world, &cluster, event, what);
                cluster
            };
            if !start {
                rds.start_after_a_week(cluster).await;
            }
        });
        Ok(answer)
    }

    /// A cluster that was not started by hand (AuroraUserGuide, aurora-cluster-stop-start).
    async fn start_after_a_week(&self, stopped: Cluster) {
        self.pause(Duration::from_secs(7 * 24 * 3600)).await;
        let cluster = {
            let mut world = self.world();
            let same = |cluster: &&Cluster| cluster.status == "stopped" && cluster.stops == stopped.stops;
            let Some(cluster) = world.clusters.get(&stopped.resource_id).filter(same).cloned() else {
                return;
            };
            let message =
                "DB cluster is being started due to it exceeding the maximum allowed time being stopped.";
            self.event(&mut world, &cluster, "0153", message);
            cluster
        };
        if let Err(fault) = self.turn(&cluster.id, "stopped", "starting", "available") {
            tracing::error!(cluster = cluster.id, fault = fault.message, "start the cluster after a week");
        }
    }

    fn set_statuses(&self, world: &mut super::model::World, id: &str, status: &'static str) {
        if let Some(cluster) = world.clusters.get_mut(id) {
            cluster.status = status;
        }
        for member in world.members_mut(id) {
            member.status = status;
        }
    }

    pub(super) fn reboot_db_instance(&self, input: &Input) -> Answer {
        if input.flag("ForceFailover") == Some(true) {
            return Err(Fault::combination("The force failover option is for Multi-AZ DB instances only."));
        }
        let mut world = self.world();
        let instance = world.instance_mut(input.required("DBInstanceIdentifier")?)?;
        if instance.status != "incompatible-parameters" {
            instance.available()?;
        }
        instance.status = "rebooting";
        let instance = instance.clone();
        let answer = json!({"DBInstance": self.described_instance(&world, &instance)});
        drop(world);
        self.background(|rds| async move { rds.reboot(&instance.resource_id).await });
        Ok(answer)
    }

    /// Brings one member in sync with its groups. Only the writer's reboot restarts the server: the
    /// sandbox has one for all members.
    pub(super) async fn reboot(&self, id: &str) {
        let (cluster, restart) = {
            let mut world = self.world();
            let Some(instance) = world.instances.get(id).cloned() else { return };
            self.event(&mut world, &instance, "0004", "DB instance shutdown");
            let effective = world.effective(&instance.cluster);
            let Some(cluster) = world.clusters.get_mut(&instance.cluster) else { return };
            let restart = (cluster.writer.as_deref() == Some(id)).then(|| {
                cluster.applied = effective.clone();
                effective
            });
            (instance.cluster, restart)
        };
        let restarted = async {
            match (&self.engine, &restart) {
                (Some(engine), Some(parameters)) => {
                    engine.configure(&cluster, parameters, true).await.map(drop)
                }
                _ => Ok(()),
            }
        };
        let (_, restarted) = tokio::join!(self.pause(self.behaviour().reboot), restarted);
        let delay = self.behaviour().apply_status_delay;
        {
            let mut world = self.world();
            let Some(instance) = world.instances.get_mut(id) else { return };
            if let Err(error) = restarted {
                tracing::error!(instance = instance.id, error = format!("{error:#}"), "restart the server");
                instance.status = "incompatible-parameters";
                return;
            }
            instance.status = "available";
        }
        if !delay.is_zero() {
            self.pause(delay).await;
        }
        let mut world = self.world();
        let Some(instance) = world.instances.get_mut(id) else { return };
        (instance.group_status, instance.cluster_group_status) = ("in-sync", "in-sync");
        let instance = instance.clone();
        self.event(&mut world, &instance, "0006", "DB instance restarted");
    }

    pub(super) fn failover_db_cluster(&self, input: &Input) -> Answer {
        let mut world = self.world();
        let cluster = world.cluster(input.required("DBClusterIdentifier")?)?.clone();
        cluster.available()?;
        let order = self.promotion_order(&world, &cluster.resource_id);
        let target = match input.text("TargetDBInstanceIdentifier") {
            None => order.iter().find(|id| world.instances[*id].status == "available").cloned(),
            Some(name) => {
                // The model has no DBInstanceNotFound for this action.
                let missing = |_| {
                    Fault::value(format!("Cannot find target DB instance {name} in cluster {}", cluster.id))
                };
                let target = world.instance(name).map_err(missing)?;
                if target.cluster != cluster.resource_id {
                    return Err(missing(Fault::value(String::new())));
                }
                target.available()?;
                if !order.contains(&target.resource_id) {
                    return Err(Fault::value(format!("The target instance {name} is already the writer")));
                }
                Some(target.resource_id.clone())
            }
        };
        let target = target.ok_or_else(|| {
            Fault::cluster_state(format!("DB cluster {} has no reader to fail over to", cluster.id))
        })?;
        let found = world.cluster_mut(&cluster.id)?;
        found.status = "failing-over";
        let found = found.clone();
        let name = world.instances[&target].id.clone();
        self.event(&mut world, &cluster, "0073", format!("Started cross AZ failover to DB instance: {name}"));
        let answer = json!({"DBCluster": self.described_cluster(&world, &found)});
        drop(world);
        self.background(|rds| async move {
            rds.pause(rds.behaviour().failover).await;
            let old = {
                let mut world = rds.world();
                let Some(cluster) = world.clusters.get_mut(&cluster.resource_id) else { return };
                cluster.status = "available";
                let old = cluster.writer.replace(target);
                let cluster = cluster.clone();
                rds.event(&mut world, &cluster, "0071", format!("Completed failover to DB instance: {name}"));
                old
            };
            // The old writer comes back as a reader, a little later.
            rds.pause(Duration::from_secs(10)).await;
            let mut world = rds.world();
            if let Some(old) = old.and_then(|old| world.instances.get(&old).cloned()) {
                rds.event(&mut world, &old, "0006", "DB instance restarted");
            }
        });
        Ok(answer)
    }
}
