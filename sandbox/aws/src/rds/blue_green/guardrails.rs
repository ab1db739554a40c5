//! What a switchover asks for before it stops a single write (page
//! blue-green-deployments-switching): every member is there and available, green follows, nothing
//! but rows has changed on blue.

use crate::rds::Rds;
use crate::rds::error::Fault;
use crate::rds::model::World;

use super::{Deployment, state};

impl World {
    /// Asked by the call itself. AVAILABLE of the deployment does not mean that every instance is
    /// (hashicorp/terraform-provider-aws #48830 has the words).
    pub(super) fn may_switch(&self, deployment: &Deployment) -> Result<(), Fault> {
        // A second try after a failed one: assumed to be taken.
        if !["AVAILABLE", "SWITCHOVER_FAILED"].contains(&deployment.status) {
            return Err(state(format!(
                "The blue/green deployment {} can't be switched over in the status {}.",
                deployment.id, deployment.status
            )));
        }
        // AVAILABLE is read for a while after a switchover was accepted, and it is accepted once:
        // assumed.
        if self.clusters.get(deployment.blue()).is_some_and(|blue| blue.switching) {
            return Err(state(format!(
                "The blue/green deployment {} is being switched over.",
                deployment.id
            )));
        }
        for member in &deployment.members {
            let parts = [Some(&member.source), member.target.as_ref()];
            for part in parts.into_iter().flatten() {
                let instance = self.instances.get(&part.resource_id);
                let cluster = self.clusters.get(&part.resource_id);
                let shown = instance.map(|one| ("DB instance", &one.id, one.status));
                let shown = shown.or(cluster.map(|one| ("DB cluster", &one.id, one.status)));
                if let Some((what, name, status)) = shown.filter(|(.., status)| *status != "available") {
                    return Err(state(format!(
                        "{what} {name} is not in available state. Current state: {status}"
                    )));
                }
            }
        }
        Ok(())
    }
}

impl Rds {
    /// Asked once the switchover has begun; the reason why it is canceled.
    pub(super) async fn guardrails(&self, id: &str, blue: &str, green: &str) -> Option<String> {
        let mut planned = None;
        self.behave(|behaviour| planned = behaviour.blue_green.refuse_next_switchover.take());
        if planned.is_some() {
            return planned;
        }
        if ![blue, green].iter().all(|side| self.world().clusters.contains_key(*side)) {
            return Some("a DB cluster of the deployment wasn't found".to_owned());
        }
        let pair = self.engine.as_ref()?.blue_green()?;
        match pair.obstacle(id, blue, green).await {
            Ok(obstacle) => obstacle,
            Err(error) => {
                tracing::error!(deployment = id, error = format!("{error:#}"), "look at the replication");
                Some(format!("the replication couldn't be checked: {error:#}"))
            }
        }
    }
}
