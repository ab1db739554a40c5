//! Malformed inputs, policies, events and objects, which stand in tests/data/bad-input: each is
//! refused with what is wrong named, and no call of ours has changed anything. Model gear: the real
//! ASL and functions.

use std::collections::BTreeSet;

use aws_sdk_rds::error::ProvideErrorMetadata;
use runbook::{Context, kept_policy::POLICY_KEY, postgres::Tls};
use sandbox::{
    Options, Sandbox,
    aws::{ACCOUNT, PRODUCTION, arn},
    exports::{self, BUCKET as EXPORTS, EXPORT, FOLDER},
    orders::{self, Shape},
    rds::EventDelivery,
    sandbox::BUCKET,
    statemachine::PREFIX,
};
use serde_json::{Value, json};

use crate::{
    harness::{World, ended},
    snapshot_export_model::{TONIGHT, at},
};

const UPGRADES: &str = include_str!("../data/bad-input/major-upgrade.txt");
const REHEARSALS: &str = include_str!("../data/bad-input/rehearse-upgrade.txt");
const FLEETS: &str = include_str!("../data/bad-input/upgrade-fleet.txt");
const SYNCS: &str = include_str!("../data/bad-input/daily-sync.txt");
const EXPORT_INPUTS: &str = include_str!("../data/bad-input/snapshot-export.txt");
const POLICIES: &str = include_str!("../data/bad-input/policies.txt");
const EVENTS: &str = include_str!("../data/bad-input/events.txt");
const OBJECTS: &str = include_str!("../data/bad-input/objects.txt");

/// What is given, and what is said of it.
struct Case {
    line: usize,
    given: String,
    said: String,
}

/// A case a line: `given ⇒ said`. Lines that begin with # are for readers.
fn cases(text: &str) -> Vec<Case> {
    let lines = text.lines().enumerate().filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    let case = |(index, line): (usize, &str)| {
        let (given, said) = line.rsplit_once(" ⇒ ").unwrap_or_else(|| panic!("nothing is said of {line}"));
        Case { line: index + 1, given: written_out(given), said: written_out(said) }
    };
    lines.map(case).collect()
}

/// `«text×3»` stands for `texttexttext`.
fn written_out(text: &str) -> String {
    let mut parts = text.split('«');
    let mut all = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (repeated, rest) = part.split_once('»').expect("« is closed");
        let (text, times) = repeated.rsplit_once('×').expect("« has a number");
        all += &text.replace('↵', "\n").repeat(times.parse().expect("× is followed by a number"));
        all += rest;
    }
    all
}

/// Everything that the three runbooks work with, in one sandbox.
async fn world() -> Sandbox {
    let options = Options { roles: vec![exports::role().unwrap()], ..Options::model(1) };
    let (sandbox, _) = World::WHOLE.start(options).await;
    orders::create(&sandbox, Shape { maintenance: false, ..Shape::default() }).await.unwrap();
    exports::create(&sandbox, Some(&exports::policy_of_three().unwrap())).await.unwrap();
    sandbox.rds.behave(|behaviour| behaviour.events = EventDelivery::Missing);
    exports::take_snapshot(&sandbox, at(TONIGHT)).await.unwrap();
    sandbox.rds.behave(|behaviour| behaviour.events = EventDelivery::Normal);
    sandbox
}

/// Calls that change anything but a run's own objects, reports and events.
fn changes(sandbox: &Sandbox) -> Vec<String> {
    let ours_or_aws = sandbox.gateway.calls().into_iter().filter(|call| call.principal != "owner");
    let changing = ours_or_aws
        .filter(|call| call.mutates() && !["s3", "events", "states"].contains(&call.service.as_str()));
    changing.map(|call| format!("{} {}:{}", call.principal, call.service, call.action)).collect()
}

/// What a case has come to; and a change, if it made any.
struct Told<'a> {
    sandbox: &'a Sandbox,
    file: &'static str,
    before: usize,
    wrong: Vec<String>,
    cases: usize,
}

impl<'a> Told<'a> {
    fn new(sandbox: &'a Sandbox, file: &'static str) -> Self {
        Self { sandbox, file, before: changes(sandbox).len(), wrong: Vec::new(), cases: 0 }
    }

