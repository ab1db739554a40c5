//! The world: everything an account holds, in one place behind one lock.
//!
//! Clusters and instances are kept by their resource ids, which survive renames: a transition under
//! way never loses its cluster.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::time::Duration;

use jiff::Timestamp;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::blue_green::Deployment;
use super::dns::Record;
use super::endpoints::CustomEndpoint;
use super::engine::Parameters;
use super::error::Fault;
use super::exports::Task;
use super::proxies::Proxy;
use super::scaling::Scaling;
use super::ties::Tie;
use crate::aws;

pub const ENGINE: &str = "aurora-postgresql";

pub type Tags = BTreeMap<String, String>;

pub struct World {
    pub account: &'static str,
    pub clusters: BTreeMap<String, Cluster>,
    pub instances: BTreeMap<String, Instance>,
    /// By identifier.
    pub snapshots: BTreeMap<String, Snapshot>,
    pub cluster_groups: BTreeMap<String, Group>,
    pub instance_groups: BTreeMap<String, Group>,
    pub subnet_groups: BTreeMap<String, SubnetGroup>,
    pub maintenance: Vec<Maintenance>,
    pub events: Vec<Event>,
    /// By identifier.
    pub exports: BTreeMap<String, Task>,
    /// Blue/green deployments, by identifier.
    pub deployments: BTreeMap<String, Deployment>,
    /// Custom ones, by resource id.
    pub endpoints: BTreeMap<String, CustomEndpoint>,
    /// RDS Proxies, by name.
    pub proxies: BTreeMap<String, Proxy>,
    pub dns: Vec<Record>,
    /// The majors that a server can be had for; none: all, in the model gear.
    pub majors: Option<BTreeSet<u32>>,
    /// How many times the quotas that an account begins with it has been granted.
    pub quotas: usize,
    rng: StdRng,
}

#[derive(Debug, Clone)]
pub struct Cluster {
    pub account: &'static str,
    pub resource_id: String,
    pub id: String,
    pub status: &'static str,
    pub percent_progress: Option<u8>,
    pub engine_version: String,
    pub port: u16,
    /// Where the endpoint is in the real gear.
    pub address: Ipv4Addr,
    /// Behind the endpoint: what the engine's server listens on.
    pub server_port: u16,
    pub master_username: String,
    pub database_name: Option<String>,
    pub secret: Option<Secret>,
    /// A master password that waits for the first instance: without one nothing answers.
    pub waiting_password: Option<String>,
    pub group: String,
    pub subnet_group: String,
    /// What PubliclyAccessible of its instances is, unless they say otherwise.
    pub public_by_default: bool,
    pub security_groups: Vec<String>,
    /// Resource id of the writer.
    pub writer: Option<String>,
    pub pending: ClusterPending,
    /// An upgrade is under way, though the status may not show it yet.
    pub upgrade_accepted: bool,
    /// What the server has been given: it trails the groups by what waits for a reboot.
    pub applied: Parameters,
    /// How often it was stopped.
    pub stops: u32,
    /// Whether a server stands behind it: a restored cluster has none before its first instance.
    pub running: bool,
    /// During a rename neither name is found.
    pub hidden: bool,
    pub echo: Option<Echo>,
    pub created: Timestamp,
    pub backup_retention: i64,
    pub backup_window: String,
    pub maintenance_window: String,
    pub deletion_protection: bool,
    pub copy_tags: bool,
    pub storage_encrypted: bool,
    /// None is `aurora`, which RDS does not say.
    pub storage_type: Option<String>,
    pub lifecycle_support: String,
    pub performance_insights: bool,
    pub kms_key: Option<String>,
    pub iam_authentication: bool,
    pub log_exports: Vec<String>,
    pub scaling: Option<Scaling>,
    pub ties: BTreeSet<Tie>,
    /// ARNs of IAM roles and the features that they are for.
    pub roles: BTreeMap<String, Option<String>>,
    /// A blue/green deployment keeps clients from writing.
    pub read_only: bool,
    /// A switchover is under way: nothing about it can be changed.
    pub switching: bool,
    /// Nobody new gets in.
    pub closed: bool,
    /// Clones of one volume share it; the 16th is a full copy.
    pub clone_group: String,
    pub tags: Tags,
}

