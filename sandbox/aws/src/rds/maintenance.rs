//! Pending maintenance of clusters and instances.
//!
//! https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/USER_UpgradeDBInstance.Maintenance.html:
//! a cluster's `os-upgrade` rolls over its instances, the writer last; the same update shows as
//! `system-update` on each instance. A cluster's `system-update` is an engine patch. The list
//! trails what was applied, and leaves out resources without actions.

use std::time::Duration;

use jiff::SignedDuration;
use serde_json::{Value, json};

use super::error::Fault;
use super::model::{Maintenance, World, stamp};
use super::paging::{Filters, page};
use super::query::Input;
use super::upgrade_checks::Upgrade;
use super::{Answer, Rds};

/// From an accepted request to a status that shows it.
const LAG: Duration = Duration::from_secs(15);
const CERTIFICATE: Duration = Duration::from_secs(60);

impl Rds {
    /// Lets an action be pending on a cluster or an instance, named by its ARN. A cluster's
    /// `os-upgrade` shows as `system-update` on its instances too. An unknown ARN changes nothing.
    pub fn plant_maintenance(&self, arn: &str, action: &str, description: &str) {
        let mut world = self.world();
        let Some(resource) = world.resource_id(arn) else {
            tracing::warn!(arn, action, "no such resource to plant maintenance on");
            return;
        };
        let mut planted = vec![(resource.clone(), action)];
        if action == "os-upgrade" {
            planted.extend(
                world.readers_then_writer(&resource).into_iter().map(|member| (member, "system-update")),
            );
        }
        let auto_applied_after = self.clock.now() + SignedDuration::from_hours(7 * 24);
        for (resource, action) in planted {
            world.maintenance.retain(|known| known.resource != resource || known.action != action);
            let (action, description) = (action.to_owned(), description.to_owned());
            world.maintenance.push(Maintenance {
                resource,
                action,
                description,
                auto_applied_after,
                opt_in: None,
                current_apply: None,
                done: None,
            });
        }
    }

    pub(super) fn describe_pending_maintenance_actions(&self, input: &Input) -> Answer {
        let filters = Filters::read(input, &["db-cluster-id", "db-instance-id"])?;
        let stale = self.behaviour().maintenance_staleness;
        let now = self.clock.now();
        let world = self.world();
        if let Some(arn) = input.text("ResourceIdentifier") {
            world.resource_id(arn).ok_or_else(|| not_found(arn))?;
        }
        let (by_cluster, by_instance) = (filters.names("db-cluster-id"), filters.names("db-instance-id"));
        let clusters = world.clusters.values().filter(|cluster| !cluster.hidden).map(|cluster| {
            // A cluster filter does not bring the cluster's instances.
            let wanted = if by_cluster { filters.allow("db-cluster-id", &cluster.id) } else { !by_instance };
            (cluster.arn(), &cluster.resource_id, wanted)
        });
        let instances = world.instances.values().filter(|instance| !instance.hidden).map(|instance| {
            let wanted =
                if by_instance { filters.allow("db-instance-id", &instance.id) } else { !by_cluster };
            (instance.arn(), &instance.resource_id, wanted)
        });
        let mut resources: Vec<Value> = Vec::new();
        for (arn, resource, wanted) in clusters.chain(instances) {
            if !wanted || input.text("ResourceIdentifier").is_some_and(|one| one != arn) {
                continue;
            }
            let actions = world.maintenance.iter().filter(|action| action.resource == *resource);
            let listed: Vec<Value> = actions
                .filter(|action| action.done.is_none_or(|done| now < done + stale))
                .map(describe)
                .collect();
            if !listed.is_empty() {
                resources.push(json!({"ResourceIdentifier": arn, "PendingMaintenanceActionDetails": listed}));
            }
        }
        resources.sort_by_key(|resource| resource["ResourceIdentifier"].as_str().map(str::to_owned));
        page("PendingMaintenanceActions", resources, input)
    }