    fn is(&mut self, case: &Case, told: &str) {
        self.cases += 1;
        let changed = changes(self.sandbox).split_off(self.before);
        self.before += changed.len();
        let place = format!("{}:{}", self.file, case.line);
        let short: String = told.chars().take(400).collect();
        if !told.contains(&case.said) {
            self.wrong.push(format!("{place}: {:?} is not said:\n    {short}", case.said));
        }
        if told.contains(|c: char| c.is_control() && c != '\n' && c != '\t') || told.contains('\u{202e}') {
            self.wrong.push(format!("{place}: something hides in what is said: {short:?}"));
        }
        if !changed.is_empty() {
            self.wrong.push(format!("{place}: changes something: {}", changed.join(", ")));
        }
    }

    /// All cases were as they should be, and they were as many.
    fn all(self, least: usize) {
        let wrong = self.wrong;
        assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), self.cases, wrong.join("\n"));
        assert!(self.cases >= least, "{}: only {} cases", self.file, self.cases);
        // Nothing hostile has become the name of an object.
        for key in self.sandbox.s3.list(BUCKET, "") {
            let known = ["leases/", "runs/", "attestations/"].iter().any(|folder| key.starts_with(folder));
            let plain = key.chars().all(|c| c.is_ascii_alphanumeric() || "/-_.".contains(c));
            assert!(key == POLICY_KEY || (known && plain), "{key:?} was written");
        }
    }
}

/// Starts the runbook with that text, and answers how that ended: `Refused: …`.
async fn run(sandbox: &Sandbox, runbook: &str, name: &str, input: &str) -> String {
    let machine = arn("states", &format!("stateMachine:{PREFIX}-{runbook}"));
    let start = sandbox.sfn().start_execution().state_machine_arn(machine).name(name).input(input);
    match start.send().await {
        Ok(started) => {
            let ended = ended(sandbox, started.execution_arn).await;
            match ended.status.as_str() {
                "FAILED" => format!("{}: {}", ended.error, ended.cause),
                status => {
                    let steps = ended.report["steps"].as_array().cloned().unwrap_or_default();
                    let said = steps.last().map(|step| step["summary"].clone()).unwrap_or_default();
                    format!("{status}: {}", said.as_str().unwrap_or_default())
                }
            }
        }
        Err(error) => format!("StartExecution: {}", error.code().unwrap_or_default()),
    }
}

async fn inputs(runbook: &'static str, text: &str, least: usize) {
    let sandbox = world().await;
    let mut told = Told::new(&sandbox, runbook);
    for case in cases(text) {
        let said = run(&sandbox, runbook, &format!("bad-{}", case.line), &case.given).await;
        told.is(&case, &said);
    }
    told.all(least);
}

#[tokio::test(start_paused = true)]
async fn a_malformed_input_of_an_upgrade_is_refused_and_changes_nothing() {
    inputs("major-upgrade", UPGRADES, 80).await;
}

#[tokio::test(start_paused = true)]
async fn a_malformed_input_of_a_rehearsal_is_refused_and_changes_nothing() {
    inputs("rehearse-upgrade", REHEARSALS, 24).await;
}

#[tokio::test(start_paused = true)]
async fn a_malformed_input_of_a_fleet_is_refused_and_changes_nothing() {
    inputs("upgrade-fleet", FLEETS, 40).await;
}

#[tokio::test(start_paused = true)]
async fn a_malformed_input_of_a_sync_is_refused_and_changes_nothing() {
    inputs("daily-sync", SYNCS, 60).await;
}

#[tokio::test(start_paused = true)]
async fn a_malformed_input_of_an_export_is_refused_and_changes_nothing() {
    inputs("snapshot-export", EXPORT_INPUTS, 60).await;
}

/// The base of policy/src/tests/malformed.txt, whose fields are tried there, with whatever YAML and
/// bytes can be: `- ` what goes, `+ ` what comes; without a base where nothing goes.
fn policies() -> Vec<Case> {
    let base = include_str!("../../policy/src/tests/base.yaml");
    let blocks = POLICIES.split("\n\n").filter(|block| block.starts_with(['-', '+']));
    let case = |(index, block): (usize, &str)| {
        let (mut from, mut to, mut said) = (String::new(), String::new(), String::new());
        for line in block.lines() {
            match line.split_at_checked(2) {
                Some(("- ", text)) => from += &text.replace('↵', "\n"),
                Some(("+ ", text)) => to += &written_out(text).replace('↵', "\n"),
                _ => line.clone_into(&mut said),
            }
        }
        assert!(base.contains(&from), "the base has no {from:?}");
        let given = if from.is_empty() { to } else { base.replacen(&from, &to, 1) };
        // What no text file holds is written as JSON writes it.
        let unescaped = |text: String| {
            ["\\u0000", "\\u0007", "\\u001b", "\\u202e", "\\ufeff", "\\u0085", "\\u2028"].iter().fold(
                text,
                |text, code| {
                    let c = u32::from_str_radix(&code[2..], 16).ok().and_then(char::from_u32).unwrap();
                    text.replace(code, &c.to_string())
                },
            )
        };
        Case { line: index + 1, given: unescaped(given), said: said.trim().to_owned() }
    };
    blocks.enumerate().map(case).collect()
}

