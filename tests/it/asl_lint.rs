//! A linter of state machines: what Step Functions accepts and what then hurts. Each rule is shown
//! by a machine that breaks it; all of statemachines/ keep every rule, and pass two linters that
//! are not ours.

mod operations;
mod rules;

use std::{collections::BTreeSet, io::Write as _, path::PathBuf, time::Duration};

use operations::{Operations, Resource};
use rules::{Machine, RULES};
use sandbox::{Options, Sandbox, executables::root, orders::Shape, statemachine};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::{
    harness::{self, World},
    python::packages,
};

/// As npm has it (https://www.npmjs.com/package/asl-validator).
const ASL_VALIDATOR: &str = "asl-validator@4.0.0";
const CFN_LINT: &str = "cfn-lint==1.51.0";

/// Whatever stands in statemachines/.
fn machines() -> Vec<(String, Value)> {
    let mut machines = Vec::new();
    for entry in std::fs::read_dir(root().join("statemachines")).unwrap() {
        let runbook = entry.unwrap().file_name().into_string().unwrap();
        let source = statemachine::source(&runbook).unwrap();
        machines.push((runbook, serde_json::from_str(&statemachine::render(&source).unwrap()).unwrap()));
    }
    assert!(machines.len() >= statemachine::RUNBOOKS.len(), "machines are missing");
    machines
}

fn machine(runbook: &str) -> Value {
    let mut machines = machines().into_iter();
    machines.find(|(name, _)| name == runbook).unwrap_or_else(|| panic!("there is no {runbook}")).1
}

fn keys(machine: &Value) -> BTreeSet<String> {
    let none = Operations::new();
    let machine = Machine::new(machine, &none);
    machine.places.iter().filter_map(|place| Some(Resource::read(place.state)?.key())).collect()
}

async fn operations<'a>(machines: impl IntoIterator<Item = &'a Value>) -> Operations {
    operations::of_botocore(&machines.into_iter().flat_map(keys).collect()).await
}

#[tokio::test]
async fn every_machine_keeps_every_rule() {
    let machines = machines();
    let operations = operations(machines.iter().map(|(_, machine)| machine)).await;
    for (runbook, machine) in &machines {
        let problems = Machine::new(machine, &operations).problems();
        assert!(problems.is_empty(), "{runbook}:\n{}", problems.join("\n"));
    }
}

type Spoil = fn(&mut Value);

