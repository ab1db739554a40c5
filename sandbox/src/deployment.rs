//! What stands in the accounts before the first run: read from `infra/` and `statemachines/`, as
//! Terraform reads them; or handed in, as Terraform has made it.

use std::collections::{BTreeMap, BTreeSet};

use local_aws::{
    aws::ACCOUNT,
    events::{Destination, Rule, load_destinations, load_rules},
    iam::Deployed,
};

use crate::{
    executables::root,
    permissions::{self, Switches},
    statemachine::{self, PREFIX, RUNBOOKS},
};

pub struct Deployment {
    pub machines: Vec<Machine>,
    pub rules: Vec<Rule>,
    pub destinations: Vec<Destination>,
    /// The handlers of the functions `<prefix>-<handler>`.
    pub functions: BTreeSet<String>,
    /// RUN_BUCKET of each function and worker that has another than the sandbox's.
    pub run_buckets: BTreeMap<String, String>,
    /// By family of task definitions: the worker's own role, and the one that starts it.
    pub task_roles: BTreeMap<String, Vec<String>>,
    pub iam: Deployed,
    /// The customers' keys that there are, beside those that a world brings.
    pub keys: Vec<CustomerKey>,
}

pub struct Machine {
    pub name: String,
    pub definition: String,
    pub role_arn: String,
}

pub struct CustomerKey {
    pub arn: String,
    pub alias: String,
    /// The run bucket is encrypted with it.
    pub of_run_bucket: bool,
}

impl Deployment {
    pub fn of_files(switches: &Switches) -> anyhow::Result<Self> {
        let machine = |runbook: &str| -> anyhow::Result<Machine> {
            Ok(Machine {
                name: format!("{PREFIX}-{runbook}"),
                definition: statemachine::render(&statemachine::source(runbook)?)?,
                role_arn: permissions::role_arn(runbook, ACCOUNT),
            })
        };
        let states = functions::STATES.iter().map(|state| runbook::state::kebab(state));
        let variables = permissions::variables(switches);
        let events = root().join("infra/events");
        Ok(Self {
            machines: RUNBOOKS.iter().map(|runbook| machine(runbook)).collect::<anyhow::Result<_>>()?,
            rules: load_rules(&events, &variables)?,
            destinations: load_destinations(&events.join("destinations"), &variables)?,
            functions: states.chain(functions::CALLED_BY_EVENTS.map(str::to_owned)).collect(),
            run_buckets: BTreeMap::new(),
            task_roles: permissions::task_roles(),
            iam: permissions::deployed(switches)?,
            keys: Vec::new(),
        })
    }
}
