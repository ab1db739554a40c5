//! All runbooks, in the model gear, from what was read back.

use sandbox::{
    Options, Sandbox,
    aws::{ACCOUNT, arn},
    deployment::Deployment,
    environments,
    executables::root,
    exports,
    iam::{
        condition::Keys as Values,
        evaluate::{Access, Identity},
    },
    orders, production,
    rds::network::WORKERS,
    statemachine::PREFIX,
};

use super::{deployed::ReadBack, production_key};
use crate::{daily_sync_model as model, harness};

/// In virtual time, like the scenarios of the model gear.
pub fn in_model(scenario: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
    runtime.expect("a runtime can be made").block_on(scenario);
}

async fn start(deployment: Deployment) -> Sandbox {
    let options = Options { deployment: Some(deployment), ..Options::model(1) };
    Sandbox::start(options).await.expect("the sandbox starts from what was deployed")
}

async fn execute(sandbox: &Sandbox, machine: &str, name: &str, input: &str) -> harness::Ended {
    let start = sandbox.sfn().start_execution().state_machine_arn(machine).name(name).input(input);
    let started = start.send().await.expect("the execution starts");
    harness::ended(sandbox, started.execution_arn).await
}

/// The security groups of the workers, as the deployed machine names them.
fn workers_groups(read: &ReadBack) -> Vec<String> {
    let mut definitions = read.machines.iter().map(|machine| machine.definition.as_str());
    let named = definitions.find_map(|text| text.split_once("'workerSecurityGroups': $split('"));
    let (groups, _) = named.and_then(|(_, rest)| rest.split_once('\'')).expect("the machine names them");
    groups.split(',').map(str::to_owned).collect()
}

/// By hand, with the README's smallest input.
pub async fn upgrade(read: &ReadBack) {
    let sandbox = start(read.deployment(&production_key())).await;
    orders::create(&sandbox, orders::Shape::default()).await.expect("the cluster is created");
    let machine = arn("states", &format!("stateMachine:{PREFIX}-major-upgrade"));
    let input = root().join("statemachines/major-upgrade/examples/smallest.json");
    let input = std::fs::read_to_string(input).unwrap();
    execute(&sandbox, &machine, "by-hand", &input).await.succeeded();
    assert_eq!(harness::versions(&sandbox).await, ["18.4", "18.4", "18.4"]);
    assert_eq!(sandbox.iam.denied(), []);
}

/// By the deployed schedule, by hand, and stopped by a person: the deployed rule cleans up. What
/// the first one has sanitised is exported, by its event.
pub async fn syncs(read: &ReadBack) {
    let sandbox = start(read.deployment(&production_key())).await;
    production::create(&sandbox).await.expect("production is created");
    production::take_snapshot(&sandbox).await.expect("the snapshot is taken");
    let policy = &read.buckets[0].objects["policy.yaml"];
    environments::create(&sandbox, Some(policy)).await.expect("the environments are created");
    exports::create(&sandbox, Some(policy)).await.expect("the bucket of exports is created");
    environments::create_targets(&sandbox).await.expect("yesterday's targets are created");
    // The quarantine lets in the workers that were deployed, and no others.
    sandbox.rds.forbid("sg-quarantine", WORKERS);
    for group in workers_groups(read) {
        sandbox.rds.allow("sg-quarantine", &group);
    }

    let [schedule] = &read.schedules[..] else { panic!("the policy has one schedule") };
    let name = schedule.role.rsplit('/').next().unwrap_or_default();
    let session = format!("arn:aws:sts::{ACCOUNT}:assumed-role/{name}/schedule");
    let may = |identity: &Identity, action: &str, resource: &str, keys: Values| {
        let access = Access { action: action.into(), resource: resource.into(), keys };
        sandbox.iam.decide(identity, &access).unwrap_or_else(|denied| panic!("{denied:?}"));
    };
    let group = arn("scheduler", &format!("schedule-group/{}", schedule.group));
    let keys = Values::default().with("aws:SourceAccount", ACCOUNT).with("aws:SourceArn", group);
    may(&Identity::Service("scheduler.amazonaws.com".into()), "sts:AssumeRole", &schedule.role, keys);
    let scheduler = Identity::Role { arn: schedule.role.clone(), session };
    let (machine, alias) = schedule.arn.rsplit_once(':').expect("the schedule starts an alias");
    let qualified = Values::default().with("states:StateMachineQualifier", alias);
    may(&scheduler, "states:StartExecution", machine, qualified);
    let before = model::published(&sandbox).await;
    execute(&sandbox, &schedule.arn, "by-schedule", &schedule.input).await.succeeded();
    let after = model::published(&sandbox).await;
    assert_eq!(after.len(), 2);
    assert!(after.iter().all(|(target, cluster)| before[target] != *cluster), "both are replaced");
    // The event of the sanitised snapshot has started its export, which goes as far as a model can:
    // nobody has counted rows.
    let export = exports::started(&sandbox).await.expect("the deployed rule starts it");
    harness::ended(&sandbox, export).await.failed("Refused").says(&["nobody has counted the rows"]);

    model::minutes(&sandbox, 24 * 60).await;
    production::take_snapshot(&sandbox).await.unwrap();
    execute(&sandbox, &schedule.arn, "by-hand", r#"{ "sync": "orders" }"#).await.succeeded();
    model::nothing_raw_is_left(&sandbox, "after both").await;
    model::production_is_left_alone(&sandbox);

    model::minutes(&sandbox, 24 * 60).await;
    production::take_snapshot(&sandbox).await.unwrap();
    let stopped = model::in_quarantine(&sandbox, "stopped").await;
    model::stop(&sandbox, &stopped).await;
    assert_eq!(harness::ended(&sandbox, stopped).await.status, "ABORTED");
    model::minutes(&sandbox, 30).await;
    model::nothing_raw_is_left(&sandbox, "half an hour after the stop").await;
    assert_eq!(sandbox.iam.denied(), []);
}
