//! The Terraform module, applied by the real AWS provider against a control plane that is not ours;
//! and all runbooks, run from what was read back of it.

mod control_plane;
mod deployed;
mod lost_answers;
mod packages;
mod pages;
mod plan;
mod run;
mod terraform;

use std::{
    collections::BTreeSet,
    io::Write as _,
    path::{Path, PathBuf},
    time::Instant,
};

use sandbox::{
    aws::{ACCOUNT, PRODUCTION, arn, arn_in},
    environments,
    executables::root,
    exports, outside, permissions,
    sandbox::BUCKET,
    statemachine::PREFIX,
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

use control_plane::ControlPlane;
use deployed::ReadBack;
use lost_answers::{apply, destroy};
use run::{in_model, syncs, upgrade};
use terraform::Terraform;

/// An archive without a file, and its SHA-256: the control plane does not look inside.
const ZIP: [u8; 22] = [80, 75, 5, 6, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
const SHA256: &str = "8739c76e681f900923b900c9df0ef75cf421d39cabb54650c4b9ad19b6a76d85";

/// How the examples are pointed at a control plane on this machine. Five retries: a call that it
/// does not know would else be tried for minutes.
const OVERRIDE: &str = r#"
provider "aws" {
  access_key                  = "444455556666"
  secret_key                  = "any"
  max_retries                 = 5
  s3_use_path_style           = true
  skip_credentials_validation = true
  skip_metadata_api_check     = true
}
"#;
const OVERRIDE_PRODUCTION: &str = r#"
provider "aws" {
  alias                       = "production"
  access_key                  = "111122223333"
  secret_key                  = "any"
  max_retries                 = 5
  skip_credentials_validation = true
  skip_metadata_api_check     = true
}
"#;

/// Of production's clusters; the sandbox's production has it, too.
fn production_key() -> String {
    arn_in(PRODUCTION, "kms", "key/11111111-1111-4111-8111-111111111111")
}

/// The module and what it reads, in a working folder.
pub fn copy_of_the_module(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("aurora-runbooks-deploy-{}-{name}", std::process::id()));
    for part in ["infra", "statemachines", "policy/examples"] {
        copy(&root().join(part), &folder.join(part));
    }
    std::fs::write(folder.join("functions.zip"), ZIP).expect("the package can be written");
    folder
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder can be made");
    for entry in std::fs::read_dir(from).unwrap_or_else(|error| panic!("{}: {error}", from.display())) {
        let entry = entry.expect("the folder can be read");
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        // Terraform's own files, where somebody ran it in the checkout.
        if entry.file_name().to_string_lossy().starts_with('.') {
            continue;
        }
        if from.is_dir() {
            copy(&from, &to);
        } else {
            std::fs::copy(&from, &to).expect("a file can be copied");
        }
    }
}

/// The sync of the sandbox, and exports of each kind.
fn policy() -> String {
    exports::policy_of_three().expect("the examples are read")
}

/// One of the examples, initialised, with the network that the control plane has.
pub async fn example(name: &str, folder: &str, plane: &ControlPlane, network: &Value) -> Terraform {
    let folder = copy_of_the_module(folder);
    let root = format!("infra/examples/{name}");
    let is_complete = name == "complete";
    let overrides = if is_complete { [OVERRIDE, OVERRIDE_PRODUCTION].concat() } else { OVERRIDE.to_owned() };
    std::fs::write(folder.join(&root).join("test_override.tf"), overrides).expect("it can be written");
    std::fs::write(folder.join("aws-config"), "[profile production]\nregion = eu-west-1\n").unwrap();
    let mut terraform = Terraform::at(folder.clone(), &root).await;
    let package = json!({ "file": folder.join("functions.zip") });
    terraform.variables.extend([
        ("region", "eu-west-1".to_owned()),
        ("image_tag", "v0.1.0".to_owned()),
        ("run_bucket", BUCKET.to_owned()),
        ("package", package.to_string()),
        ("vpc_id", network["vpc"].as_str().unwrap().to_owned()),
        ("worker_subnet_ids", network["private"].to_string()),
    ]);
    if is_complete {
        let file = folder.join("policy.yaml");
        std::fs::write(&file, policy()).expect("it can be written");
        terraform.variables.extend([
            ("production_profile", "production".to_owned()),
            ("production_cluster_key_arns", json!([production_key()]).to_string()),
            ("policy_file", file.to_string_lossy().into_owned()),
            ("export_bucket", exports::BUCKET.to_owned()),
            ("slack_webhook_url", outside::SLACK.to_owned()),
        ]);
    }
    let config = folder.join("aws-config").to_string_lossy().into_owned();
    terraform.environment.extend([("AWS_ENDPOINT_URL", plane.url.clone()), ("AWS_CONFIG_FILE", config)]);
    terraform
}

/// Answers every request with the package, as the host of a release would.
async fn serve_the_package() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let url = format!("http://{}/functions.zip", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let mut request = [0; 4096];
            // What is asked for does not matter.
            let _ = client.read(&mut request).await;
            let head =
                format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", ZIP.len());
            let _ = client.write_all(&[head.as_bytes(), &ZIP].concat()).await;
        }
    });
    url
}