/// A rule, the runbook that is spoiled, and how: `at` finds a state by its name, at any depth.
const SPOILED: [(&str, &str, Spoil); 27] = [
    ("a task is bounded", "major-upgrade", |m| remove(at(m, "TakeSnapshot"), "TimeoutSeconds")),
    ("a token task beats", "major-upgrade", |m| at(m, "RunAnalyze")["HeartbeatSeconds"] = 86_400.into()),
    ("a token task beats", "daily-sync", |m| at(m, "PrepareTarget")["HeartbeatSeconds"] = 301.into()),
    ("a token task beats", "daily-sync", |m| remove(at(m, "AttestSanitized"), "HeartbeatSeconds")),
    ("a token task, and no other,", "major-upgrade", |m| {
        environment(at(m, "RunAnalyze"))[0]["Value"] = "{% $plan.cluster %}".into();
    }),
    ("a token task, and no other,", "major-upgrade", |m| {
        at(m, "TakeSnapshot")["Arguments"]["Payload"]["token"] = "{% $states.context.Task.Token %}".into();
    }),
    ("States.ALL stands alone and last", "daily-sync", |m| swap(at(m, "SelectSnapshot"), "Catch")),
    ("States.ALL stands alone and last", "daily-sync", |m| {
        at(m, "CleanUp")["Catch"][0]["ErrorEquals"] = json!(["States.ALL", "Refused"]);
    }),
    ("an action and its parameters", "major-upgrade", |m| {
        at(m, "TakeSnapshot")["Resource"] = "arn:aws:states:::aws-sdk:rds:stopDBClusters".into();
    }),
    ("an action and its parameters", "major-upgrade", |m| {
        at(m, "RunAnalyze")["Resource"] = "arn:aws:states:::ecs:runTask.waitForToken".into();
    }),
    ("an action and its parameters", "major-upgrade", |m| {
        at(m, "RunAnalyze")["Arguments"]["LaunchType"] = "FAR_GATE".into();
    }),
    ("an action and its parameters", "major-upgrade", |m| {
        remove(&mut at(m, "RunAnalyze")["Arguments"], "TaskDefinition");
    }),
    ("an action and its parameters", "daily-sync", |m| {
        let network = &mut at(m, "PrepareTarget")["Arguments"]["NetworkConfiguration"];
        network["AwsvpcConfiguration"]["SubnetIds"] = json!(["subnet-0a"]);
    }),
    ("an error that is named can occur", "major-upgrade", |m| {
        at(m, "TakeSnapshot")["Retry"][1]["ErrorEquals"][0] = "States.HeartbeatTimeout".into();
    }),
    ("an error that is named can occur", "major-upgrade", |m| {
        at(m, "RunAnalyze")["Retry"][1]["ErrorEquals"][0] = "ECS.ServiceException".into();
    }),
    ("an error that is named can occur", "daily-sync", |m| {
        at(m, "Sync")["Catch"][0]["ErrorEquals"] = json!(["Failed"]);
    }),
    ("a task is asked again", "major-upgrade", |m| {
        at(m, "TakeSnapshot")["Retry"][0]["MaxAttempts"] = 99.into()
    }),
    ("a task is asked again", "major-upgrade", |m| {
        remove(&mut at(m, "TakeSnapshot")["Retry"][0], "MaxDelaySeconds")
    }),
    ("a task is asked again", "daily-sync", |m| remove(at(m, "CleanUp"), "Retry")),
    ("what is broken is given up", "major-upgrade", |m| {
        at(m, "RunAnalyze")["Retry"][2]["MaxAttempts"] = 99.into();
    }),
    ("what is broken is given up", "daily-sync", |m| {
        at(m, "SanitizeDatabases")["Retry"][1]["ErrorEquals"][0] = "States.Timeout".into();
    }),
    ("an execution of eight hours", "major-upgrade", |m| {
        let poll = &mut at(m, "ModifyClusterVersion")["Retry"][0];
        (poll["IntervalSeconds"], poll["BackoffRate"], poll["MaxAttempts"]) =
            (1.into(), 1.into(), 99_999.into());
    }),
    ("an execution of eight hours", "daily-sync", |m| {
        at(m, "RefreshTargets")["MaxConcurrency"] = 0.into();
        at(m, "SwapTarget")["Retry"][0]["MaxDelaySeconds"] = 20.into();
    }),
    ("what a state holds literally", "daily-sync", |m| {
        at(m, "TargetFailed")["Output"] = "x".repeat(262_144).into()
    }),
    ("causes that a Map collects", "daily-sync", |m| {
        at(m, "RefreshTarget")["Catch"][0]["Output"]["cause"] = "{% $states.errorOutput.Cause %}".into();
    }),
    ("what is caught ends in a failure", "daily-sync", |m| {
        remove(&mut at(m, "Sync")["Catch"][0]["Assign"], "failure");
    }),
    ("what is caught ends in a failure", "daily-sync", |m| {
        at(m, "IsSyncComplete")["Choices"][1]["Condition"] = "{% $count($left) = 0 %}".into();
    }),
];

fn at<'a>(machine: &'a mut Value, name: &str) -> &'a mut Value {
    find(machine, name).unwrap_or_else(|| panic!("there is no state {name}"))
}

fn find<'a>(machine: &'a mut Value, name: &str) -> Option<&'a mut Value> {
    let states = machine["States"].as_object_mut()?;
    if states.contains_key(name) {
        return states.get_mut(name);
    }
    states.values_mut().find_map(|state| {
        let state = state.as_object_mut()?;
        if state.contains_key("ItemProcessor") {
            return find(state.get_mut("ItemProcessor")?, name);
        }
        state.get_mut("Branches")?.as_array_mut()?.iter_mut().find_map(|branch| find(branch, name))
    })
}

fn remove(value: &mut Value, field: &str) {
    value.as_object_mut().unwrap().remove(field).unwrap_or_else(|| panic!("there is no {field}"));
}

fn swap(state: &mut Value, field: &str) {
    state[field].as_array_mut().unwrap().swap(0, 1);
}

fn environment(task: &mut Value) -> &mut Value {
    &mut task["Arguments"]["Overrides"]["ContainerOverrides"][0]["Environment"]
}

#[tokio::test]
async fn each_rule_refuses_a_machine_that_breaks_it() {
    let spoiled = SPOILED.map(|(rule, runbook, spoil)| {
        let mut machine = machine(runbook);
        spoil(&mut machine);
        (rule, machine)
    });
    let operations = operations(spoiled.iter().map(|(_, machine)| machine)).await;
    let mut shown = BTreeSet::new();
    for (index, (rule, machine)) in spoiled.iter().enumerate() {
        let problems = Machine::new(machine, &operations).problems();
        let broken = problems.iter().any(|problem| problem.starts_with(rule));
        assert!(broken, "number {index} does not break `{rule}`: {problems:#?}");
        shown.insert(*rule);
    }
    for (rule, _) in RULES {
        assert!(shown.iter().any(|shown| rule.starts_with(shown)), "no machine shows `{rule}`");
    }
}