#[tokio::test(start_paused = true)]
async fn a_malformed_policy_is_refused_with_line_and_field_and_changes_nothing() {
    let sandbox = world().await;
    let mut told = Told::new(&sandbox, "policies.txt, block");
    let store = orders::context(&sandbox).store;
    let sync = json!({ "sync": "orders" }).to_string();
    for case in policies() {
        store.put(POLICY_KEY, "application/yaml", case.given.clone().into_bytes()).await.unwrap();
        told.is(&case, &run(&sandbox, "daily-sync", &format!("policy-{}", case.line), &sync).await);
    }
    let bytes = |said: &str| Case { line: 0, given: String::new(), said: said.to_owned() };
    store.put(POLICY_KEY, "application/yaml", b"syncs:\n  \xff\xfe: x\n".to_vec()).await.unwrap();
    let said = run(&sandbox, "daily-sync", "no-text", &sync).await;
    told.is(&bytes("policy.yaml is not UTF-8 from byte 9 on"), &said);
    store.put(POLICY_KEY, "application/yaml", vec![b'#'; (32 << 20) + 1]).await.unwrap();
    let said = run(&sandbox, "daily-sync", "huge", &sync).await;
    told.is(&bytes("policy.yaml has 33554433 bytes, more than 33554432"), &said);
    store.delete(POLICY_KEY).await.unwrap();
    told.is(&bytes("Refused: there is no s3://"), &run(&sandbox, "daily-sync", "none", &sync).await);
    told.all(45);
}

/// What our functions answer to an event, as EventBridge calls them; or what the rules make of it
/// on the bus: `report-run | event`, `bus | event`.
#[tokio::test(start_paused = true)]
async fn a_malformed_event_is_refused_or_starts_nothing_and_changes_nothing() {
    let sandbox = world().await;
    let mut told = Told::new(&sandbox, "events.txt");
    for case in cases(EVENTS) {
        let (place, event) = case.given.split_once(" | ").expect("an event has a place");
        let said = match place {
            "bus" => on_the_bus(&sandbox, case.line, event).await,
            function => called(&sandbox, function, event).await,
        };
        told.is(&case, &said);
    }
    told.all(70);
}

async fn called(sandbox: &Sandbox, function: &str, event: &str) -> String {
    let Ok(event) = serde_json::from_str::<Value>(event) else { return "Lambda: no JSON".to_owned() };
    let cx = Context::new(&sandbox.sdk_in(ACCOUNT, function), sandbox.clock, BUCKET.to_owned(), Tls::Disable);
    match functions::handle(function, &cx, event).await {
        Ok(answer) => format!("done: {answer}"),
        Err(error) => format!("{}: {}", error.name(), error.cause()),
    }
}

/// How often our functions were called, and which executions there are.
async fn begun(sandbox: &Sandbox) -> (usize, BTreeSet<String>) {
    let functions = ["report-run", "fail-stopped-task"];
    let deliveries = sandbox.events.deliveries();
    // The minute's rule is no event.
    let called = deliveries.iter().filter(|delivery| {
        functions.iter().any(|name| delivery.target.contains(name)) && delivery.rule != "runs-under-way"
    });
    let mut executions = BTreeSet::new();
    for runbook in sandbox::statemachine::RUNBOOKS {
        let machine = arn("states", &format!("stateMachine:{PREFIX}-{runbook}"));
        let listed = sandbox.sfn().list_executions().state_machine_arn(machine).send().await.unwrap();
        executions.extend(listed.executions().iter().map(|one| one.execution_arn().to_owned()));
    }
    (called.count(), executions)
}

