//! The state machines of `statemachines/`, with the placeholders filled in as Terraform's
//! `templatefile` fills them.

use std::collections::BTreeMap;

use anyhow::Context;
use local_aws::template::Variables;

use crate::{aws, executables::root};

pub const PREFIX: &str = "aurora-runbooks";
/// What schedules and rules start (infra/statemachines.tf).
pub const ALIAS: &str = "live";
pub const RUNBOOKS: [&str; 5] =
    ["major-upgrade", "rehearse-upgrade", "upgrade-fleet", "daily-sync", "snapshot-export"];

/// The ASL as it stands in the file.
pub fn source(runbook: &str) -> anyhow::Result<String> {
    let path = root().join("statemachines").join(runbook).join("statemachine.asl.json");
    std::fs::read_to_string(&path).with_context(|| format!("could not read {}", path.display()))
}

/// `${modify_cluster_version}` → the function; for a worker, its task definition.
pub fn placeholders() -> BTreeMap<String, String> {
    let snake = |state: &str| runbook::state::kebab(state).replace('-', "_");
    let functions = functions::STATES.iter().map(|state| {
        (snake(state), aws::arn("lambda", &format!("function:{PREFIX}-{}", runbook::state::kebab(state))))
    });
    let workers = workers::STATES
        .iter()
        .map(|state| (snake(state), format!("{PREFIX}-{}", runbook::state::kebab(state))));
    let network = [
        ("worker_cluster", PREFIX),
        ("worker_subnets", "subnet-0a,subnet-0b"),
        ("worker_security_groups", "sg-workers"),
        ("rehearsal_subnet_group", "quarantine"),
        ("rehearsal_security_group", "sg-quarantine"),
    ];
    let network = network.map(|(name, value)| (name.to_owned(), value.to_owned()));
    // What another state machine starts.
    let machines = ["major-upgrade", "rehearse-upgrade"]
        .map(|name| (snake(name), aws::arn("states", &format!("stateMachine:{PREFIX}-{name}:{ALIAS}"))));
    functions.chain(workers).chain(network).chain(machines).collect()
}

pub fn render(source: &str) -> anyhow::Result<String> {
    let placeholders = placeholders().into_iter();
    let variables = placeholders.fold(Variables::default(), |all, (name, value)| all.set(&name, &value));
    variables.render(source)
}