/// A name from before, which describes answer to until then.
#[derive(Debug, Clone)]
pub struct Echo {
    pub name: String,
    pub until: Timestamp,
}

impl Echo {
    pub fn answers(echo: &Option<Self>, name: &str, now: Timestamp) -> bool {
        echo.as_ref().is_some_and(|echo| echo.name == name.to_lowercase() && now < echo.until)
    }
}

#[derive(Debug, Clone, Default, PartialEq)]
pub struct ClusterPending {
    pub engine_version: Option<String>,
    pub password: bool,
    pub identifier: Option<String>,
}

#[derive(Debug, Clone)]
pub struct Secret {
    pub arn: String,
    pub status: &'static str,
    pub kms_key: String,
}

#[derive(Debug, Clone)]
pub struct Instance {
    pub account: &'static str,
    pub resource_id: String,
    pub id: String,
    /// Resource id of its cluster.
    pub cluster: String,
    pub status: &'static str,
    pub class: String,
    pub engine_version: String,
    pub group: String,
    /// Of the instance group.
    pub group_status: &'static str,
    /// Of the cluster's group, as this member sees it.
    pub cluster_group_status: &'static str,
    pub pending_class: Option<String>,
    pub zone: String,
    pub promotion_tier: i64,
    pub ca_certificate: String,
    pub maintenance_window: String,
    pub auto_minor_version_upgrade: bool,
    pub publicly_accessible: bool,
    pub monitoring_interval: i64,
    pub monitoring_role: Option<String>,
    pub performance_insights: bool,
    pub copy_tags: bool,
    pub created: Timestamp,
    pub hidden: bool,
    pub echo: Option<Echo>,
    pub tags: Tags,
    pub logs: BTreeMap<String, LogFile>,
    /// As of its cluster.
    pub switching: bool,
}

#[derive(Debug, Clone)]
pub struct LogFile {
    pub written: Timestamp,
    pub content: String,
}

#[derive(Debug, Clone)]
pub struct Snapshot {
    pub account: &'static str,
    pub id: String,
    /// The engine's name of the copy; snapshots copied from one another share it.
    pub volume: String,
    pub kind: &'static str,
    pub status: &'static str,
    pub progress: i64,
    pub created: Timestamp,
    /// The cluster as it was.
    pub of: Box<Cluster>,
    pub kms_key: Option<String>,
    pub source_arn: Option<String>,
    pub shared_with: BTreeSet<String>,
    pub tags: Tags,
}

#[derive(Debug, Clone)]
pub struct Group {
    pub name: String,
    pub family: String,
    pub description: String,
    /// What the user set: name, value and how it is applied.
    pub values: BTreeMap<String, Setting>,
    pub tags: Tags,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Setting {
    pub value: String,
    /// `immediate` or `pending-reboot`.
    pub apply: String,
}

#[derive(Debug, Clone)]
pub struct SubnetGroup {
    pub name: String,
    pub description: String,
    pub subnets: Vec<String>,
    pub tags: Tags,
}

#[derive(Debug, Clone)]
pub struct Maintenance {
    /// Resource id of the cluster or instance.
    pub resource: String,
    pub action: String,
    pub description: String,
    pub auto_applied_after: Timestamp,
    /// `immediate`, `next-maintenance` or none.
    pub opt_in: Option<&'static str>,
    pub current_apply: Option<Timestamp>,
    /// Applied at that time; the list trails.
    pub done: Option<Timestamp>,
}

#[derive(Debug, Clone)]
pub struct Event {
    pub source_type: &'static str,
    pub source_id: String,
    pub source_arn: String,
    pub id: &'static str,
    pub categories: &'static [&'static str],
    pub message: String,
    pub date: Timestamp,
    /// DescribeEvents lists it from then on.
    pub listed_from: Timestamp,
}

