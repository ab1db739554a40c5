use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::sync::mpsc::UnboundedReceiver;

use super::*;

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        Self(std::env::temp_dir().join(format!("sandbox-ecs-{name}-{}", std::process::id())))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Real processes, in a sandbox where a minute takes 0.1 s.
fn processes(folder: &Folder) -> Arc<Ecs> {
    let processes = Processes {
        executable: Path::new(env!("CARGO_MANIFEST_DIR")).join("src/ecs/worker.py"),
        gateway_url: "http://127.0.0.1:1".into(),
        environment: [("RUN_BUCKET".into(), "runs".into())].into(),
        log_folder: folder.0.clone(),
    };
    Ecs::new(Clock::scaled(600.0), Runner::Processes(processes), tokio::sync::mpsc::unbounded_channel().0)
}

/// A worker in this process that takes ten minutes and exits with the code that its second argument
/// gives.
fn in_process() -> (Arc<Ecs>, UnboundedReceiver<Value>, Clock) {
    let clock = Clock::virtual_time("2026-01-01T00:00:00Z".parse().unwrap());
    let worker: Worker = Arc::new(move |command, _| {
        Box::pin(async move {
            clock.sleep(Duration::from_secs(600)).await;
            command[1].parse().unwrap()
        })
    });
    let (sender, receiver) = tokio::sync::mpsc::unbounded_channel();
    (Ecs::new(clock, Runner::InProcess(worker), sender), receiver, clock)
}

async fn call(ecs: &Ecs, operation: &str, input: Value) -> (u16, Value) {
    json::call(ecs, &format!("AmazonEC2ContainerServiceV20141113.{operation}"), input).await
}

fn run(command: &[&str], environment: &[(&str, &str)]) -> Value {
    let environment: Vec<_> =
        environment.iter().map(|(name, value)| json!({ "name": name, "value": value })).collect();
    json!({
        "cluster": "runbooks", "taskDefinition": "aurora-runbooks-worker", "launchType": "FARGATE",
        "startedBy": "run-1",
        "networkConfiguration": { "awsvpcConfiguration": { "subnets": ["subnet-1"] } },
        "overrides": { "containerOverrides": [{ "name": "worker", "command": command,
                    "environment": environment }] },
    })
}

async fn started(ecs: &Ecs, input: Value) -> String {
    let (status, answer) = call(ecs, "RunTask", input).await;
    assert_eq!((status, &answer["failures"]), (200, &json!([])));
    answer["tasks"][0]["taskArn"].as_str().unwrap().to_owned()
}

async fn described(ecs: &Ecs, arn: &str) -> Value {
    call(ecs, "DescribeTasks", json!({ "cluster": "runbooks", "tasks": [arn] })).await.1["tasks"][0].clone()
}

