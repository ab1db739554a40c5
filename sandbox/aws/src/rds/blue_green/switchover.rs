//! SwitchoverBlueGreenDeployment: writes stop on both sides, connections are dropped and refused,
//! green catches up, names move, connections and writes are let in on green (page
//! blue-green-deployments-switching). What takes longer than the time-out, or fails before the
//! names move, is taken back.

use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use crate::rds::error::Fault;
use crate::rds::model::{Cluster, Instance, World};
use crate::rds::query::Input;
use crate::rds::{Answer, Rds};

use super::describe::describe;
use super::green::named;
use super::{Deployment, Part};

impl Rds {
    pub(in crate::rds) fn switchover_blue_green_deployment(&self, input: &Input) -> Answer {
        let mut world = self.world();
        let deployment = world.deployment(input.required("BlueGreenDeploymentIdentifier")?)?.clone();
        // The model has the least, the page the most.
        let timeout = input.number("SwitchoverTimeout").unwrap_or(300);
        let timeout = u64::try_from(timeout).ok().filter(|timeout| (30..=3600).contains(timeout));
        let timeout = timeout
            .ok_or_else(|| Fault::value("Invalid SwitchoverTimeout. Must be between 30 and 3600 seconds."))?;
        world.may_switch(&deployment)?;
        world.lock_members(&deployment, true);
        let id = deployment.id.clone();
        let shown = world.deployments.get_mut(&id).expect("it was just found");
        shown.details = None;
        let answer = json!({"BlueGreenDeployment": describe(&world, &deployment)});
        drop(world);
        self.background(|rds| async move { rds.switch_over(&id, Duration::from_secs(timeout)).await });
        Ok(answer)
    }

    async fn switch_over(&self, id: &str, timeout: Duration) {
        let behaviour = self.behaviour().blue_green;
        self.pause(behaviour.switchover_lag).await;
        let Some(deployment) = self.world().deployments.get(id).cloned() else { return };
        let (blue, Some(green)) = (deployment.blue().to_owned(), deployment.green().map(str::to_owned))
        else {
            return self.cancel(id, "the green DB cluster wasn't found").await;
        };
        self.with_deployment(id, |one| one.status = "SWITCHOVER_IN_PROGRESS");
        let (from, to) = self.names(&blue, &green);
        self.tell(id, "0247", &format!("Switchover from {from} to {to} started."));
        self.tell(id, "0259", &format!("Switchover from DB cluster {from} to {to} started."));
        self.pause(behaviour.members_lag).await;
        self.with_deployment(id, |one| one.set_members("SWITCHOVER_IN_PROGRESS"));
        if let Some(why) = self.guardrails(id, &blue, &green).await {
            return self.cancel(id, &why).await;
        }
        // A server's own time passes as it does: the time-out is not shortened with the clock.
        let deadline = Instant::now() + timeout;
        match tokio::time::timeout_at(deadline, self.catch_up(id, &blue, &green, deadline)).await {
            Ok(Ok(())) => {}
            Ok(Err(why)) => return self.cancel(id, &why).await,
            Err(_) => return self.cancel(id, "the switchover timeout was exceeded").await,
        }
        self.move_names(id, &blue, &green);
        self.let_in(id, &blue, &green).await;
        self.unlink(id, &blue, &green).await;
        self.pause(self.behaviour().rename_blackout).await;
        self.show_again(id);
        self.pause(behaviour.after_renames).await;
        self.complete(id, (&from, &to));
    }

    fn names(&self, blue: &str, green: &str) -> (String, String) {
        let world = self.world();
        let name = |id: &str| world.clusters.get(id).map(|cluster| cluster.id.clone()).unwrap_or_default();
        (name(blue), name(green))
    }

    pub(super) fn tell(&self, id: &str, event: &'static str, text: &str) {
        let mut world = self.world();
        if let Some(deployment) = world.deployments.get(id).cloned() {
            self.event(&mut world, &deployment, event, text);
        }
    }

