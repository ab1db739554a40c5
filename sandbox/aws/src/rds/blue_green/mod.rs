//! Blue/green deployments: a copy of a cluster, upgraded and fed by the cluster's changes, that
//! takes its names when it is told to
//! (https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/blue-green-deployments.html; the
//! calls: botocore rds 2014-10-31).
//!
//! Blue is the cluster that is there, green the copy. Both are kept by their resource ids, which
//! the switchover leaves where they are: only names, endpoints and tags move. What carries the
//! changes from the one server to the other is [`super::engine::BlueGreen`]; the model gear has
//! statuses only.

mod checks;
mod create;
mod delete;
mod describe;
mod green;
mod guardrails;
mod provision;
mod switchover;

use std::time::Duration;

use jiff::Timestamp;

use super::Rds;
use super::endpoints::CustomEndpoint;
use super::error::Fault;
use super::model::{Cluster, Instance, Tags, World};
use crate::aws;

/// The tasks of an Aurora deployment, in their order (AWS CLI, example of
/// create-blue-green-deployment for an Aurora MySQL cluster; the list of Aurora PostgreSQL is
/// assumed to be the same). The last is there where blue has custom endpoints.
const REPLICA: &str = "CREATING_READ_REPLICA_OF_SOURCE";
const UPGRADE: &str = "DB_ENGINE_VERSION_UPGRADE";
const INSTANCES: &str = "CREATE_DB_INSTANCES_FOR_CLUSTER";
const ENDPOINTS: &str = "CREATE_CUSTOM_ENDPOINTS";

#[derive(Debug, Clone)]
pub struct Deployment {
    /// `bgd-` and 16 letters and digits.
    pub id: String,
    pub name: String,
    /// The cluster first, then its instances, then its custom endpoints.
    pub members: Vec<Member>,
    pub tasks: Vec<Task>,
    pub status: &'static str,
    pub details: Option<String>,
    pub created: Timestamp,
    pub deleted: Option<Timestamp>,
    pub tags: Tags,
}

#[derive(Debug, Clone)]
pub struct Member {
    pub source: Part,
    /// Absent until it is made.
    pub target: Option<Part>,
    pub status: &'static str,
}

/// A cluster, an instance or a custom endpoint of one of the two sides.
#[derive(Debug, Clone)]
pub struct Part {
    pub resource_id: String,
    /// As it was when it was last seen here: what is gone is still named.
    pub arn: String,
}

#[derive(Debug, Clone)]
pub struct Task {
    pub name: &'static str,
    pub status: &'static str,
}

/// Changed with [`super::Rds::behave`]; durations of the sandbox's clock, all of them assumed but
/// for those that name a source.
#[derive(Debug, Clone)]
pub struct Behaviour {
    /// From the answer of CreateBlueGreenDeployment to the first task.
    pub begin: Duration,
    /// From the deployment's AVAILABLE to that of its last instance: until then a switchover is
    /// refused (hashicorp/terraform-provider-aws, internal/service/rds/blue_green.go, asks again
    /// for ten minutes).
    pub late_instance: Duration,
    /// From the answer of SwitchoverBlueGreenDeployment to the status that shows it: AVAILABLE is
    /// read meanwhile (hashicorp/terraform-provider-aws waits through it).
    pub switchover_lag: Duration,
    /// From the deployment's SWITCHOVER_IN_PROGRESS to that of its members (seen in the log of
    /// rlister/stax #61).
    pub members_lag: Duration,
    /// Green catching up after the last write, in the model gear; a real one takes its own time.
    pub catch_up: Duration,
    /// From the renames to SWITCHOVER_COMPLETED.
    pub after_renames: Duration,
    /// From a switchover to the DNS that shows it: 12 to 33 s by the measurements of
    /// aws/aws-advanced-jdbc-wrapper (docs of its blue/green plug-in).
    pub dns_delay: Duration,
    /// The next creation fails for that reason, after its first task has begun.
    pub fail_next_creation: Option<String>,
    /// The guardrails refuse the next switchover for that reason.
    pub refuse_next_switchover: Option<String>,
    /// Whether a switchover that was refused or rolled back reads SWITCHOVER_FAILED, and not
    /// AVAILABLE again: no page says which.
    pub refused_is_failed: bool,
}