    pub(super) fn apply_pending_maintenance_action(&self, input: &Input) -> Answer {
        let arn = input.required("ResourceIdentifier")?;
        let action = input.required("ApplyAction")?;
        let mut world = self.world();
        let resource = world.resource_id(arn).ok_or_else(|| not_found(arn))?;
        let now = self.clock.now();
        let staleness = self.behaviour().maintenance_staleness;
        world.maintenance.retain(|known| known.done.is_none_or(|done| now < done + staleness));
        let available = match world.clusters.get(&resource) {
            Some(cluster) => cluster.available(),
            None => world.instances[&resource].available(),
        };
        let pending = world
            .maintenance
            .iter_mut()
            .find(|known| known.resource == resource && known.action == action && known.done.is_none());
        // AWS's words (cloud-custodian #1897).
        let pending = pending
            .ok_or_else(|| Fault::combination(format!("There is no pending {action} action for {arn}")))?;
        let mut start = false;
        match (input.required("OptInType")?, pending.opt_in) {
            ("immediate", Some("immediate")) => {}
            ("undo-opt-in" | "next-maintenance", Some("immediate")) => {
                return Err(Fault::combination("An opt-in request of type immediate can't be undone."));
            }
            ("immediate", _) => {
                available?;
                (pending.opt_in, pending.current_apply, start) = (Some("immediate"), Some(now), true);
            }
            ("next-maintenance", _) => {
                (pending.opt_in, pending.current_apply) =
                    (Some("next-maintenance"), Some(pending.auto_applied_after));
            }
            ("undo-opt-in", _) => (pending.opt_in, pending.current_apply) = (None, None),
            (other, _) => return Err(Fault::value(format!("Invalid opt-in type: {other}"))),
        }
        let listed: Vec<Value> = world
            .maintenance
            .iter()
            .filter(|action| action.resource == resource && action.done.is_none())
            .map(describe)
            .collect();
        let answer = json!({"ResourcePendingMaintenanceActions": {"ResourceIdentifier": arn,
                    "PendingMaintenanceActionDetails": listed}});
        let is_cluster = world.clusters.contains_key(&resource);
        drop(world);
        if start {
            let action = action.to_owned();
            self.background(|rds| async move {
                rds.pause(LAG).await;
                match is_cluster {
                    true => rds.maintain_cluster(&resource, &action).await,
                    false => rds.maintain_instance(&resource, &action).await,
                }
            });
        }
        Ok(answer)
    }

    async fn maintain_cluster(&self, id: &str, action: &str) {
        let status = match action {
            "os-upgrade" => "maintenance",
            _ => "upgrading",
        };
        if action == "db-upgrade" {
            let Some(cluster) = self.world().clusters.get(id).cloned() else { return };
            if let Some(upgrade) = Upgrade::to_newest_minor(&cluster) {
                upgrade.announce(&mut self.world(), &cluster);
                self.upgrade(id, upgrade).await;
            }
            self.done(&mut self.world(), id, action);
            return;
        }
        let set = |world: &mut World, status: &'static str| {
            let cluster = world.clusters.get_mut(id)?;
            cluster.status = status;
            Some(cluster.clone())
        };
        {
            let mut world = self.world();
            let Some(cluster) = set(&mut world, status) else { return };
            if action == "os-upgrade" {
                self.event(&mut world, &cluster, "0288", "Cluster operating system upgrade is starting.");
            }
        }
        if action == "os-upgrade" {
            let members = self.world().readers_then_writer(id);
            for member in members {
                self.update_host(&member).await;
                self.done(&mut self.world(), &member, "system-update");
            }
        } else {
            self.pause(self.behaviour().maintenance).await;
        }
        let mut world = self.world();
        let Some(cluster) = set(&mut world, "available") else { return };
        self.done(&mut world, id, action);
        match action {
            "os-upgrade" => {
                self.event(&mut world, &cluster, "0289", "Cluster operating system upgrade has completed.")
            }
            _ => self.event(&mut world, &cluster, "0290", "Database cluster has been patched."),
        }
    }

    async fn maintain_instance(&self, id: &str, action: &str) {
        match action {
            "ca-certificate-rotation" => {
                let status = |status: &'static str, authority: Option<&str>| {
                    if let Some(instance) = self.world().instances.get_mut(id) {
                        instance.status = status;
                        authority.inspect(|authority| instance.ca_certificate = authority.to_string());
                    }
                };
                status("modifying", None);
                self.pause(CERTIFICATE).await;
                status("available", Some("rds-ca-rsa2048-g1"));
                self.done(&mut self.world(), id, action);
            }
            _ => {
                self.update_host(id).await;
                let mut world = self.world();
                self.done(&mut world, id, action);
                // When no instance has the update left, neither has the cluster.
                let Some(cluster) = world.instances.get(id).map(|instance| instance.cluster.clone()) else {
                    return;
                };
                let members = world.readers_then_writer(&cluster);
                let left = |world: &World, member: &String| {
                    world
                        .maintenance
                        .iter()
                        .any(|a| a.resource == *member && a.action == "system-update" && a.done.is_none())
                };
                if action == "system-update" && !members.iter().any(|member| left(&world, member)) {
                    self.done(&mut world, &cluster, "os-upgrade");
                }
            }
        }
    }

    /// One instance is away for a while and ends with a reboot.
    async fn update_host(&self, id: &str) {
        {
            let mut world = self.world();
            let Some(instance) = world.instances.get_mut(id) else { return };
            instance.status = "maintenance";
            let instance = instance.clone();
            self.event(&mut world, &instance, "0026", "Applying off-line patches to DB instance");
        }
        let behaviour = self.behaviour();
        self.pause(behaviour.maintenance.saturating_sub(behaviour.reboot)).await;
        self.reboot(id).await;
        let mut world = self.world();
        if let Some(instance) = world.instances.get(id).cloned() {
            self.event(&mut world, &instance, "0027", "Finished applying off-line patches to DB instance");
        }
    }

    fn done(&self, world: &mut World, resource: &str, action: &str) {
        let now = self.clock.now();
        for known in &mut world.maintenance {
            if known.resource == resource && known.action == action && known.done.is_none() {
                known.done = Some(now);
            }
        }
    }
}