async fn on_the_bus(sandbox: &Sandbox, id: usize, event: &str) -> String {
    let mut event = serde_json::from_str::<Value>(event).expect("what is on a bus is JSON");
    // EventBridge gives every event one.
    event["id"] = json!(format!("event-{id}"));
    let (calls, before) = begun(sandbox).await;
    sandbox.events.publish(&arn("events", "event-bus/default"), event);
    sandbox.clock.sleep(std::time::Duration::from_secs(30)).await;
    let (now, executions) = begun(sandbox).await;
    // One that fails is cleaned up after by another one.
    let name = format!(":event-{id}");
    let started: Vec<_> = executions.difference(&before).filter(|arn| arn.ends_with(&name)).collect();
    match started.as_slice() {
        [] if now == calls => "nothing starts".to_owned(),
        [] => "a function is called".to_owned(),
        [one, ..] => {
            let ended = ended(sandbox, (*one).clone()).await;
            let steps = ended.report["steps"].as_array().cloned().unwrap_or_default();
            let said = steps.last().map(|step| step["summary"].clone()).unwrap_or_default();
            let said = said.as_str().map_or_else(|| ended.cause.clone(), str::to_owned);
            format!("starts {}, {} steps: {said}", ended.status, steps.len())
        }
    }
}

/// What stands in the buckets, forged: `state | input | key | content`.
#[tokio::test(start_paused = true)]
async fn a_forged_object_is_named_and_nothing_is_made_of_it() {
    let sandbox = world().await;
    let store = orders::context(&sandbox).store;
    // A whole export and a sync up to its quarantine: their objects are there to be forged.
    let export = json!({ "export": EXPORT }).to_string();
    assert!(run(&sandbox, "snapshot-export", "export", &export).await.starts_with("SUCCEEDED"));
    let latest: Value =
        serde_json::from_slice(&sandbox.s3.get(EXPORTS, &format!("{FOLDER}latest.json")).unwrap()).unwrap();
    let task = latest["task"].as_str().unwrap();
    let cx = orders::context(&sandbox);
    let cluster = runbook::aurora::cluster(&cx, orders::CLUSTER).await.unwrap();
    let part = sandbox.s3.list(EXPORTS, &format!("{FOLDER}{task}/"));
    let part = part.iter().find(|key| key.ends_with(".parquet")).unwrap().clone();
    let filled = |text: &str| {
        text.replace("{task}", task)
            .replace("{part}", &part)
            .replace("{resource}", cluster.resource_id.as_str())
            .replace("{snapshot}", latest["snapshot"].as_str().unwrap())
            .replace("{taken}", latest["snapshotTime"].as_str().unwrap())
            .replace("{production}", PRODUCTION)
            .replace("{export}", &arn("states", &format!("execution:{PREFIX}-snapshot-export:export")))
    };
    let mut told = Told::new(&sandbox, "objects.txt");
    for case in cases(OBJECTS) {
        let case = Case { given: filled(&case.given), said: filled(&case.said), ..case };
        let parts: Vec<&str> = case.given.splitn(4, " | ").collect();
        let [state, input, key, content] = parts[..] else { panic!("line {}", case.line) };
        let (bucket, key) = match key.strip_prefix("analytics:") {
            Some(key) => (EXPORTS, key),
            None => (BUCKET, key),
        };
        let store = store.in_bucket(bucket);
        let before = sandbox.s3.get(bucket, key);
        store.put(key, "application/json", content.as_bytes().to_vec()).await.unwrap();
        let said = match state.strip_prefix("run ") {
            Some(runbook) => run(&sandbox, runbook, &format!("forged-{}", case.line), input).await,
            None => state_alone(&sandbox, state, input).await,
        };
        match before {
            Some(bytes) => store.put(key, "application/json", bytes.to_vec()).await.unwrap(),
            None => store.delete(key).await.unwrap(),
        }
        told.is(&case, &said);
    }
    told.all(60);
}

/// One look of a function or worker, as the execution `export` would call it.
async fn state_alone(sandbox: &Sandbox, state: &str, input: &str) -> String {
    let execution = arn("states", &format!("execution:{PREFIX}-snapshot-export:export"));
    let input: Value = serde_json::from_str(input).unwrap_or_else(|error| panic!("{input}: {error}"));
    let run = json!({ "execution": execution, "entered": sandbox.clock.now() });
    let payload = json!({ "run": run, "input": input });
    let cx = Context::new(&sandbox.sdk_in(ACCOUNT, state), sandbox.clock, BUCKET.to_owned(), Tls::Disable);
    let answer = match workers::call(state, &cx, payload.clone()).await {
        Some(answer) => answer,
        None => functions::handle(state, &cx, payload).await,
    };
    match answer {
        Ok(answer) => format!("done: {answer}"),
        Err(error) => format!("{}: {}", error.name(), error.cause()),
    }
}