async fn until(ecs: &Ecs, arn: &str, status: &str) -> Value {
    for _ in 0..1000 {
        let task = described(ecs, arn).await;
        if task["lastStatus"] == status {
            return task;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{arn} did not become {status}");
}

/// Waits until the process has set up its signal handlers and said so.
async fn log(path: &Path) -> Value {
    for _ in 0..500 {
        if let Ok(text) = std::fs::read_to_string(path)
            && let Some(line) = text.lines().last()
        {
            return serde_json::from_str(line).unwrap();
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("nothing in {}", path.display());
}

#[tokio::test]
async fn a_task_is_a_process_with_the_command_and_the_environment_of_its_overrides() {
    let folder = Folder::new("run");
    let ecs = processes(&folder);
    let arn =
        started(&ecs, run(&["run-analyze", "--fast"], &[("DO", "exit 3"), ("TASK_TOKEN", "token")])).await;
    assert!(arn.starts_with("arn:aws:ecs:eu-west-1:444455556666:task/runbooks/"), "{arn}");
    let task = until(&ecs, &arn, "STOPPED").await;
    assert_eq!(task["containers"][0]["exitCode"], 3);
    assert_eq!(
        (&task["stopCode"], &task["stoppedReason"]),
        (&json!("EssentialContainerExited"), &json!("Essential container in task exited"))
    );
    let log = log(&folder.0.join("run-analyze.log")).await;
    assert_eq!(log["arguments"], json!(["run-analyze", "--fast"]));
    let environment = &log["environment"];
    assert_eq!(
        (&environment["AWS_ACCESS_KEY_ID"], &environment["TASK_TOKEN"]),
        (&json!("run-analyze"), &json!("token"))
    );
    assert_eq!((&environment["RUN_BUCKET"], &environment["HOME"]), (&json!("runs"), &Value::Null));
    assert!(environment["RUNBOOK_CLOCK"].as_str().unwrap().ends_with("@600"));
}

#[tokio::test]
async fn a_killed_worker_exits_with_137() {
    let folder = Folder::new("kill");
    let ecs = processes(&folder);
    let arn = started(&ecs, run(&["run-analyze"], &[("DO", "sleep")])).await;
    assert!(!ecs.kill("run-analyze"), "it does not run yet");
    until(&ecs, &arn, "RUNNING").await;
    assert!(!ecs.kill("sanitize-databases"));
    assert!(ecs.kill("run-analyze"));
    assert_eq!(until(&ecs, &arn, "STOPPED").await["containers"][0]["exitCode"], 137);
    assert!(!ecs.kill("run-analyze"));
}

#[tokio::test]
async fn a_stopped_worker_may_end_in_good_order_and_is_killed_otherwise() {
    for (behaviour, code) in [("handle", 5), ("ignore", 137), ("sleep", 143)] {
        let folder = Folder::new(behaviour);
        let ecs = processes(&folder);
        let arn = started(&ecs, run(&["run-analyze"], &[("DO", behaviour)])).await;
        log(&folder.0.join("run-analyze.log")).await;
        let (_, answer) =
            call(&ecs, "StopTask", json!({ "cluster": "runbooks", "task": arn, "reason": "enough" })).await;
        assert_eq!(
            (&answer["task"]["desiredStatus"], &answer["task"]["lastStatus"]),
            (&json!("STOPPED"), &json!("RUNNING"))
        );
        let task = until(&ecs, &arn, "STOPPED").await;
        assert_eq!(task["containers"][0]["exitCode"], code, "{behaviour}");
        assert_eq!((&task["stopCode"], &task["stoppedReason"]), (&json!("UserInitiated"), &json!("enough")));
    }
}

#[tokio::test]
async fn an_executable_that_is_not_there_fails_to_start() {
    let processes = Processes {
        executable: "/nowhere/worker".into(),
        gateway_url: String::new(),
        environment: Environment::new(),
        log_folder: std::env::temp_dir(),
    };
    let ecs = Ecs::new(
        Clock::scaled(600.0),
        Runner::Processes(processes),
        tokio::sync::mpsc::unbounded_channel().0,
    );
    let arn = started(&ecs, run(&["sandbox-test"], &[])).await;
    let task = until(&ecs, &arn, "STOPPED").await;
    assert_eq!(
        (&task["stopCode"], &task["containers"][0]["exitCode"]),
        (&json!("TaskFailedToStart"), &Value::Null)
    );
    let _ = std::fs::remove_file(std::env::temp_dir().join("sandbox-test.log"));
}

#[tokio::test(start_paused = true)]
async fn every_change_of_a_task_is_an_event() {
    let (ecs, mut events, clock) = in_process();
    let arn = started(&ecs, run(&["run-analyze", "0"], &[])).await;
    clock.sleep(Duration::from_secs(3600)).await;
    let mut seen = Vec::new();
    while let Ok(event) = events.try_recv() {
        assert_eq!(
            (&event["source"], &event["detail-type"]),
            (&json!("aws.ecs"), &json!("ECS Task State Change"))
        );
        assert_eq!(event["resources"], json!([arn]));
        seen.push((
            event["time"].as_str().unwrap()[11..19].to_owned(),
            event["detail"]["lastStatus"].as_str().unwrap().to_owned(),
        ));
    }
    let expected = [
        ("00:00:00", "PROVISIONING"),
        ("00:00:15", "PENDING"),
        ("00:00:45", "RUNNING"),
        ("00:10:45", "DEPROVISIONING"),
        ("00:10:55", "STOPPED"),
    ];
    assert_eq!(seen, expected.map(|(time, status)| (time.to_owned(), status.to_owned())));
    let task = described(&ecs, &arn).await;
    assert_eq!((&task["startedAt"], &task["containers"][0]["exitCode"]), (&json!(1767225645.0), &json!(0)));
}

#[tokio::test(start_paused = true)]
async fn planted_faults_hit_the_next_run_alone() {
    let (ecs, _events, clock) = in_process();
    ecs.fail_next_run("RESOURCE:MEMORY");
    ecs.never_start_next();
    let (status, answer) = call(&ecs, "RunTask", run(&["run-analyze", "0"], &[])).await;
    assert_eq!(
        (status, &answer["tasks"], &answer["failures"][0]["reason"]),
        (200, &json!([]), &json!("RESOURCE:MEMORY"))
    );
    let stuck = started(&ecs, run(&["run-analyze", "0"], &[])).await;
    let fine = started(&ecs, run(&["run-analyze", "0"], &[])).await;
    clock.sleep(Duration::from_secs(24 * 3600)).await;
    assert_eq!(described(&ecs, &stuck).await["lastStatus"], "PROVISIONING");
    assert_eq!(described(&ecs, &fine).await["lastStatus"], "STOPPED");
    call(&ecs, "StopTask", json!({ "cluster": "runbooks", "task": stuck })).await;
    clock.sleep(Duration::from_secs(60)).await;
    let task = described(&ecs, &stuck).await;
    assert_eq!(
        (&task["lastStatus"], &task["stopCode"], &task["containers"][0]["exitCode"]),
        (&json!("STOPPED"), &json!("UserInitiated"), &Value::Null)
    );
    assert_eq!(ecs.tasks().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_client_token_starts_one_task_and_other_parameters_conflict() {
    let (ecs, _events, _) = in_process();
    let mut request = run(&["run-analyze", "0"], &[]);
    request["clientToken"] = json!("token");
    let arn = started(&ecs, request.clone()).await;
    assert_eq!(started(&ecs, request.clone()).await, arn);
    request["startedBy"] = json!("run-2");
    let (status, error) = call(&ecs, "RunTask", request).await;
    assert_eq!(
        (status, &error["__type"], &error["resourceIds"]),
        (400, &json!("ConflictException"), &json!([arn]))
    );
    assert_eq!(ecs.tasks().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn overrides_of_more_than_8192_characters_are_refused() {
    let (ecs, _events, _) = in_process();
    let with = |input: &str| run(&["run-analyze", "0"], &[("INPUT", input)]);
    let rest = 8192 - with("")["overrides"].to_string().len();
    started(&ecs, with(&"é".repeat(rest))).await;
    let (status, error) = call(&ecs, "RunTask", with(&"é".repeat(rest + 1))).await;
    assert_eq!((status, &error["__type"]), (400, &json!("InvalidParameterException")));
    assert_eq!(error["message"], "Container Overrides length must be at most 8192");
}

#[tokio::test(start_paused = true)]
async fn tasks_are_listed_by_status_and_by_who_started_them() {
    let (ecs, _events, clock) = in_process();
    let one = started(&ecs, run(&["run-analyze", "0"], &[])).await;
    let list = |filter: Value| {
        let mut input = json!({ "cluster": "arn:aws:ecs:eu-west-1:444455556666:cluster/runbooks" });
        input.as_object_mut().unwrap().extend(filter.as_object().unwrap().clone());
        let ecs = ecs.clone();
        async move { call(&ecs, "ListTasks", input).await.1["taskArns"].clone() }
    };
    assert_eq!(list(json!({ "startedBy": "run-1", "family": "aurora-runbooks-worker" })).await, json!([one]));
    assert_eq!(list(json!({ "startedBy": "run-2" })).await, json!([]));
    clock.sleep(Duration::from_secs(3600)).await;
    assert_eq!(list(json!({})).await, json!([]));
    assert_eq!(list(json!({ "desiredStatus": "STOPPED" })).await, json!([one]));
    let (_, answer) = call(&ecs, "DescribeTasks", json!({ "cluster": "runbooks", "tasks": ["gone"] })).await;
    assert_eq!(answer["failures"][0]["reason"], "MISSING");
}