impl Default for Behaviour {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self {
            begin: seconds(30),
            late_instance: seconds(60),
            switchover_lag: seconds(20),
            members_lag: seconds(11),
            catch_up: seconds(3),
            after_renames: seconds(30),
            dns_delay: seconds(20),
            fail_next_creation: None,
            refuse_next_switchover: None,
            refused_is_failed: false,
        }
    }
}

impl Part {
    /// Its ARN by the name that it has now.
    fn arn(&self, world: &World) -> String {
        let cluster = world.clusters.get(&self.resource_id).map(Cluster::arn);
        let instance = || world.instances.get(&self.resource_id).map(Instance::arn);
        let endpoint = || world.endpoints.get(&self.resource_id).map(CustomEndpoint::arn);
        cluster.or_else(instance).or_else(endpoint).unwrap_or_else(|| self.arn.clone())
    }

    fn is_there(&self, world: &World) -> bool {
        world.clusters.contains_key(&self.resource_id)
            || world.instances.contains_key(&self.resource_id)
            || world.endpoints.contains_key(&self.resource_id)
    }
}

impl Deployment {
    pub fn arn(&self) -> String {
        let account = aws::account_of(&self.members[0].source.arn).unwrap_or(aws::ACCOUNT);
        aws::arn_in(account, "rds", &format!("deployment:{}", self.id))
    }

    /// Resource id of the cluster that production runs on before the switchover.
    pub fn blue(&self) -> &str {
        &self.members[0].source.resource_id
    }

    /// Resource id of the copy.
    pub fn green(&self) -> Option<&str> {
        self.members[0].target.as_ref().map(|target| &*target.resource_id)
    }

    /// Whether green still follows blue.
    fn is_linked(&self) -> bool {
        !matches!(self.status, "SWITCHOVER_COMPLETED" | "DELETING")
    }

    fn has(&self, resource_id: &str) -> bool {
        let parts = self.members.iter().flat_map(|member| [Some(&member.source), member.target.as_ref()]);
        parts.flatten().any(|part| part.resource_id == resource_id)
    }

    fn set_members(&mut self, status: &'static str) {
        for member in &mut self.members {
            member.status = status;
        }
    }
}

impl World {
    /// By its identifier, in any case, or by an ARN that ends in it.
    fn deployment(&self, id: &str) -> Result<&Deployment, Fault> {
        let wanted = id.rsplit(':').next().unwrap_or(id).to_lowercase();
        self.deployments.get(&wanted).ok_or_else(|| not_found(id))
    }

    /// The deployment that a cluster or an instance takes part in and that still holds it.
    pub fn deployment_of(&self, resource_id: &str) -> Option<&Deployment> {
        self.deployments.values().find(|deployment| deployment.is_linked() && deployment.has(resource_id))
    }

    /// The cluster that this one is a read replica of.
    pub fn replication_source(&self, resource_id: &str) -> Option<String> {
        let deployment = self.deployment_of(resource_id)?;
        (deployment.green() == Some(resource_id) && deployment.status != "INVALID_CONFIGURATION")
            .then(|| deployment.members[0].source.arn(self))
    }

    pub fn read_replicas(&self, resource_id: &str) -> Vec<String> {
        let of = |deployment: &&Deployment| deployment.is_linked() && deployment.blue() == resource_id;
        let targets = self.deployments.values().filter(of).filter_map(|one| one.members[0].target.as_ref());
        let following = targets.filter(|target| self.replication_source(&target.resource_id).is_some());
        following.map(|target| target.arn(self)).collect()
    }

    /// Letters and digits as RDS makes them up for names.
    fn random_letters(&mut self, number: usize) -> String {
        self.random_id("")[..number].to_lowercase()
    }
}

impl Rds {
    /// Changes a deployment that is still there.
    fn with_deployment<T>(&self, id: &str, change: impl FnOnce(&mut Deployment) -> T) -> Option<T> {
        self.world().deployments.get_mut(id).map(change)
    }
}

fn not_found(id: &str) -> Fault {
    Fault::new("BlueGreenDeploymentNotFoundFault", format!("BlueGreenDeployment {id} not found."))
}

fn state(message: impl Into<String>) -> Fault {
    Fault::new("InvalidBlueGreenDeploymentStateFault", message)
}
