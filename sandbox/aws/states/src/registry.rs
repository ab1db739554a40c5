//! What the service keeps: state machines with their versions, aliases and tags, and executions.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use rand::rngs::StdRng;

use super::run::execution::Execution;
use super::run::machine::Machine;

pub struct Registry {
    /// By ARN.
    pub machines: BTreeMap<String, Entry>,
    pub executions: BTreeMap<String, Arc<Execution>>,
    /// Their ARNs, oldest first.
    pub started: Vec<String>,
    pub rng: StdRng,
}

pub struct Entry {
    pub current: Arc<Machine>,
    pub versions: BTreeMap<u64, Version>,
    /// The newest number: those of deleted versions are not given again.
    pub published: u64,
    pub aliases: BTreeMap<String, Alias>,
    pub tags: BTreeMap<String, String>,
}

pub struct Version {
    pub machine: Arc<Machine>,
    pub created: Timestamp,
    pub description: Option<String>,
}

#[derive(Clone)]
pub struct Alias {
    pub description: Option<String>,
    pub routes: Vec<Route>,
    pub created: Timestamp,
    pub updated: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    pub version: u64,
    /// Percent.
    pub weight: u64,
}

impl Registry {
    pub fn new(rng: StdRng) -> Self {
        Self { machines: BTreeMap::new(), executions: BTreeMap::new(), started: Vec::new(), rng }
    }
}

impl Entry {
    pub fn new(machine: Machine) -> Self {
        Self {
            current: Arc::new(machine),
            versions: BTreeMap::new(),
            published: 0,
            aliases: BTreeMap::new(),
            tags: BTreeMap::new(),
        }
    }

    /// The number of the version of what the machine is now; publishing it again makes no new one
    /// (API_PublishStateMachineVersion).
    pub fn publish(&mut self, now: Timestamp, description: Option<String>) -> u64 {
        let newest = self.versions.last_key_value();
        if let Some((number, _)) = newest.filter(|(_, version)| Arc::ptr_eq(&version.machine, &self.current))
        {
            return *number;
        }
        self.published += 1;
        let version = Version { machine: Arc::clone(&self.current), created: now, description };
        self.versions.insert(self.published, version);
        self.published
    }
}