fn read_back(answer: Value) -> ReadBack {
    serde_json::from_value(answer).expect("what is deployed is as the script prints it")
}

/// Applies an example, looks that applying it again changes nothing, runs from what was read back,
/// and destroys it again.
async fn live_through(name: &'static str, check: fn(&ReadBack), run: fn(ReadBack)) {
    let plane = ControlPlane::start().await;
    let network = plane.ask("network").await;
    let mut terraform = example(name, name, &plane, &network).await;
    if name == "complete" {
        let package = json!({ "url": serve_the_package().await, "sha256": SHA256 });
        terraform.variables.insert("package", package.to_string());
    }
    let begun = Instant::now();
    apply(&terraform).await;
    let applied_in = begun.elapsed();
    let state = terraform.run(&["state", "list"]).await.succeeded();
    let is_data = |address: &str| address.split('.').any(|part| part == "data");
    let added = state.said.lines().filter(|address| !is_data(address)).count();
    let resources = format!("Apply complete! Resources: {added} added, 0 changed, 0 destroyed.");
    if name == "upgrade-only" {
        let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
        assert!(readme.contains(&resources), "the README shows another number: {resources}");
    }
    let first = plane.ask("read").await;

    terraform.run(&["plan", "-input=false", "-out=again"]).await.succeeded();
    let again = terraform.run(&["show", "-json", "again"]).await.succeeded();
    plan::changes_only_what_the_control_plane_forgets(&again.said);
    terraform.run(&["apply", "-input=false", "again"]).await.succeeded();
    let second = plane.ask("read").await;
    assert_eq!(first, second, "applying again has changed what is deployed");

    check(&read_back(first));
    let running = tokio::task::spawn_blocking(move || run(read_back(second)));
    let begun = Instant::now();
    destroy(&terraform).await;
    let times =
        format!("{name}: {resources} {applied_in:.0?} to apply, {:.0?} to destroy\n", begun.elapsed());
    // Shown by `cargo test -p tests --test it -- deploy --nocapture`.
    std::io::stderr().write_all(times.as_bytes()).unwrap();
    assert_eq!(plane.ask("left").await, json!([]), "destroy leaves nothing");
    running.await.expect("the runbooks run from what was deployed");
}

/// The roles that the files of infra/iam make for these runbooks, as the sandbox makes them.
fn documents(read: &ReadBack, files: &[&str]) -> Vec<permissions::Document> {
    let run_bucket = Some(read.buckets[0].key.clone());
    let switches =
        permissions::Switches { run_bucket, secrets: None, logs: true, traces: true, ..Default::default() };
    let mut names = BTreeSet::new();
    for file in files {
        let roles = std::fs::read_to_string(root().join(format!("infra/iam/roles/{file}.json"))).unwrap();
        let roles: Value = serde_json::from_str(&roles).unwrap();
        names.extend(roles.as_object().unwrap().keys().cloned());
    }
    let documents = permissions::documents(&switches).unwrap();
    documents.into_iter().filter(|document| names.contains(&document.name)).collect()
}

