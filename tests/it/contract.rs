//! Holds ASL, Rust and docs/errors.md together.

use std::collections::BTreeSet;

use sandbox::{executables::root, statemachine};
use serde_json::Value;

fn machine(runbook: &str) -> Value {
    serde_json::from_str(&statemachine::source(runbook).unwrap()).unwrap()
}

/// Every state, also those inside of a Parallel or a Map.
fn states(machine: &Value) -> Vec<(String, Value)> {
    let mut found = Vec::new();
    for (name, state) in machine["States"].as_object().unwrap() {
        found.push((name.clone(), state.clone()));
        let branches = state["Branches"].as_array().into_iter().flatten();
        for inner in branches.chain(state.get("ItemProcessor")) {
            found.extend(states(inner));
        }
    }
    found
}

fn tasks(runbook: &str) -> Vec<(String, Value)> {
    states(&machine(runbook)).into_iter().filter(|(_, state)| state["Type"] == "Task").collect()
}

fn snake(name: &str) -> String {
    runbook::state::kebab(name).replace('-', "_")
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn is_worker(state: &str) -> bool {
    workers::STATES.contains(&state)
}

/// A state of that runbook, in its wing of the package that it belongs to.
fn file(runbook: &str, state: &str) -> String {
    let package = if is_worker(state) { "workers" } else { "functions" };
    format!("{package}/src/{}/{}.rs", runbook.replace('-', "_"), snake(state))
}

#[test]
fn every_task_is_a_state_of_ours_and_every_state_of_ours_is_a_task() {
    let used: BTreeSet<String> =
        statemachine::RUNBOOKS.iter().flat_map(|runbook| tasks(runbook)).map(|(name, _)| name).collect();
    let ours: BTreeSet<String> =
        functions::STATES.iter().chain(workers::STATES).map(|name| (*name).to_owned()).collect();
    assert_eq!(used, ours);
}

#[test]
fn a_states_name_is_its_file_and_its_placeholder() {
    for runbook in statemachine::RUNBOOKS {
        for (name, task) in tasks(runbook) {
            let file = file(runbook, &name);
            assert!(root().join(&file).exists(), "{file} is missing");
            let (arguments, is_worker) = (&task["Arguments"], is_worker(&name));
            let placeholder =
                if is_worker { &arguments["TaskDefinition"] } else { &arguments["FunctionName"] };
            assert_eq!(*placeholder, format!("${{{}}}", snake(&name)), "{name}");
            if is_worker {
                assert_eq!(
                    arguments["Overrides"]["ContainerOverrides"][0]["Command"][0],
                    runbook::state::kebab(&name)
                );
            }
        }
    }
}

#[test]
fn a_tasks_comment_is_the_first_sentence_of_its_file() {
    for runbook in statemachine::RUNBOOKS {
        for (name, task) in tasks(runbook) {
            let source = read(&file(runbook, &name));
            let paragraph = source.lines().map_while(|line| line.strip_prefix("//! "));
            assert_eq!(
                task["Comment"].as_str(),
                Some(paragraph.collect::<Vec<_>>().join(" ").as_str()),
                "{name}"
            );
        }
    }
}

#[test]
fn every_task_is_bounded_and_every_token_beats() {
    for runbook in statemachine::RUNBOOKS {
        for (name, task) in tasks(runbook) {
            assert!(task["TimeoutSeconds"].is_u64(), "{name} has no TimeoutSeconds");
            if task["Resource"].as_str().unwrap().ends_with("waitForTaskToken") {
                assert!(
                    task["HeartbeatSeconds"].as_u64().unwrap() <= 300,
                    "{name}: a dead worker must show within 5 minutes"
                );
            }
        }
    }
}

#[test]
fn the_retry_blocks_are_the_same_everywhere() {
    let retries = |functions: bool| -> BTreeSet<String> {
        let tasks = statemachine::RUNBOOKS.iter().flat_map(|runbook| tasks(runbook));
        tasks
            .filter(|(name, _)| functions == functions::STATES.contains(&name.as_str()))
            .map(|(_, task)| task["Retry"].to_string())
            .collect()
    };
    assert_eq!((retries(true).len(), retries(false).len()), (1, 1));
}

#[test]
fn the_asl_names_only_errors_that_exist_and_polls_on_not_ready() {
    // Step Functions' and the integrations' own names:
    // https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html
    let service = ["Lambda.", "Ecs.", "ECS.", "States.", "Sandbox.Timedout", "Runtime.ExitError"];
    for runbook in statemachine::RUNBOOKS {
        for (state, task) in tasks(runbook) {
            let retries = task["Retry"].as_array().unwrap();
            let names: Vec<&str> = retries
                .iter()
                .flat_map(|retry| retry["ErrorEquals"].as_array().unwrap())
                .filter_map(Value::as_str)
                .collect();
            for name in &names {
                let known = runbook::Error::NAMES.contains(name)
                    || service.iter().any(|prefix| name.starts_with(prefix));
                assert!(known, "{state} retries {name}, which nothing raises");
            }
            assert!(names.contains(&"NotReady"), "{state} does not poll");
            assert!(!names.contains(&"States.ALL"), "{state} would retry what a person must see");
        }
    }
}

#[test]
fn every_error_is_explained_in_the_docs_and_nothing_else_is() {
    let docs = read("docs/errors.md");
    let explained: BTreeSet<&str> =
        docs.lines().filter_map(|line| line.strip_prefix("## ")).filter(|name| !name.contains(' ')).collect();
    assert_eq!(explained, runbook::Error::NAMES.into_iter().collect());
}

#[test]
fn placeholders_stand_in_strings_and_all_are_filled() {
    for runbook in statemachine::RUNBOOKS {
        let source = statemachine::source(runbook).unwrap();
        assert!(!source.contains("%{"), "Terraform would read %{{ as its own directive");
        let rendered = statemachine::render(&source).unwrap();
        serde_json::from_str::<Value>(&rendered).unwrap();
    }
    statemachine::render("\"${no_such_state}\"").unwrap_err();
}

#[test]
fn the_graph_in_the_readme_is_current() {
    for runbook in statemachine::RUNBOOKS {
        let path = format!("statemachines/{runbook}/README.md");
        sandbox::golden::block(&root().join(&path), "graph", &sandbox::graph::mermaid(&machine(runbook)));
    }
}
