//! Holds ASL, Rust and docs/errors.md together.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
};

use functions::major_upgrade::{input::WORKER_CHARACTERS, resolve_upgrade::ResolveUpgrade};
use local_aws::states::fake::{Fake, ok, service_error};
use sandbox::{executables::root, statemachine, states as asl};
use serde_json::{Value, json};

/// What AWS itself raises and a machine of ours names.
const ERRORS_OF_AWS: &[&str] = &[
    // https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html
    "States.ALL",
    "States.HeartbeatTimeout",
    "States.Timeout",
    "Lambda.Unknown",
    // https://docs.aws.amazon.com/step-functions/latest/dg/sfn-best-practices.html
    "Lambda.AWSLambdaException",
    "Lambda.ClientExecutionTimeoutException",
    "Lambda.SdkClientException",
    "Lambda.ServiceException",
    // Invoke in botocore lambda/2015-03-31
    "Lambda.TooManyRequestsException",
    // The runtime's own, as the type of a function's error:
    // https://docs.aws.amazon.com/lambda/latest/dg/troubleshooting-invocation.html
    "Runtime.ExitError",
    "Sandbox.Timedout",
    // RunTask in botocore ecs/2014-11-13; the prefix as wellcomecollection/catalogue-pipeline#3554
    // found it in a history.
    "ECS.InvalidParameterException",
    "ECS.ServerException",
    // Whatever the model has not, throttling too, as AllenInstitute/neuron_morphology#151 saw it.
    "ECS.AmazonECSException",
    // "If a non-empty Failures field is encountered"
    // (https://docs.aws.amazon.com/step-functions/latest/dg/connect-ecs.html)
    "AmazonECS.Unknown",
    // Of an AWS SDK integration: the modelled error and the generic one of the second Java SDK
    // (https://docs.aws.amazon.com/step-functions/latest/dg/supported-services-awssdk.html).
    "Ssm.InternalServerErrorException",
    "Ssm.SdkClientException",
    "Ssm.SsmException",
    // StartExecution in botocore stepfunctions/2016-11-23, with the same generic ones.
    "StepFunctions.AWSStepFunctionsException",
    "StepFunctions.ExecutionLimitExceededException",
    "StepFunctions.SdkClientException",
    // Assumed: nobody was found who saw these two. A throttled call by its own code, and ECS's
    // sibling of Lambda.SdkClientException.
    "ECS.SdkClientException",
    "ECS.ThrottlingException",
];

/// What is raised of no state: who answers a token for a worker that has stopped.
const OF_NO_STATE: &str = functions::fail_stopped_task::ERROR;

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

/// Those that a function or a worker of ours does.
fn tasks(runbook: &str) -> Vec<(String, Value)> {
    let ours = |state: &Value| state["Type"] == "Task" && !is_call_of_aws(state);
    states(&machine(runbook)).into_iter().filter(|(_, state)| ours(state)).collect()
}

fn is_call_of_aws(task: &Value) -> bool {
    let of_aws =
        |resource: &str| resource.contains(":aws-sdk:") || resource.contains(":states:startExecution");
    task["Resource"].as_str().is_some_and(of_aws)
}

