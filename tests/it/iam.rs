//! The policies in infra/iam are enforced in every scenario of every test. Here: what is forbidden
//! is refused, nothing is granted that no scenario uses, and a policy says only what its actions
//! know.

mod documents;
mod granted;
mod refusals;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Debug,
    io::Write as _,
    time::Duration,
};

use aws_sdk_rds::{
    error::{ProvideErrorMetadata, SdkError},
    types::Tag,
};
use runbook::{Context, postgres::Tls};
use sandbox::{
    Options, Sandbox,
    aws::{ACCOUNT, PRODUCTION, arn, arn_in},
    deployment::Deployment,
    environments,
    events::Target,
    executables::root,
    exports,
    faults::{Fault, Kind},
    iam::{
        condition::Keys as Values,
        evaluate::{Access, Identity},
        policy::Policy,
        table,
    },
    orders::{self, Shape},
    permissions::{self, Document, Switches},
    production,
    rds::engine::UpgradeFailure,
    sandbox::BUCKET,
    statemachine::{ALIAS, PREFIX},
};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::{
    harness::{Ended, ended, redrive, run, to_18},
    python::packages,
};

/// What Step Functions itself does with a state machine's role to wait for an execution that it has
/// started (https://docs.aws.amazon.com/step-functions/latest/dg/connect-stepfunctions.html).
const TO_WAIT_FOR_AN_EXECUTION: [&str; 5] = [
    "events:DescribeRule",
    "events:PutRule",
    "events:PutTargets",
    "states:DescribeExecution",
    "states:StopExecution",
];

/// What Step Functions itself does with a state machine's role, where it writes logs and traces: no
/// scenario can use it (infra/iam/README.md).
const BY_STEP_FUNCTIONS: [&str; 14] = [
    "logs:CreateLogDelivery",
    "logs:CreateLogStream",
    "logs:DeleteLogDelivery",
    "logs:DescribeLogGroups",
    "logs:DescribeResourcePolicies",
    "logs:GetLogDelivery",
    "logs:ListLogDeliveries",
    "logs:PutLogEvents",
    "logs:PutResourcePolicy",
    "logs:UpdateLogDelivery",
    "xray:GetSamplingRules",
    "xray:GetSamplingTargets",
    "xray:PutTelemetryRecords",
    "xray:PutTraceSegments",
];

/// Everything that a deployment can switch on.
fn everything() -> Switches {
    let key = |id: &str| Some(arn("kms", &format!("key/{id}")));
    Switches {
        run_bucket: key("runs"),
        secrets: key("secrets"),
        logs: true,
        traces: true,
        ..Switches::default()
    }
}

fn documents() -> BTreeMap<String, Document> {
    let documents = permissions::documents(&everything()).unwrap();
    documents.into_iter().map(|document| (document.name.clone(), document)).collect()
}

fn statements(document: &Document) -> &Vec<Value> {
    document.policy.as_array().unwrap()
}

fn actions(statement: &Value) -> impl Iterator<Item = &str> {
    statement["Action"].as_array().unwrap().iter().map(|action| action.as_str().unwrap())
}

fn granted(document: &Document) -> BTreeSet<String> {
    statements(document).iter().flat_map(actions).map(str::to_owned).collect()
}

async fn world_of_upgrade(options: Options) -> Sandbox {
    let sandbox = Sandbox::start(options).await.unwrap();
    orders::create(&sandbox, Shape::default()).await.unwrap();
    sandbox
}

async fn world_of_sync(options: Options) -> Sandbox {
    let sandbox = Sandbox::start(options).await.unwrap();
    production::create(&sandbox).await.unwrap();
    production::take_snapshot(&sandbox).await.unwrap();
    environments::create(&sandbox, None).await.unwrap();
    environments::create_targets(&sandbox).await.unwrap();
    sandbox
}

async fn sync(sandbox: &Sandbox, name: &str) -> Ended {
    let arn = sandbox.start_execution("daily-sync", name, &json!({ "sync": "orders" })).await.unwrap();
    ended(sandbox, arn).await
}

/// The clients of a function or a worker.
fn role(sandbox: &Sandbox, principal: &str) -> Context {
    Context::new(&sandbox.sdk_in(ACCOUNT, principal), sandbox.clock, BUCKET.to_owned(), Tls::Disable)
}

fn states() -> impl Iterator<Item = String> {
    functions::STATES.iter().chain(workers::STATES).map(|state| runbook::state::kebab(state))
}

/// As AWS's services act with a role, without a call that the sandbox would make.
#[track_caller]
fn decide(sandbox: &Sandbox, role: &str, action: &str, resource: &str) -> bool {
    let identity = Identity::Role {
        arn: permissions::role_arn(role, ACCOUNT),
        session: format!("arn:aws:sts::{ACCOUNT}:assumed-role/{PREFIX}-{role}/session"),
    };
    let access = Access { action: action.into(), resource: resource.into(), keys: Values::default() };
    sandbox.iam.decide(&identity, &access).is_ok()
}
