//! What the scenarios share.

use std::collections::{BTreeMap, BTreeSet};

use local_aws::gateway::Call;
use sandbox::{
    Options, Sandbox, environments, orders, production,
    worlds::{findings, wires},
};
use serde_json::{Value, json};

/// A local AWS on real PostgreSQL with the cluster `orders`; and its DbClusterResourceId.
pub async fn real(shape: orders::Shape<'_>) -> (Sandbox, String) {
    let sandbox = Sandbox::start(Options::real()).await.expect("the sandbox starts");
    let resource_id = orders::create(&sandbox, shape).await.expect("the cluster is created");
    (sandbox, resource_id)
}

/// The same without PostgreSQL, in virtual time.
pub async fn model(seed: u64, shape: orders::Shape<'_>) -> Sandbox {
    let sandbox = Sandbox::start(Options::model(seed)).await.expect("the sandbox starts");
    orders::create(&sandbox, shape).await.expect("the cluster is created");
    sandbox
}

/// What a daily sync begins with, in both accounts.
pub struct World {
    /// Every live wire is planted in production, and the policy knows the tables that they bring.
    pub wires: bool,
    /// Last night's snapshot of production is there.
    pub snapshot: bool,
    /// Yesterday's targets stand.
    pub targets: bool,
}

impl World {
    pub const WHOLE: Self = Self { wires: false, snapshot: true, targets: true };

    /// The sandbox, and production's DbClusterResourceId.
    pub async fn start(self, options: Options) -> (Sandbox, String) {
        let sandbox = Sandbox::start(options).await.expect("the sandbox starts");
        let resource_id = production::create(&sandbox).await.expect("production is created");
        let mut policy = None;
        if self.wires {
            let engine = sandbox.engine.clone().expect("wires need the real gear");
            for wire in wires::wires() {
                findings::apply(&engine, &resource_id, wire.plant)
                    .await
                    .unwrap_or_else(|error| panic!("{}: {error:#}", wire.slug));
            }
            policy = Some(environments::policy_with_wires().expect("the example's policy is read"));
        }
        if self.snapshot {
            production::take_snapshot(&sandbox).await.expect("the snapshot is taken");
        }
        environments::create(&sandbox, policy.as_deref()).await.expect("the environments are created");
        if self.targets {
            environments::create_targets(&sandbox).await.expect("yesterday's targets are created");
        }
        (sandbox, resource_id)
    }
}

/// Starts the sync under that name and waits for its end and its report.
pub async fn sync(sandbox: &Sandbox, name: &str) -> Ended {
    let arn = sandbox
        .start_execution("daily-sync", name, &json!({ "sync": environments::SYNC }))
        .await
        .expect("the execution starts");
    ended(sandbox, arn).await
}

/// One of our functions or workers calls an action of a service.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct CallSite {
    pub principal: String,
    pub service: String,
    pub action: String,
}

impl std::fmt::Display for CallSite {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.principal, self.action)
    }
}

/// Every distinct call that functions and workers have made.
pub fn call_sites(sandbox: &Sandbox) -> BTreeSet<CallSite> {
    let ours = ours();
    // A state that calls a service without a function or worker; how those are started is tried by
    // what becomes of them.
    let is_machines =
        |call: &Call| call.principal == STATES && !["lambda", "ecs"].contains(&call.service.as_str());
    let is_ours = |call: &Call| ours.contains(&call.principal) || is_machines(call);
    let calls = sandbox.gateway.calls().into_iter().filter(is_ours);
    calls
        .map(|call| CallSite { principal: call.principal, service: call.service, action: call.action })
        .collect()
}

/// How often each of them asked RDS what had been asked before: only then an answer can be stale.
pub fn repeated_looks(sandbox: &Sandbox) -> BTreeMap<CallSite, u32> {
    let ours = ours();
    let (mut asked, mut repeated) = (BTreeSet::new(), BTreeMap::new());
    for call in sandbox.gateway.calls() {
        if call.service != "rds" || !call.action.starts_with("Describe") {
            continue;
        }
        if !asked.insert((call.account, call.form)) && ours.contains(&call.principal) {
            let site = CallSite { principal: call.principal, service: call.service, action: call.action };
            *repeated.entry(site).or_default() += 1;
        }
    }
    repeated
}