/// Every statement says the same; the ARNs of keys are each deployment's own.
fn roles_are_those_of_the_files(read: &ReadBack, files: &[&str], without: &[&str]) {
    for document in documents(read, files) {
        let deployed = read.roles.iter().find(|role| role.arn == document.arn);
        if without.contains(&document.name.as_str()) {
            assert!(deployed.is_none(), "{} has nothing to do here", document.arn);
            continue;
        }
        let deployed = deployed.unwrap_or_else(|| panic!("{} is not deployed", document.arn));
        assert_eq!(sorted(&document.trust), sorted(&deployed.trust), "{}", document.arn);
        let own_keys = |statement: &Value| {
            let mut statement = statement.clone();
            if statement["Action"][0].as_str().is_some_and(|action| action.starts_with("kms:")) {
                statement["Resource"] = json!("keys");
            }
            sorted(&statement)
        };
        // Without a sync there is no way into production's account.
        let goes_there = files.contains(&"daily-sync");
        let statements = |policy: &Value| -> BTreeSet<String> {
            let statements = policy.as_array().unwrap().iter();
            statements.filter(|one| goes_there || one["Sid"] != "Production").map(own_keys).collect()
        };
        assert_eq!(statements(&document.policy), statements(&deployed.policy), "{}", document.arn);
        // IAM's quota of a role's inline policies, without white space
        // (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html).
        assert!(deployed.policy.to_string().len() <= 10_240, "{} is too long", document.arn);
    }
}

/// A list of one is that one, and neither keys nor values have an order in a policy.
fn sorted(value: &Value) -> String {
    match value {
        Value::Array(values) if values.len() == 1 => sorted(&values[0]),
        Value::Array(values) => {
            let mut values: Vec<_> = values.iter().map(sorted).collect();
            values.sort();
            format!("[{}]", values.join(","))
        }
        Value::Object(members) => {
            let mut members: Vec<_> =
                members.iter().map(|(key, value)| format!("{key}:{}", sorted(value))).collect();
            members.sort();
            format!("{{{}}}", members.join(","))
        }
        other => other.to_string(),
    }
}

fn of_every_deployment(read: &ReadBack, runbooks: &[&str]) {
    let machines: BTreeSet<_> = read.machines.iter().map(|machine| machine.name.clone()).collect();
    assert_eq!(machines, runbooks.iter().map(|name| format!("{PREFIX}-{name}")).collect());
    for machine in &read.machines {
        assert_eq!((machine.log_level.as_str(), machine.execution_data), ("ERROR", false));
        assert_eq!(machine.aliases, ["live"]);
    }
    for function in &read.functions {
        assert_eq!(function.runtime, "provided.al2023");
        assert_eq!(function.architectures, ["arm64"]);
        assert_eq!(function.role, permissions::role_arn(&function.handler, ACCOUNT));
        assert_eq!(function.timeout, 60);
    }
    for worker in &read.workers {
        assert_eq!(
            (worker.name.as_str(), worker.network_mode.as_str(), worker.architecture.as_str()),
            ("worker", "awsvpc", "ARM64")
        );
        assert!(worker.read_only, "{} can write to its image", worker.family);
        assert_eq!(worker.task_role, permissions::role_arn(&worker.command[0], ACCOUNT));
        assert!(worker.image.ends_with(&format!("/{PREFIX}:v0.1.0")), "{}", worker.image);
    }
    let dead_letters = arn("sqs", &format!("{PREFIX}-dead-letters"));
    for rule in read.rules.iter().filter(|rule| rule.account == ACCOUNT) {
        for target in &rule.targets {
            assert_eq!(target.dead_letters.as_deref(), Some(dead_letters.as_str()), "{}", rule.name);
        }
    }
    for schedule in &read.schedules {
        assert_eq!(schedule.dead_letters, dead_letters);
    }
    assert_eq!(read.buckets[0].versioning, "Enabled");
}