    /// Stops writes and waits until green has every one of them.
    async fn catch_up(&self, id: &str, blue: &str, green: &str, deadline: Instant) -> Result<(), String> {
        let (from, to) = self.names(blue, green);
        self.close_endpoint(blue, true);
        self.close_endpoint(green, true);
        let pair = self.engine.as_ref().and_then(|engine| engine.blue_green());
        let failed = |error: anyhow::Error| {
            tracing::error!(deployment = id, error = format!("{error:#}"), "switch over");
            format!("{error:#}")
        };
        match pair {
            None => self.pause(self.behaviour().blue_green.catch_up).await,
            Some(pair) => {
                pair.set_read_only(blue, true).await.map_err(failed)?;
                for side in [blue, green] {
                    // First the server drops its clients, who are told why; what is still under way
                    // then ends with its connection, so that nobody is told of a commit any more.
                    pair.drop_clients(side).await.map_err(failed)?;
                    self.cut_connections(side);
                    pair.drop_clients(side).await.map_err(failed)?;
                }
                pair.catch_up(id, blue, green, deadline).await.map_err(failed)?;
            }
        }
        let of = format!("Sequence sync for switchover of DB cluster {from} to {to} has");
        let longer = "Switchover when using sequences may lead to extended downtime.";
        self.tell(id, "0311", &format!("{of} initiated. {longer}"));
        if let Some(pair) = pair {
            pair.copy_sequences(blue, green).await.map_err(failed)?;
        }
        self.tell(id, "0312", &format!("{of} completed."));
        Ok(())
    }

    /// All names at once. Endpoints are names, so connections follow; resource ids stay
    /// (page blue-green-deployments-considerations).
    fn move_names(&self, id: &str, blue: &str, green: &str) {
        let mut world = self.world();
        let Some(deployment) = world.deployments.get(id).cloned() else { return };
        let clusters = (world.clusters.get(blue).cloned(), world.clusters.get(green).cloned());
        for member in &deployment.members {
            // A twin that is gone cannot take over: its counterpart stays as it is.
            let Some(target) = member.target.as_ref().filter(|target| target.is_there(&world)) else {
                continue;
            };
            if member.source.is_there(&world) {
                world.move_name(&member.source, target);
            }
        }
        if let (Some(before_blue), Some(before_green)) = clusters {
            self.swap_doors(&mut world, blue, green);
            let now = |id: &str| world.clusters.get(id).cloned();
            if let (Some(now_blue), Some(now_green)) = (now(blue), now(green)) {
                let delay = self.behaviour().blue_green.dns_delay;
                self.rename_endpoints(&mut world, &before_blue, &now_blue, delay);
                self.rename_endpoints(&mut world, &before_green, &now_green, delay);
            }
        }
        if let Some(old) = world.clusters.get_mut(blue) {
            old.read_only = true;
        }
        if let Some(new) = world.clusters.get_mut(green) {
            new.read_only = false;
        }
    }

    async fn let_in(&self, id: &str, blue: &str, green: &str) {
        if let Some(pair) = self.engine.as_ref().and_then(|engine| engine.blue_green()) {
            // The rows are there and the names have moved: there is no way back from here.
            if let Err(error) = pair.set_read_only(green, false).await {
                tracing::error!(deployment = id, error = format!("{error:#}"), "let writes in");
            }
        }
        self.close_endpoint(green, false);
        self.close_endpoint(blue, false);
    }

    fn show_again(&self, id: &str) {
        let mut world = self.world();
        let Some(deployment) = world.deployments.get(id).cloned() else { return };
        world.each_part(&deployment, |cluster, instance| {
            if let Some(cluster) = cluster {
                cluster.hidden = false;
            }
            if let Some(instance) = instance {
                instance.hidden = false;
            }
        });
    }

    fn complete(&self, id: &str, (from, to): (&str, &str)) {
        let mut world = self.world();
        let Some(mut deployment) = world.deployments.get(id).cloned() else { return };
        world.lock_members(&deployment, false);
        deployment.status = "SWITCHOVER_COMPLETED";
        for member in &mut deployment.members {
            let arn = member.source.arn(&world);
            let moved = member.source.arn != arn;
            member.source.arn = arn;
            if let Some(target) = &mut member.target {
                target.arn = target.arn(&world);
            }
            if moved {
                member.status = "SWITCHOVER_COMPLETED";
            }
        }
        world.lead_proxies(&deployment);
        let old = deployment.members[0].source.arn.rsplit(':').next().unwrap_or_default().to_owned();
        world.deployments.insert(id.to_owned(), deployment.clone());
        let text = format!(
            "Switchover from DB cluster {from} to {to} completed. Renamed {from} to {old} and {to} to {from}."
        );
        self.event(&mut world, &deployment, "0260", text);
        self.event(&mut world, &deployment, "0248", "Switchover completed on blue/green deployment.");
    }