/// Who answers may take days, and is asked once.
fn waits_for_a_person(task: &Value) -> bool {
    task["Resource"] == "arn:aws:states:::lambda:invoke.waitForTaskToken"
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
fn the_retry_blocks_are_the_same_everywhere() {
    let retries = |functions: bool| -> BTreeSet<String> {
        let tasks = statemachine::RUNBOOKS.iter().flat_map(|runbook| tasks(runbook));
        tasks
            .filter(|(name, _)| functions == functions::STATES.contains(&name.as_str()))
            .map(|(name, task)| {
                let retry = task["Retry"].to_string();
                let without = retry.replace(r#","States.Timeout""#, "");
                assert_eq!(functions && retry == without, waits_for_a_person(&task), "{name}: {retry}");
                let poll = match name.as_str() {
                    // Those of a whole fleet wait for each other.
                    "ExportSnapshot" => r#""IntervalSeconds":5,"BackoffRate":1.11,"MaxDelaySeconds":600,"#,
                    // They list all clusters of the account, and nobody waits for them. Four looks
                    // within FIRST_LOOK: two lists that are stale hide nothing.
                    "RetireOld" | "CleanUp" | "DeleteClone" => r#""IntervalSeconds":20,"BackoffRate":1,"#,
                    // The exports of a fleet begin together: they leave room for each other.
                    "RemoveLeftovers" => r#""IntervalSeconds":20,"BackoffRate":1.5,"MaxDelaySeconds":120,"#,
                    // Over in seconds, or many short operations one after another.
                    "ShareSnapshot" | "DeleteQuarantine" | "SwapTarget" => {
                        r#""IntervalSeconds":2,"BackoffRate":1.02,"MaxDelaySeconds":20,"#
                    }
                    // Users are waiting.
                    "ModifyClusterVersion" | "SyncParameterGroups" => {
                        r#""IntervalSeconds":5,"BackoffRate":1.01,"MaxDelaySeconds":20,"#
                    }
                    _ if functions => r#""IntervalSeconds":5,"BackoffRate":1.02,"MaxDelaySeconds":20,"#,
                    _ => r#""IntervalSeconds":5,"BackoffRate":1.5,"MaxDelaySeconds":60,"#,
                };
                assert!(retry.contains(poll), "{name}: {retry}");
                without.replace(poll, "")
            })
            .collect()
    };
    assert_eq!((retries(true).len(), retries(false).len()), (1, 1));
}

/// What the question says of its end is what the machine does.
#[test]
fn a_question_is_open_for_as_long_as_the_machine_waits() {
    let tasks = tasks("major-upgrade");
    let (_, task) = tasks.iter().find(|(_, task)| waits_for_a_person(task)).unwrap();
    let patience = functions::major_upgrade::ask_approval::PATIENCE.as_secs();
    assert_eq!(task["TimeoutSeconds"].as_u64(), Some(patience));
}

#[test]
fn the_asl_names_only_errors_that_exist_and_polls_on_not_ready() {
    let mut named = BTreeSet::new();
    for runbook in statemachine::RUNBOOKS {
        for (name, state) in states(&machine(runbook)) {
            let (retried, caught) = (errors(&state["Retry"]), errors(&state["Catch"]));
            for error in retried.iter().chain(&caught) {
                let known = runbook::Error::NAMES.contains(&error.as_str())
                    || ERRORS_OF_AWS.contains(&error.as_str())
                    || error == OF_NO_STATE;
                assert!(known, "{name} names {error}, which nothing raises");
            }
            assert!(!retried.contains("States.ALL"), "{name} would retry what a person must see");
            assert_eq!(
                retried.contains("NotReady"),
                state["Type"] == "Task" && !is_call_of_aws(&state),
                "{name} must poll if it is a task of ours"
            );
            named.extend(retried.into_iter().chain(caught));
        }
    }
    for error in ERRORS_OF_AWS {
        assert!(named.contains(*error), "{error} is named nowhere");
    }
}

/// The names in the retriers or catchers of a state.
fn errors(handlers: &Value) -> BTreeSet<String> {
    let handlers = handlers.as_array().into_iter().flatten();
    let names = handlers.flat_map(|handler| handler["ErrorEquals"].as_array().unwrap());
    names.map(|name| name.as_str().unwrap().to_owned()).collect()
}

/// A machine of one worker with the retriers that every worker has.
fn worker_alone() -> Value {
    let (_, mut worker) = tasks("major-upgrade").into_iter().find(|(name, _)| is_worker(name)).unwrap();
    worker["Arguments"] = json!({"TaskDefinition": "worker", "Overrides": {"ContainerOverrides": [
        {"Name": "worker", "Environment": [{"Name": "TASK_TOKEN",
                    "Value": "{% $states.context.Task.Token %}"}]}
    ]}});
    worker.as_object_mut().unwrap().remove("Next");
    worker["End"] = true.into();
    json!({"Work": worker})
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_ecs_cannot_start_now_is_started_a_little_later() {
    let no_room = || ok(json!({"tasks": [], "failures": [{"reason": "RESOURCE:ENI"}]}));
    let first_answers: [fn() -> local_aws::http::Response; 4] = [
        || service_error(500, "ServerException"),
        || service_error(400, "ThrottlingException"),
        || service_error(400, "InvalidParameterException"),
        no_room,
    ];
    for first in first_answers {
        let answers = Arc::new(Mutex::new(vec![first]));
        let fake = Fake::new(move |_| {
            let answer = answers.lock().unwrap().pop();
            async move {
                answer.map_or_else(
                    || ok(json!({"tasks": [{"taskArn": "arn:1"}], "failures": []})),
                    |first| first(),
                )
            }
        });
        let execution = fake.start(worker_alone(), "Work", json!({})).await;
        fake.sleep(60).await;
        fake.api("SendTaskSuccess", json!({"taskToken": fake.token(1), "output": "1"})).await;
        let ended = fake.finish(&execution).await;
        assert_eq!((&ended["status"], fake.calls().len()), (&json!("SUCCEEDED"), 2), "{ended}");
    }
}

#[tokio::test(start_paused = true)]
async fn parameters_that_ecs_never_takes_fail_the_run_within_minutes() {
    let fake = Fake::new(|_| async { service_error(400, "InvalidParameterException") });
    let ended = fake.run(worker_alone(), "Work", json!({})).await;
    assert_eq!(ended["error"], "ECS.InvalidParameterException");
    assert_eq!(fake.calls().len(), 4);
    assert!(fake.elapsed() <= 70.0, "it took {} s", fake.elapsed());
}

#[test]
fn every_state_of_a_runbook_gets_its_run_in_the_same_words() {
    for runbook in statemachine::RUNBOOKS {
        let tasks = tasks(runbook);
        // The first state makes the plan, which has the deadline.
        let runs: BTreeSet<String> = tasks
            .iter()
            .map(|(name, task)| {
                let text =
                    |value: &Value| value.as_str().unwrap_or_else(|| panic!("{name}: {task}")).to_owned();
                if !is_worker(name) {
                    return text(&task["Arguments"]["Payload"]["run"]).replace(" %}", "");
                }
                let environment = &task["Arguments"]["Overrides"]["ContainerOverrides"][0]["Environment"];
                assert_eq!(
                    (&environment[1]["Name"], &environment[2]["Name"]),
                    (&json!("RUN"), &json!("INPUT"))
                );
                text(&environment[1]["Value"]).replace("$string(", "").replace(") %}", "")
            })
            .map(|run| run.replace(", 'deadline': $plan.deadline", ""))
            .collect();
        assert_eq!(runs.len(), 1, "{runs:?}");
        let without = tasks.iter().filter(|(_, task)| !task.to_string().contains("$plan.deadline"));
        let machine = machine(runbook);
        let start = machine["StartAt"].as_str().unwrap();
        // Or the one after a choice.
        let first = machine["States"][start]["Default"].as_str().unwrap_or(start);
        assert_eq!(without.map(|(name, _)| name.as_str()).collect::<Vec<_>>(), [first]);
    }
}

/// `skip` with one reason, as long as ResolveUpgrade lets it be.
fn longest_skip(letter: &str) -> Value {
    let skip = |length: usize| json!([{"finding": "f", "reason": letter.repeat(length)}]);
    let fits = |length: &usize| {
        let input = json!({"cluster": "c", "target": "18", "skip": skip(*length)});
        serde_json::from_value::<ResolveUpgrade>(input).unwrap().worker_characters() <= WORKER_CHARACTERS
    };
    let longest = (1..).take_while(fits).last().unwrap();
    assert!(longest > 500, "{longest} is no room");
    skip(longest)
}

/// The names before a colon in an object of JSONata: `'cluster': …`.
fn members(expression: &str) -> Vec<&str> {
    let (mut names, parts) = (Vec::new(), expression.split('\'').collect::<Vec<_>>());
    for pair in parts.windows(2).skip(1).step_by(2) {
        if pair[1].starts_with(':') {
            names.push(pair[0]);
        }
    }
    names
}

#[test]
fn no_worker_gets_more_than_run_task_takes() {
    let (identifier, resource_id) = ("c".repeat(63), "c".repeat(64));
    for letter in ["x", "\"", "\u{1}", "é", "𝕏"] {
        // The longest of each kind: TaskToken and Arn in botocore stepfunctions/2016-11-23, names
        // of clusters in RDS, of a sync in the policy, a Duration of Rust's in seconds.
        let bindings = json!({
            "states": {"context": {
                "Execution": {"Id": "a".repeat(256), "RedriveTime": "2026-11-25T02:00:00.123Z"},
                "State": {"EnteredTime": "2026-11-25T02:00:00.123Z"},
                "Task": {"Token": "t".repeat(2048)}
            }},
            "plan": {
                "cluster": identifier, "from": "9999.9999", "target": "9999.9999", "secretArn": null,
                "deadline": format!("{}s", u64::MAX), "skip": longest_skip(letter),
                "planRegression": {"costRatio": 1e300, "action": "block"}, "sync": "s".repeat(40),
                "collations": "reindex", "method": "blue-green", "switchoverTimeout": 3600,
                "export": "e".repeat(30)
            },
            "clone": identifier,
            "green": {"deployment": "d".repeat(20), "green": identifier, "resourceId": resource_id},
            "exported": "a".repeat(400), "task": "t".repeat(60), "counted": "c".repeat(64),
            "quarantine": {"cluster": identifier, "resourceId": resource_id},
            "fresh": {"target": identifier, "cluster": identifier, "resourceId": resource_id,
                "former": resource_id}
        });
        for (name, task) in statemachine::RUNBOOKS.iter().flat_map(|runbook| tasks(runbook)) {
            if !is_worker(&name) {
                continue;
            }
            let mut overrides = task["Arguments"]["Overrides"].clone();
            for variable in overrides["ContainerOverrides"][0]["Environment"].as_array_mut().unwrap() {
                let expression = variable["Value"].as_str().unwrap().to_owned();
                let inner = expression.trim_start_matches("{%").trim_end_matches("%}");
                variable["Value"] = asl::evaluate(inner, &bindings).unwrap();
                if variable["Name"] != "TASK_TOKEN" {
                    let value: Value = serde_json::from_str(variable["Value"].as_str().unwrap()).unwrap();
                    let found: BTreeSet<&str> =
                        value.as_object().unwrap().keys().map(String::as_str).collect();
                    assert_eq!(
                        found,
                        members(inner).into_iter().collect(),
                        "{name}: the bindings lack something"
                    );
                }
            }
            // As Java counts, the larger of the two ways.
            let length = overrides.to_string().encode_utf16().count();
            assert!(length <= 8192, "{name} would get {length} characters");
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
fn the_graphs_in_the_readmes_are_current() {
    for runbook in statemachine::RUNBOOKS {
        let path = format!("statemachines/{runbook}/README.md");
        sandbox::golden::block(&root().join(&path), "graph", &sandbox::graph::mermaid(&machine(runbook)));
    }
    // The front page has the first of them.
    let graph = sandbox::graph::mermaid(&machine("major-upgrade"));
    sandbox::golden::block(&root().join("README.md"), "graph", &graph);
}

#[test]
fn the_error_codes_that_states_decide_by_are_those_of_rdss_model() {
    let model: Value = serde_json::from_str(&read("sandbox/aws/data/rds-2014-10-31.json")).unwrap();
    let operations = model["operations"].as_object().unwrap();
    let mut modelled: BTreeSet<&str> = operations
        .values()
        .flat_map(|operation| operation["errors"].as_array().into_iter().flatten())
        .filter_map(Value::as_str)
        .collect();
    // Any action may answer these, so no operation names them
    // (https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/CommonErrors.html).
    modelled.extend(["InvalidParameterCombination", "InvalidParameterValue"]);
    let unknown: Vec<&str> = runbook::aurora::Fault::ALL
        .iter()
        .map(|(code, _)| *code)
        .filter(|code| !modelled.contains(code))
        .collect();
    assert_eq!(unknown, Vec::<&str>::new());
}