fn only_the_upgrade(read: &ReadBack) {
    of_every_deployment(read, &["major-upgrade"]);
    let files = ["both", "major-upgrade"];
    roles_are_those_of_the_files(read, &files, &["scheduler", "events", "destinations"]);
    assert_eq!(read.roles.len(), documents(read, &files).len() - 3, "no role of another runbook");
    assert!(read.schedules.is_empty());
    assert_eq!(read.rules.len(), 4, "report-run's two, stopped workers and raw copies");
    assert!(read.buckets[0].objects.is_empty(), "no policy file");
}

fn all_of_it(read: &ReadBack) {
    let runbooks = ["major-upgrade", "rehearse-upgrade", "upgrade-fleet", "daily-sync", "snapshot-export"];
    of_every_deployment(read, &runbooks);
    roles_are_those_of_the_files(read, &[&["both"][..], &runbooks].concat(), &[]);
    let states = |states: &[&str]| -> BTreeSet<String> {
        states.iter().map(|state| runbook::state::kebab(state)).collect()
    };
    let mut functions: BTreeSet<_> = read.functions.iter().map(|function| function.handler.clone()).collect();
    for name in functions::CALLED_BY_EVENTS {
        assert!(functions.remove(name), "{name} is not deployed");
    }
    assert_eq!(functions, states(functions::STATES));
    let workers: BTreeSet<_> = read.workers.iter().map(|worker| worker.command[0].clone()).collect();
    assert_eq!(workers, states(workers::STATES));

    let [schedule] = &read.schedules[..] else { panic!("the policy has one schedule") };
    assert_eq!(
        (
            schedule.name.as_str(),
            schedule.expression.as_str(),
            schedule.zone.as_str(),
            schedule.state.as_str()
        ),
        ("daily-sync-orders", "cron(30 3 ? * MON-FRI *)", "Europe/Berlin", "ENABLED")
    );
    let policy = policy();
    assert_eq!(read.buckets[0].objects["policy.yaml"], policy);
    // What Terraform writes of cron is what the policy's own types write.
    let syncs = policy::Policy::parse(&policy).unwrap().syncs;
    assert_eq!(syncs[environments::SYNC].schedule.cron.scheduler_expression(), schedule.expression);

    let slack = read.rule("slack");
    assert_eq!(
        (slack.bus.as_str(), slack.pattern.as_ref().map(|pattern| &pattern["account"])),
        (PREFIX, Some(&json!([ACCOUNT])))
    );
    let [target] = &slack.targets[..] else { panic!("Slack's rule has one target") };
    assert_eq!(target.path.as_deref(), Some("$.detail.slack"));
    assert_eq!(target.role, Some(permissions::role_arn("destinations", ACCOUNT)));
    let report_run = read.functions.iter().find(|function| function.handler == functions::REPORT_RUN);
    assert_eq!(report_run.unwrap().environment["EVENT_BUS"], PREFIX);
    let [forward] = &read.rule("snapshots").targets[..] else { panic!("one bus hears of snapshots") };
    assert_eq!(forward.arn, arn("events", &format!("event-bus/{PREFIX}")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_examples_are_applied_run_their_runbooks_and_are_destroyed() {
    tokio::join!(
        live_through("upgrade-only", only_the_upgrade, |read| in_model(upgrade(&read))),
        live_through("complete", all_of_it, |read| in_model(async {
            upgrade(&read).await;
            syncs(&read).await;
        })),
        plan::bad_input_is_refused(),
        plan::the_module_passes_its_own_tests(),
    );
}