/// Whom the calls of a state machine itself come from.
pub const STATES: &str = "states";

/// Functions and workers, by the names that they call AWS with.
pub fn ours() -> BTreeSet<String> {
    functions::STATES.iter().chain(workers::STATES).map(|state| runbook::state::kebab(state)).collect()
}

pub fn to_18() -> Value {
    json!({ "cluster": orders::CLUSTER, "target": "18" })
}

/// How an execution ended.
#[derive(Debug)]
pub struct Ended {
    pub arn: String,
    pub status: String,
    pub error: String,
    /// The text for people.
    pub cause: String,
    pub report: Value,
}

impl Ended {
    #[track_caller]
    pub fn succeeded(self) -> Self {
        assert_eq!(self.status, "SUCCEEDED", "{}: {}", self.error, self.cause);
        self
    }

    #[track_caller]
    pub fn failed(self, error: &str) -> Self {
        assert_eq!((self.status.as_str(), self.error.as_str()), ("FAILED", error), "{}", self.cause);
        self
    }

    #[track_caller]
    pub fn says(&self, parts: &[&str]) {
        for part in parts {
            assert!(self.cause.contains(part), "{part:?} is not said:\n{}", self.cause);
        }
    }

    /// The states that were entered, in order.
    pub fn states(&self) -> Vec<&str> {
        self.report["steps"]
            .as_array()
            .expect("steps")
            .iter()
            .filter_map(|step| step["state"].as_str())
            .collect()
    }
}

/// Starts the upgrade under that name and waits for its end and its report.
pub async fn run(sandbox: &Sandbox, name: &str, input: &Value) -> Ended {
    let arn = sandbox.start_execution("major-upgrade", name, input).await.expect("the execution starts");
    ended(sandbox, arn).await
}

pub async fn redrive(sandbox: &Sandbox, ended: &Ended) -> Ended {
    sandbox.redrive(&ended.arn).await.expect("the execution is redriven");
    self::ended(sandbox, ended.arn.clone()).await
}

/// Why tasks of that execution have failed with that error so far.
pub async fn causes(sandbox: &Sandbox, execution: &str, error: &str) -> Vec<String> {
    let history = sandbox.sfn().get_execution_history().execution_arn(execution);
    let history = history.into_paginator().items().send().try_collect().await.unwrap();
    let failures = history.iter().filter_map(|event| event.task_failed_event_details());
    let failures = failures.filter(|failure| failure.error() == Some(error));
    failures.map(|failure| failure.cause().unwrap_or_default().to_owned()).collect()
}

pub async fn ended(sandbox: &Sandbox, arn: String) -> Ended {
    let described = sandbox.wait(&arn).await.expect("the execution is described");
    let report = sandbox.report(&arn).await.expect("every run ends in a report");
    crate::canaries::none_is_told(sandbox, &arn).await;
    Ended {
        status: described.status().as_str().to_owned(),
        error: described.error().unwrap_or_default().to_owned(),
        cause: report["cause"].as_str().unwrap_or_default().to_owned(),
        report,
        arn,
    }
}

/// How often a state called that action with success.
pub fn calls(sandbox: &Sandbox, principal: &str, action: &str) -> usize {
    let calls = sandbox.gateway.calls();
    calls
        .iter()
        .filter(|call| call.principal == principal && call.action == action && call.status < 300)
        .count()
}

/// Calls of our functions and workers that changed something on RDS.
pub fn mutations(sandbox: &Sandbox) -> Vec<String> {
    let ours = ours();
    let calls = sandbox.gateway.calls();
    let mutating =
        calls.iter().filter(|call| call.service == "rds" && call.mutates() && ours.contains(&call.principal));
    mutating.map(|call| format!("{} {}", call.principal, call.action)).collect()
}

/// The version of the cluster and of each member.
pub async fn versions(sandbox: &Sandbox) -> Vec<String> {
    let cx = orders::context(sandbox);
    let cluster = runbook::aurora::cluster(&cx, orders::CLUSTER).await.expect("the cluster is described");
    let members = runbook::aurora::members(&cx, &cluster).await.expect("its members are described");
    let versions = [&cluster.version].into_iter().chain(members.iter().map(|member| &member.version));
    versions.map(ToString::to_string).collect()
}