#[tokio::test]
async fn asl_validator_and_cfn_lint_find_nothing_and_would_find_something() {
    let folder = std::env::temp_dir().join(format!("aurora-runbooks-asl-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    // Each sees what the other does not.
    let (mut nowhere, mut parameters) = (machine("daily-sync"), machine("daily-sync"));
    at(&mut nowhere, "CleanUp")["Next"] = "Nowhere".into();
    at(&mut parameters, "SyncFailed")["Parameters"] = json!({});
    let mut all = machines();
    all.extend([("nowhere".to_owned(), nowhere), ("parameters".to_owned(), parameters)]);
    for (name, machine) in &all {
        let role = "arn:aws:iam::444455556666:role/aurora-runbooks-any";
        let properties = json!({ "RoleArn": role, "Definition": machine });
        let resource = json!({ "Type": "AWS::StepFunctions::StateMachine", "Properties": properties });
        let template = json!({ "Resources": { "Machine": resource } });
        std::fs::write(folder.join(format!("{name}.asl.json")), machine.to_string()).unwrap();
        std::fs::write(folder.join(format!("{name}.template.json")), template.to_string()).unwrap();
    }
    let validator = asl_validator().await;
    let cfn_lint = packages(&[CFN_LINT], true).await;
    for (name, _) in &all {
        let mut validate = Command::new("node");
        validate.arg(&validator).arg("--json-path").arg(folder.join(format!("{name}.asl.json")));
        let mut lint = Command::new("python3");
        lint.arg(cfn_lint.join("bin/cfn-lint"))
            .args(["--regions", "eu-west-1", "--"])
            .arg(folder.join(format!("{name}.template.json")))
            .env("PYTHONPATH", &cfn_lint)
            .env("PYTHONDONTWRITEBYTECODE", "1");
        for (linter, mut command, wrong, finds) in [
            ("asl-validator", validate, "nowhere", "Missing 'StartAt'|'Next'|'Default' target: Nowhere"),
            ("cfn-lint", lint, "parameters", "('Parameters' was unexpected)"),
        ] {
            let others = ["nowhere", "parameters"].iter().any(|one| one == name && *one != wrong);
            if others {
                continue;
            }
            let output = command.output().await.unwrap_or_else(|error| panic!("{linter}: {error}"));
            let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
            assert_eq!(output.status.success(), name != wrong, "{linter} of {name}: {said}");
            assert!(name != wrong || said.contains(finds), "{linter} of {name}: {said}");
        }
    }
    std::fs::remove_dir_all(folder).unwrap();
}

/// The script, fetched once from npm.
async fn asl_validator() -> PathBuf {
    let folder = std::env::temp_dir().join(format!("aurora-runbooks-{}", ASL_VALIDATOR.replace('@', "-")));
    let script = folder.join("node_modules/asl-validator/dist/bin/asl-validator.js");
    if !script.exists() {
        std::fs::create_dir_all(&folder).unwrap();
        let mut npm = Command::new("npm");
        npm.args(["install", "--no-save", "--no-audit", "--no-fund", "--prefix"])
            .arg(&folder)
            .arg(ASL_VALIDATOR);
        let install = npm.output().await.expect("npm must be installed: asl-validator reads the machines");
        assert!(install.status.success(), "{}", String::from_utf8_lossy(&install.stderr));
    }
    script
}

/// How many events an execution has, and the bytes of the longest text in them that a limit holds
/// for.
async fn measure(sandbox: &Sandbox, execution: &str) -> (usize, usize) {
    let pages = sandbox.sfn().get_execution_history().execution_arn(execution).into_paginator();
    let events = pages.items().send().try_collect().await.expect("the history is read");
    let texts = events.iter().flat_map(|event| {
        [
            event.state_entered_event_details().and_then(|details| details.input()),
            event.state_exited_event_details().and_then(|details| details.output()),
            event.task_scheduled_event_details().map(|details| details.parameters()),
            event.task_succeeded_event_details().and_then(|details| details.output()),
        ]
    });
    (events.len(), texts.flatten().map(str::len).max().unwrap_or_default())
}

#[tokio::test(start_paused = true)]
async fn runs_stay_far_below_the_limits_of_history_and_payload() {
    let upgrade = harness::model(1, Shape::default()).await;
    upgrade.rds.behave(|behaviour| behaviour.upgrade_snapshot = Duration::from_secs(27_000));
    let eight_hours = harness::run(&upgrade, "long", &harness::to_18()).await.succeeded();
    let (sync, _) = World::WHOLE.start(Options::model(1)).await;
    let synced = harness::sync(&sync, "sync").await.succeeded();
    for (sandbox, run) in [(&upgrade, eight_hours), (&sync, synced)] {
        let (events, payload) = measure(sandbox, &run.arn).await;
        // Shown by `cargo test -p tests --test it -- far_below --nocapture`.
        let line = format!("{}: {events} events, {payload} bytes at most\n", run.arn);
        std::io::stderr().write_all(line.as_bytes()).expect("stderr is open");
        assert!(events < 5_000 && payload < 26_000, "{line}");
    }
}