impl World {
    /// Of the cluster or instance that an ARN names.
    fn resource_id(&self, arn: &str) -> Option<String> {
        let cluster = self
            .clusters
            .values()
            .find(|cluster| cluster.arn() == arn && !cluster.hidden)
            .map(|cluster| &cluster.resource_id);
        let instance = || {
            self.instances
                .values()
                .find(|instance| instance.arn() == arn && !instance.hidden)
                .map(|i| &i.resource_id)
        };
        cluster.or_else(instance).cloned()
    }
}

fn not_found(arn: &str) -> Fault {
    Fault::new(
        "ResourceNotFoundFault",
        format!("The specified resource name does not match an RDS resource in this region: {arn}"),
    )
}

fn describe(action: &Maintenance) -> Value {
    json!({
        "Action": action.action,
        "AutoAppliedAfterDate": stamp(action.auto_applied_after),
        "OptInStatus": action.opt_in,
        "CurrentApplyDate": action.current_apply.map(stamp),
        "Description": action.description,
    })
}

#[cfg(test)]
mod tests {
    use super::super::testing::Sandbox;
    use crate::aws;

    fn arn(resource: &str) -> String {
        aws::arn("rds", resource)
    }

    async fn pending(sandbox: &Sandbox) -> Vec<String> {
        let xml = sandbox.ok("DescribePendingMaintenanceActions", &[]).await;
        xml.all("ResourceIdentifier").into_iter().map(str::to_owned).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn an_update_shows_at_both_levels_rolls_to_the_writer_and_leaves_the_list_late() {
        let sandbox = Sandbox::with_cluster().await;
        assert!(pending(&sandbox).await.is_empty());
        sandbox.rds.plant_maintenance(
            &arn("cluster:orders"),
            "os-upgrade",
            "New operating system update is available",
        );
        assert_eq!(pending(&sandbox).await, [arn("cluster:orders"), arn("db:orders-1"), arn("db:orders-2")]);
        let filter =
            [("Filters.Filter.1.Name", "db-cluster-id"), ("Filters.Filter.1.Values.Value.1", "orders")];
        let filtered = sandbox.ok("DescribePendingMaintenanceActions", &filter).await;
        assert_eq!(filtered.all("ResourceIdentifier"), [arn("cluster:orders")]);

        let cluster = arn("cluster:orders");
        let apply =
            [("ResourceIdentifier", &*cluster), ("ApplyAction", "os-upgrade"), ("OptInType", "immediate")];
        assert_eq!(
            sandbox.ok("ApplyPendingMaintenanceAction", &apply).await.text("OptInStatus"),
            "immediate"
        );
        sandbox.pass(60).await;
        assert_eq!(sandbox.instance("orders-2").await.text("DBInstanceStatus"), "maintenance");
        assert_eq!(sandbox.instance("orders-1").await.text("DBInstanceStatus"), "available");
        sandbox.pass(240).await;
        assert_eq!(sandbox.instance("orders-2").await.text("DBInstanceStatus"), "available");
        assert_eq!(sandbox.instance("orders-1").await.text("DBInstanceStatus"), "maintenance");
        sandbox.pass(200).await;
        assert_eq!(sandbox.cluster("orders").await.text("Status"), "available");
        // Applied, and still listed.
        assert!(pending(&sandbox).await.contains(&cluster));
        let (code, message) = sandbox.refused("ApplyPendingMaintenanceAction", &apply).await;
        assert_eq!(code, "InvalidParameterCombination");
        assert_eq!(message, format!("There is no pending os-upgrade action for {cluster}"));
        sandbox.pass(90).await;
        assert!(pending(&sandbox).await.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn updating_every_instance_clears_the_cluster_too() {
        let sandbox = Sandbox::with_cluster().await;
        sandbox.rds.plant_maintenance(
            &arn("cluster:orders"),
            "os-upgrade",
            "New operating system update is available",
        );
        for instance in ["db:orders-2", "db:orders-1"] {
            let arn = arn(instance);
            let apply =
                [("ResourceIdentifier", &*arn), ("ApplyAction", "system-update"), ("OptInType", "immediate")];
            sandbox.ok("ApplyPendingMaintenanceAction", &apply).await;
            sandbox.pass(400).await;
        }
        assert!(pending(&sandbox).await.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn maintenance_of_an_unknown_resource_is_not_found() {
        let sandbox = Sandbox::new();
        let arn = arn("cluster:none");
        let apply =
            [("ResourceIdentifier", &*arn), ("ApplyAction", "os-upgrade"), ("OptInType", "immediate")];
        assert_eq!(sandbox.refused("ApplyPendingMaintenanceAction", &apply).await.0, "ResourceNotFoundFault");
    }
}