impl World {
    pub fn new(account: &'static str, seed: u64) -> Self {
        Self {
            account,
            clusters: BTreeMap::new(),
            instances: BTreeMap::new(),
            snapshots: BTreeMap::new(),
            cluster_groups: BTreeMap::new(),
            instance_groups: BTreeMap::new(),
            subnet_groups: BTreeMap::new(),
            maintenance: Vec::new(),
            events: Vec::new(),
            exports: BTreeMap::new(),
            deployments: BTreeMap::new(),
            endpoints: BTreeMap::new(),
            proxies: BTreeMap::new(),
            dns: Vec::new(),
            majors: None,
            quotas: 1,
            rng: StdRng::seed_from_u64(seed),
        }
    }

    pub fn random_id(&mut self, prefix: &str) -> String {
        const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
        let letters = (0..26).map(|_| char::from(LETTERS[self.rng.random_range(0..LETTERS.len())]));
        prefix.chars().chain(letters).collect()
    }

    pub fn random_uuid(&mut self) -> String {
        uuid::Builder::from_random_bytes(self.rng.random()).into_uuid().to_string()
    }

    pub fn random_delay(&mut self, longest: Duration) -> Duration {
        longest.mul_f64(self.rng.random())
    }

    /// The identifier, in lower case, in an identifier or an ARN of this account.
    fn name_in(&self, id: &str) -> Option<String> {
        let own = aws::account_of(id).is_none_or(|account| account == self.account);
        own.then(|| id.rsplit(':').next().unwrap_or(id).to_lowercase())
    }

    /// By identifier or ARN, in any case.
    pub fn cluster(&self, id: &str) -> Result<&Cluster, Fault> {
        let name = self.name_in(id);
        let found =
            self.clusters.values().find(|cluster| Some(&cluster.id) == name.as_ref() && !cluster.hidden);
        found.ok_or_else(|| Fault::new("DBClusterNotFoundFault", format!("DBCluster {id} not found.")))
    }

    pub fn cluster_mut(&mut self, id: &str) -> Result<&mut Cluster, Fault> {
        let resource_id = self.cluster(id)?.resource_id.clone();
        Ok(self.clusters.get_mut(&resource_id).expect("it was just found"))
    }

    pub fn instance(&self, id: &str) -> Result<&Instance, Fault> {
        let name = self.name_in(id);
        let found =
            self.instances.values().find(|instance| Some(&instance.id) == name.as_ref() && !instance.hidden);
        found.ok_or_else(|| Fault::new("DBInstanceNotFound", format!("DBInstance {id} not found.")))
    }

    pub fn instance_mut(&mut self, id: &str) -> Result<&mut Instance, Fault> {
        let resource_id = self.instance(id)?.resource_id.clone();
        Ok(self.instances.get_mut(&resource_id).expect("it was just found"))
    }

    pub fn members(&self, cluster: &str) -> Vec<&Instance> {
        let mut members: Vec<_> =
            self.instances.values().filter(|instance| instance.cluster == cluster).collect();
        members.sort_by(|a, b| a.id.cmp(&b.id));
        members
    }

    /// Those of many clusters, by the cluster's resource id.
    pub fn members_of<'a>(&'a self, clusters: &[&'a Cluster]) -> BTreeMap<&'a str, Vec<&'a Instance>> {
        let mut all: BTreeMap<_, Vec<_>> =
            clusters.iter().map(|cluster| (cluster.resource_id.as_str(), Vec::new())).collect();
        for instance in self.instances.values() {
            if let Some(members) = all.get_mut(instance.cluster.as_str()) {
                members.push(instance);
            }
        }
        for members in all.values_mut() {
            members.sort_by(|a, b| a.id.cmp(&b.id));
        }
        all
    }

    pub fn members_mut(&mut self, cluster: &str) -> impl Iterator<Item = &mut Instance> {
        self.instances.values_mut().filter(move |instance| instance.cluster == cluster)
    }