    /// Nothing has changed, but for what connections were dropped.
    async fn cancel(&self, id: &str, why: &str) {
        let Some(deployment) = self.world().deployments.get(id).cloned() else { return };
        let sides = [Some(deployment.blue()), deployment.green()];
        if let (Some(pair), [Some(blue), _]) =
            (self.engine.as_ref().and_then(|engine| engine.blue_green()), sides)
            && let Err(error) = pair.set_read_only(blue, false).await
        {
            tracing::error!(deployment = id, error = format!("{error:#}"), "take the switchover back");
        }
        for side in sides.into_iter().flatten() {
            self.close_endpoint(side, false);
        }
        let failed = self.behaviour().blue_green.refused_is_failed;
        let mut world = self.world();
        world.lock_members(&deployment, false);
        let Some(shown) = world.deployments.get_mut(id) else { return };
        (shown.status, shown.details) = match failed {
            true => ("SWITCHOVER_FAILED", Some(format!("Switchover was canceled due to {why}."))),
            false => ("AVAILABLE", None),
        };
        shown.set_members(if failed { "SWITCHOVER_FAILED" } else { "AVAILABLE" });
        let deployment = shown.clone();
        let name = |id: Option<&str>| {
            id.and_then(|id| world.clusters.get(id)).map(|one| one.id.clone()).unwrap_or_default()
        };
        let (from, to) = (name(Some(deployment.blue())), name(deployment.green()));
        let text = format!("Switchover from DB cluster {from} to {to} was canceled due to {why}.");
        self.event(&mut world, &deployment, "0261", text);
        self.event(&mut world, &deployment, "0249", "Switchover canceled on blue/green deployment.");
    }

    /// Nobody new gets in meanwhile.
    fn close_endpoint(&self, cluster: &str, closed: bool) {
        if let Some(cluster) = self.world().clusters.get_mut(cluster) {
            cluster.closed = closed;
        }
    }
}

impl World {
    fn each_part(
        &mut self,
        deployment: &Deployment,
        mut change: impl FnMut(Option<&mut Cluster>, Option<&mut Instance>),
    ) {
        for member in &deployment.members {
            for part in [Some(&member.source), member.target.as_ref()].into_iter().flatten() {
                change(self.clusters.get_mut(&part.resource_id), self.instances.get_mut(&part.resource_id));
            }
        }
    }

    /// "You can't modify" any member meanwhile (page blue-green-deployments-switching).
    fn lock_members(&mut self, deployment: &Deployment, locked: bool) {
        self.each_part(deployment, |cluster, instance| {
            if let Some(cluster) = cluster {
                cluster.switching = locked;
            }
            if let Some(instance) = instance {
                instance.switching = locked;
            }
        });
    }

    /// Green takes blue's name and tags, and blue the next free `-old1`, `-old2`, …
    fn move_name(&mut self, blue: &Part, green: &Part) {
        if let (Some(old), Some(new)) =
            (self.clusters.get(&blue.resource_id).cloned(), self.clusters.get(&green.resource_id).cloned())
        {
            let retired = free_name(&old.id, |name| self.clusters.values().any(|other| other.id == name));
            for (id, name) in [(&old.resource_id, retired), (&new.resource_id, old.id.clone())] {
                if let Some(cluster) = self.clusters.get_mut(id) {
                    (cluster.id, cluster.hidden, cluster.tags) = (name, true, old.tags.clone());
                }
            }
        }
        if let (Some(old), Some(new)) =
            (self.instances.get(&blue.resource_id).cloned(), self.instances.get(&green.resource_id).cloned())
        {
            let retired = free_name(&old.id, |name| self.instances.values().any(|other| other.id == name));
            for (id, name) in [(&old.resource_id, retired), (&new.resource_id, old.id.clone())] {
                if let Some(instance) = self.instances.get_mut(id) {
                    (instance.id, instance.hidden, instance.tags) = (name, true, old.tags.clone());
                }
            }
        }
        if let Some(old) = self.endpoints.get(&blue.resource_id).map(|old| old.id.clone()) {
            let retired = free_name(&old, |name| self.endpoints.values().any(|other| other.id == name));
            for (id, name) in [(&blue.resource_id, retired), (&green.resource_id, old)] {
                if let Some(endpoint) = self.endpoints.get_mut(id) {
                    endpoint.id = name;
                }
            }
        }
    }

    /// What a proxy leads to is shown anew "only after the switchover is fully complete", though
    /// connections are led there before (page rds-proxy-blue-green).
    fn lead_proxies(&mut self, deployment: &Deployment) {
        for member in &deployment.members {
            let Some(target) = &member.target else { continue };
            for proxy in self.proxies.values_mut() {
                if proxy.target == member.source.resource_id {
                    proxy.target.clone_from(&target.resource_id);
                }
            }
        }
    }
}

fn free_name(id: &str, is_taken: impl Fn(&str) -> bool) -> String {
    let names = (1..).map(|number| named(id, &format!("-old{number}")));
    names.into_iter().find(|name| !is_taken(name)).unwrap_or_default()
}
