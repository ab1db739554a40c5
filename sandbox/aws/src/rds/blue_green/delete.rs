//! DeleteBlueGreenDeployment, and what else ends the link: promoting green by hand.

use serde_json::json;

use crate::rds::error::Fault;
use crate::rds::query::Input;
use crate::rds::{Answer, Rds};

use super::describe::describe;
use super::state;

impl Rds {
    pub(in crate::rds) fn delete_blue_green_deployment(&self, input: &Input) -> Answer {
        let mut world = self.world();
        let deployment = world.deployment(input.required("BlueGreenDeploymentIdentifier")?)?.clone();
        let with_target = input.flag("DeleteTarget");
        // Assumed: one that is being made cannot be deleted.
        if ["PROVISIONING", "SWITCHOVER_IN_PROGRESS", "DELETING"].contains(&deployment.status)
            || world.clusters.get(deployment.blue()).is_some_and(|blue| blue.switching)
        {
            return Err(state(format!(
                "The blue/green deployment {} can't be deleted in the status {}.",
                deployment.id, deployment.status
            )));
        }
        let completed = deployment.status == "SWITCHOVER_COMPLETED";
        // "You can't specify this option if the … status is SWITCHOVER_COMPLETED" (botocore rds
        // 2014-10-31); which fault it is, is assumed.
        if completed && with_target.is_some() {
            return Err(state("DeleteTarget can't be specified after a switchover."));
        }
        let green = deployment.green().and_then(|green| world.clusters.get(green)).cloned();
        let doomed = green.filter(|_| with_target == Some(true));
        if doomed.as_ref().is_some_and(|green| green.deletion_protection) {
            return Err(Fault::combination(
                "Cannot delete protected Cluster, please disable deletion protection and try again.",
            ));
        }
        let id = deployment.id.clone();
        let shown = world.deployments.get_mut(&id).expect("it was just found");
        (shown.status, shown.deleted) = ("DELETING", Some(self.clock.now()));
        let shown = shown.clone();
        let answer = json!({"BlueGreenDeployment": describe(&world, &shown)});
        drop(world);
        let doomed = doomed.map(|green| green.resource_id);
        self.background(|rds| async move { rds.end_deployment(&id, completed, doomed).await });
        Ok(answer)
    }

    async fn end_deployment(&self, id: &str, completed: bool, doomed: Option<String>) {
        let Some(deployment) = self.world().deployments.get(id).cloned() else { return };
        let blue = deployment.blue().to_owned();
        let freed = match completed {
            // What the deployment kept from writing (page blue-green-deployments-deleting).
            true => Some(blue.clone()),
            false => deployment.green().map(str::to_owned).filter(|_| doomed.is_none()),
        };
        if let (Some(green), false) = (deployment.green(), completed) {
            self.unlink(id, &blue, green).await;
        }
        self.pause(self.behaviour().delete).await;
        if let Some(freed) = freed {
            self.open_for_writes(&freed).await;
        }
        if let Some(doomed) = doomed {
            self.remove_cluster(&doomed).await;
        }
        let mut world = self.world();
        if let Some(deployment) = world.deployments.remove(id) {
            self.event(&mut world, &deployment, "0246", "Blue/green deployment deleted.");
        }
    }

    /// Green follows no more.
    pub(super) async fn unlink(&self, id: &str, blue: &str, green: &str) {
        let Some(pair) = self.engine.as_ref().and_then(|engine| engine.blue_green()) else { return };
        if let Err(error) = pair.part(id, blue, green).await {
            tracing::error!(deployment = id, error = format!("{error:#}"), "end the replication");
        }
    }

    async fn open_for_writes(&self, cluster: &str) {
        let running = match self.world().clusters.get_mut(cluster) {
            None => return,
            Some(cluster) => {
                cluster.read_only = false;
                cluster.running
            }
        };
        let pair = self.engine.as_ref().filter(|_| running).and_then(|engine| engine.blue_green());
        if let Some(pair) = pair
            && let Err(error) = pair.set_read_only(cluster, false).await
        {
            tracing::error!(cluster, error = format!("{error:#}"), "let writes in");
        }
    }

    /// With its instances.
    async fn remove_cluster(&self, id: &str) {
        let members: Vec<_> = {
            let mut world = self.world();
            for member in world.members_mut(id) {
                member.status = "deleting";
            }
            if let Some(cluster) = world.clusters.get_mut(id) {
                cluster.status = "deleting";
            }
            world.members(id).into_iter().cloned().collect()
        };
        for member in members {
            self.take_down_instance(member).await;
        }
        let cluster = self.world().clusters.get(id).cloned();
        if let Some(cluster) = cluster {
            self.tear_down(cluster, None, false).await;
        }
    }

    /// "If you manually promote the green DB cluster … the blue/green deployment enters a state of
    /// Invalid configuration" (page blue-green-deployments-switching).
    pub(in crate::rds) fn promote_read_replica_db_cluster(&self, input: &Input) -> Answer {
        let mut world = self.world();
        let cluster = world.cluster(input.required("DBClusterIdentifier")?)?.clone();
        cluster.available()?;
        let deployment = world.deployment_of(&cluster.resource_id).cloned();
        let replica = world.replication_source(&cluster.resource_id).is_some();
        let Some(deployment) = deployment.filter(|_| replica) else {
            return Err(Fault::cluster_state(format!("DB cluster {} is not a read replica.", cluster.id)));
        };
        if let Some(shown) = world.deployments.get_mut(&deployment.id) {
            shown.status = "INVALID_CONFIGURATION";
            shown.details = Some("The green DB cluster was promoted.".to_owned());
        }
        let answer = json!({"DBCluster": self.described_cluster(&world, &cluster)});
        drop(world);
        self.background(|rds| async move {
            rds.unlink(&deployment.id, deployment.blue(), &cluster.resource_id).await;
            rds.open_for_writes(&cluster.resource_id).await;
        });
        Ok(answer)
    }
}