    /// Resource ids: readers in the order of their names, then the writer.
    pub fn readers_then_writer(&self, cluster: &str) -> Vec<String> {
        let writer = self.clusters.get(cluster).and_then(|cluster| cluster.writer.clone());
        let mut members: Vec<_> =
            self.members(cluster).iter().map(|instance| instance.resource_id.clone()).collect();
        members.sort_by_key(|member| Some(member) == writer.as_ref());
        members
    }

    /// The same snapshot as it is now, unless it has gone and another has its name.
    pub fn same_snapshot(&mut self, snapshot: &Snapshot) -> Option<&mut Snapshot> {
        self.snapshots
            .get_mut(&snapshot.id)
            .filter(|found| found.created == snapshot.created && found.volume == snapshot.volume)
    }

    pub fn snapshot(&self, id: &str) -> Result<&Snapshot, Fault> {
        let name = id.rsplit_once(":cluster-snapshot:").map_or(id, |(_, name)| name).to_lowercase();
        let own = aws::account_of(id).is_none_or(|account| account == self.account);
        self.snapshots.get(&name).filter(|_| own).ok_or_else(|| no_snapshot(id))
    }
}

pub fn no_snapshot(id: &str) -> Fault {
    Fault::new("DBClusterSnapshotNotFoundFault", format!("DBClusterSnapshot {id} not found."))
}

impl Cluster {
    pub fn arn(&self) -> String {
        aws::arn_in(self.account, "rds", &format!("cluster:{}", self.id))
    }

    pub fn available(&self) -> Result<(), Fault> {
        match self.status {
            "available" if self.switching => Err(Fault::cluster_state(format!(
                "DB cluster {} takes part in a blue/green deployment that is being switched over.",
                self.id
            ))),
            "available" => Ok(()),
            _ => Err(Fault::cluster_state(format!(
                "DB cluster {} is not currently in the available state. Current state: {}",
                self.id, self.status
            ))),
        }
    }
}

impl Instance {
    pub fn arn(&self) -> String {
        aws::arn_in(self.account, "rds", &format!("db:{}", self.id))
    }

    pub fn available(&self) -> Result<(), Fault> {
        match self.status {
            "available" if self.switching => Err(Fault::instance_state(format!(
                "DB instance {} takes part in a blue/green deployment that is being switched over.",
                self.id
            ))),
            "available" => Ok(()),
            _ => Err(Fault::instance_state(format!(
                "Instance {} is not in available state. Current state: {}",
                self.id, self.status
            ))),
        }
    }
}

impl Snapshot {
    /// The identifier, also where the ARN stands for it.
    pub fn name(&self) -> &str {
        self.id.rsplit_once(":cluster-snapshot:").map_or(&self.id, |(_, name)| name)
    }

    pub fn arn(&self) -> String {
        aws::arn_in(self.account, "rds", &format!("cluster-snapshot:{}", self.name()))
    }
}

/// RDS's rule for the identifiers of clusters, instances, snapshots and groups, in lower case
/// (botocore rds 2014-10-31, CreateDBCluster: 1 to 63 letters, numbers or hyphens; first a letter;
/// no hyphen last nor two together).
pub fn identifier(parameter: &str, value: &str, longest: usize) -> Result<String, Fault> {
    let letters = value.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    let starts = value.starts_with(|c: char| c.is_ascii_alphabetic());
    if letters && starts && value.len() <= longest && !value.ends_with('-') && !value.contains("--") {
        return Ok(value.to_lowercase());
    }
    Err(Fault::value(format!(
        "The parameter {parameter} is not a valid identifier. Identifiers must begin with a letter; must \
        contain only ASCII letters, \
         digits, and hyphens; and must not end with a hyphen or contain two consecutive hyphens."
    )))
}

/// A time as the API writes it.
pub fn stamp(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_follow_the_rules_of_rds() {
        assert_eq!(identifier("X", "Orders-1", 63).unwrap(), "orders-1");
        for bad in ["", "1orders", "orders-", "or--ders", "or.ders", &"a".repeat(64)] {
            assert_eq!(identifier("X", bad, 63).unwrap_err().code, "InvalidParameterValue", "{bad}");
        }
    }
}
