//! Many clusters in one account, every day, under the limits of its API: each with a sync into an
//! environment, and each exported. Model gear.
//!
//! RDS publishes no limit of its calls; the field has seen "Rate exceeded" with ten instances
//! polled in a loop (aws/aws-cli#8604). EC2's for describes without a filter stand in: a bucket of
//! 50, filled by 10 a second
//! (https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-throttling.html).

use std::{collections::BTreeMap, fmt::Write as _, io::Write as _, time::Duration};

use futures::{StreamExt, stream};
use local_aws::{
    faults::{Fault, Kind},
    gateway::Call,
};
use runbook::aurora;
use sandbox::{
    Options, Sandbox,
    aws::{ACCOUNT, PRODUCTION, arn},
    deployment::Deployment,
    environments,
    exports::{self, BUCKET as EXPORTS},
    orders::wait_available,
    permissions::{self, Switches},
    production,
    sandbox::BUCKET,
    statemachine::PREFIX,
};
use serde_json::{Value, json};

use crate::harness::ours;

pub const BURST: u32 = 50;
pub const PER_SECOND: f64 = 10.0;
/// Of so many targets the roles have room for the names (infra/README.md, target_names).
const NAMED: usize = 25;

#[derive(Clone, Copy)]
struct Fleet {
    clusters: usize,
    days: i64,
    /// Over how long the schedules of a day are spread.
    spread: Duration,
}

/// What a fleet has come to.
#[derive(Debug, Default)]
struct Came {
    /// By runbook and status.
    ended: BTreeMap<(String, String), usize>,
    /// The first words of what failed, and how often.
    failed: BTreeMap<String, usize>,
    /// Calls of ours, by service.
    calls: BTreeMap<String, usize>,
    /// Those of RDS, by state and action.
    of_rds: BTreeMap<(String, String), usize>,
    throttled: usize,
    /// Entries into states and tries of them, which Step Functions counts for its price.
    transitions: i64,
    /// The longest run of each runbook, in minutes.
    longest: BTreeMap<String, i64>,
}

fn name(number: usize) -> String {
    format!("f{number:03}")
}

fn target(number: usize) -> String {
    format!("{}-dev", name(number))
}

/// A cluster of the environments' account, which is exported.
fn exported(number: usize) -> String {
    format!("g{number:03}")
}

impl Fleet {
    fn policy(self) -> String {
        let mut text = "syncs:\n".to_owned();
        for number in 0..self.clusters {
            let (name, target) = (name(number), target(number));
            let _ = write!(
                text,
                "  {name}:
    source:
      account: \"{PRODUCTION}\"
      role: arn:aws:iam::{PRODUCTION}:role/aurora-runbooks-source
      cluster: {name}
      snapshot: {{type: automated, max-age: 26h, otherwise: fail}}
      kms-key: alias/aurora-runbooks-sync
    schedule: {{cron: 30 3 * * *, time-zone: UTC}}
    quarantine:
      instance-class: db.r6g.large
      subnet-group: quarantine
      security-group: sg-quarantine
      cluster-parameter-group: quarantine-pg16
      kms-key: alias/aurora-runbooks-environments
    targets:
      - cluster: {target}
        account: \"{ACCOUNT}\"
        instance-class: db.t4g.medium
        subnet-group: dev
        security-groups: [sg-dev]
        cluster-parameter-group: orders-dev-pg16
        swap: rename
        keep-old: {{count: 1, age: 24h}}
    masking:
      key-secret: orders-sync/masking-key
      databases: {{shop: {{public.customers: truncate}}}}
"
            );
        }
        text += "exports:\n";
        for number in 0..self.clusters {
            let (name, cluster) = (exported(number), exported(number));
            let role = exports::role_arn();
            let _ = write!(
                text,
                "  {name}:
    source:
      cluster: {cluster}
      snapshot: {{type: automated, max-age: 26h}}
      accept-raw: a sample
    bucket: {EXPORTS}
    prefix: exports
    role: {role}
    kms-key: alias/orders-export
    verify: aws
    accept:
      - {{kind: skipped, table: shop.public.import/raw, reason: a sample}}
    keep: {{count: 2, age: 7d}}
"
            );
        }
        text
    }

    /// What the module is given: one pattern where IAM has no room for the names.
    fn switches(self) -> Switches {
        let names = (0..self.clusters).map(target);
        let targets = if self.clusters <= NAMED { names.collect() } else { vec!["f*-dev".to_owned()] };
        let exported = (0..self.clusters).map(exported).collect();
        Switches { targets, exported, ..Switches::default() }
    }

    async fn start(self) -> Sandbox {
        let switches = self.switches();
        let options = Options {
            roles: vec![exports::role().unwrap()],
            deployment: Some(Deployment::of_files(&switches).unwrap()),
            ..Options::model(1)
        };
        let sandbox = Sandbox::start(options).await.unwrap();
        sandbox.rds.raise_quotas(50);
        // With the groups, keys and secrets of one come those of all.
        production::create(&sandbox).await.unwrap();
        environments::create(&sandbox, Some("")).await.unwrap();
        exports::create(&sandbox, Some(&self.policy())).await.unwrap();
        self.create(&sandbox, PRODUCTION, name, "production", "sg-production", "orders-pg16").await;
        self.create(&sandbox, ACCOUNT, exported, "dev", "sg-dev", "orders-dev-pg16").await;
        sandbox
    }

    async fn create(
        self,
        sandbox: &Sandbox,
        account: &'static str,
        name: fn(usize) -> String,
        subnets: &str,
        security_group: &str,
        parameters: &str,
    ) {
        let rds = sandbox.rds_client_in(account);
        let key = if account == PRODUCTION { "production" } else { "aurora-runbooks-environments" };
        let key = format!("alias/{key}");
        for number in 0..self.clusters {
            let cluster = name(number);
            let create = rds.create_db_cluster().db_cluster_identifier(&cluster).engine("aurora-postgresql");
            let create = create.engine_version(production::VERSION).db_subnet_group_name(subnets);
            let create = create.db_cluster_parameter_group_name(parameters).storage_encrypted(true);
            let create = create.vpc_security_group_ids(security_group).kms_key_id(&key);
            let create = create.master_username("postgres").manage_master_user_password(true);
            create.backup_retention_period(7).send().await.unwrap();
            let instance = rds.create_db_instance().db_instance_identifier(format!("{cluster}-1"));
            let instance = instance.db_cluster_identifier(&cluster).engine("aurora-postgresql");
            instance.db_instance_class("db.r6g.large").send().await.unwrap();
        }
        let cx = if account == PRODUCTION {
            production::context(sandbox)
        } else {
            sandbox::orders::context(sandbox)
        };
        for number in 0..self.clusters {
            wait_available(&cx, &name(number)).await.unwrap();
        }
    }

    /// Each day: the snapshots of the night, whose events start the exports; then every sync at its
    /// hour.
    async fn run(self) -> Came {
        let sandbox = self.start().await;
        sandbox.gateway.take_calls();
        sandbox.gateway.limit("rds", BURST, PER_SECOND);
        let mut came = Came::default();
        for day in 0..self.days {
            let begun = std::time::Instant::now();
            let at = sandbox.clock.now();
            let production = production::service(&sandbox).unwrap();
            for number in 0..self.clusters {
                production.take_automated_snapshot_at(&name(number), at).unwrap();
                sandbox.rds.take_automated_snapshot_at(&exported(number), at).unwrap();
            }
            sandbox.clock.sleep(Duration::from_secs(90 * 60)).await;
            let each = self.spread / u32::try_from(self.clusters).unwrap();
            let mut runs = Vec::new();
            for number in 0..self.clusters {
                let input = json!({ "sync": name(number) });
                let run = format!("{}-day{day}", name(number));
                runs.push(sandbox.start_execution("daily-sync", &run, &input).await.unwrap());
                sandbox.clock.sleep(each).await;
            }
            exports(&sandbox, &mut runs, self.clusters).await;
            let ended = stream::iter(&runs).map(|run| came_to(&sandbox, run)).buffer_unordered(100);
            for (run, report) in ended.collect::<Vec<_>>().await {
                came.add(&run, &report);
            }
            assert_eq!(raw(&sandbox), Vec::<String>::new(), "day {day}");
            forget(&sandbox, &runs);
            let next = at.checked_add(jiff::SignedDuration::from_hours(24)).unwrap();
            let calls = sandbox.gateway.take_calls();
            came.count(&calls);
            let of_rds = calls.iter().filter(|call| call.service == "rds").count();
            let seconds = begun.elapsed().as_secs_f64();
            let so_far = came.told(Self { days: day + 1, ..self });
            let runs = runs.len();
            let line = format!("day {day}: {runs} runs, {of_rds} calls of RDS, {seconds:.0} s\n{so_far}");
            std::io::stderr().write_all(line.as_bytes()).unwrap();
            let late = sandbox.clock.now().duration_since(next);
            assert!(late.is_negative(), "day {day} took {late} more than a day: {}", came.told(self));
            sandbox.clock.sleep(late.unsigned_abs()).await;
        }
        came
    }
}

/// What holds production's values though every run has ended.
fn raw(sandbox: &Sandbox) -> Vec<String> {
    let copies = production::service(sandbox).unwrap().look(|world| {
        let ours = world.snapshots.values().filter(|snapshot| snapshot.kind == "manual");
        ours.map(|snapshot| snapshot.id.clone()).collect::<Vec<_>>()
    });
    let here = sandbox.rds.look(|world| {
        let raw = world.clusters.values().filter(|cluster| cluster.id.starts_with("quarantine-"));
        raw.map(|cluster| cluster.id.clone()).collect::<Vec<_>>()
    });
    [copies, here].concat()
}

/// What a day's runs have left in the memory of the local AWS; a month's does not fit.
fn forget(sandbox: &Sandbox, runs: &[String]) {
    sandbox.states.forget_ended();
    sandbox.events.forget();
    sandbox.ecs.forget_stopped();
    for run in runs {
        let folder = format!("runs/{}/", run.rsplit(':').next().unwrap_or_default());
        for key in sandbox.s3.list(BUCKET, &folder) {
            sandbox.s3.remove(BUCKET, &key);
        }
    }
}

/// Each snapshot's event has started one.
async fn exports(sandbox: &Sandbox, runs: &mut Vec<String>, clusters: usize) {
    let machine = arn("states", &format!("stateMachine:{PREFIX}-snapshot-export"));
    let listed = sandbox.sfn().list_executions().state_machine_arn(machine).into_paginator();
    let all: Vec<_> = listed.items().send().try_collect().await.unwrap();
    assert_eq!(all.len(), clusters, "an export was not started");
    runs.extend(all.into_iter().map(|execution| execution.execution_arn));
}

/// The execution and its report, once both have ended.
async fn came_to(sandbox: &Sandbox, run: &str) -> (String, Value) {
    let report = sandbox.report(run).await.expect("every run ends in a report");
    (run.to_owned(), report)
}

impl Came {
    fn add(&mut self, run: &str, report: &Value) {
        let text = |name: &str| report[name].as_str().unwrap_or_default().to_owned();
        let runbook = text("runbook");
        let minutes = || -> Option<i64> {
            let at = |name: &str| report[name].as_str()?.parse::<jiff::Timestamp>().ok();
            Some(at("stopped")?.duration_since(at("started")?).as_mins())
        };
        let longest = self.longest.entry(runbook.clone()).or_default();
        *longest = minutes().unwrap_or_default().max(*longest);
        *self.ended.entry((runbook, text("status"))).or_default() += 1;
        if text("status") != "SUCCEEDED" {
            let words: String = text("cause").chars().take(160).collect();
            *self.failed.entry(format!("{}: {words}", text("error"))).or_default() += 1;
            // What may still stand is named.
            assert!(report["left"].is_array(), "{run} failed and says nothing of what is left");
        }
        for step in report["steps"].as_array().into_iter().flatten() {
            let of = |name: &str| step[name].as_i64().unwrap_or_default();
            self.transitions += 1 + of("polls") + of("retries");
        }
    }

    fn count(&mut self, calls: &[Call]) {
        let ours = ours();
        for call in calls.iter().filter(|call| ours.contains(&call.principal)) {
            *self.calls.entry(call.service.clone()).or_default() += 1;
            if call.service == "rds" {
                *self.of_rds.entry((call.principal.clone(), call.action.clone())).or_default() += 1;
            }
            self.throttled += usize::from(call.service == "rds" && call.status == 400);
        }
    }

    fn told(&self, fleet: Fleet) -> String {
        let of = (fleet.clusters as f64) * (fleet.days as f64);
        let mut text = format!("{} clusters, {} days\n", fleet.clusters, fleet.days);
        for ((runbook, status), count) in &self.ended {
            let _ = writeln!(text, "  {runbook} {status}: {count}");
        }
        for (service, count) in &self.calls {
            let _ = writeln!(text, "  {service}: {:.0} calls of a cluster a day", *count as f64 / of);
        }
        let mut of_rds: Vec<_> = self.of_rds.iter().collect();
        of_rds.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
        for ((state, action), count) in of_rds.into_iter().take(8) {
            let _ = writeln!(text, "    {state}: {action} {:.0}", *count as f64 / of);
        }
        let _ = writeln!(
            text,
            "  throttled or refused by RDS: {:.1} a cluster a day",
            self.throttled as f64 / of
        );
        // https://aws.amazon.com/step-functions/pricing/, us-east-1.
        let (transitions, price) = (self.transitions as f64 / of, 0.000_025);
        let _ = writeln!(
            text,
            "  {transitions:.0} state transitions of a cluster a day, {:.4} USD",
            transitions * price
        );
        let _ = writeln!(text, "  longest, in minutes: {:?}", self.longest);
        for (words, count) in &self.failed {
            let _ = writeln!(text, "  {count} × {words}");
        }
        text
    }
}

/// FLEET="clusters days minutes" is another fleet, whose schedules are spread over so many minutes.
fn fleet() -> Fleet {
    let asked = std::env::var("FLEET").unwrap_or("8 2 0".to_owned());
    let numbers: Vec<u64> = asked.split_whitespace().map(|number| number.parse().unwrap()).collect();
    let [clusters, days, minutes] = numbers[..] else { panic!("FLEET is clusters, days, minutes") };
    Fleet {
        clusters: usize::try_from(clusters).unwrap(),
        days: i64::try_from(days).unwrap(),
        spread: Duration::from_secs(minutes * 60),
    }
}

#[tokio::test(start_paused = true)]
async fn no_run_of_a_fleet_is_lost_and_nothing_raw_is_left() {
    let fleet = fleet();
    let came = fleet.run().await;
    println!("{}", came.told(fleet));
    let of_each = fleet.clusters * usize::try_from(fleet.days).unwrap();
    for runbook in ["daily-sync", "snapshot-export"] {
        let well = came.ended.get(&(runbook.to_owned(), "SUCCEEDED".to_owned()));
        assert_eq!(well, Some(&of_each), "{}", came.told(fleet));
    }
}

/// RDS shows a hundred clusters a call.
#[tokio::test(start_paused = true)]
async fn a_swap_asks_no_more_where_there_are_more_clusters() {
    let mut asked = Vec::new();
    for clusters in [1, 120] {
        let sandbox = Fleet { clusters, days: 1, spread: Duration::ZERO }.start().await;
        let production = production::service(&sandbox).unwrap();
        production.take_automated_snapshot_at(&name(0), sandbox.clock.now()).unwrap();
        sandbox.clock.sleep(Duration::from_secs(90 * 60)).await;
        sandbox.gateway.take_calls();
        let run = sandbox.start_execution("daily-sync", "one", &json!({ "sync": name(0) })).await.unwrap();
        assert_eq!(came_to(&sandbox, &run).await.1["status"], "SUCCEEDED");
        let calls = sandbox.gateway.take_calls();
        let of = |state: &str| {
            calls.iter().filter(|call| call.service == "rds" && call.principal == state).count()
        };
        asked.push(["swap-target", "delete-quarantine"].map(of));
    }
    assert!(asked[0].iter().all(|calls| *calls > 10), "{asked:?}");
    assert_eq!(asked[0], asked[1]);
}

#[tokio::test(start_paused = true)]
async fn a_list_goes_on_at_the_page_that_was_throttled() {
    let clusters = 120;
    let sandbox = Fleet { clusters, days: 1, spread: Duration::ZERO }.start().await;
    let cx = production::context(&sandbox);
    sandbox.gateway.take_calls();
    sandbox.gateway.lay(Fault::once(Kind::Throttle, "rds", "DescribeDBClusters").after(1).times(5));
    let listed = aurora::clusters(&cx).await.unwrap();
    // Beside the orders cluster.
    assert_eq!(listed.len(), clusters + 1);
    assert_eq!(sandbox.gateway.take_calls().len(), 1 + 5 + 1);
}

/// The SDK's own quota is one for all accounts, and in the model gear one for all functions.
#[tokio::test(start_paused = true)]
async fn an_account_that_is_throttled_takes_no_retries_from_another() {
    let sandbox = Sandbox::start(Options::model(1)).await.unwrap();
    let (here, there) = (sandbox::orders::context(&sandbox), production::context(&sandbox));
    // A quota is 500, and a retry takes five.
    sandbox.gateway.lay(Fault::once(Kind::Throttle, "rds", "DescribeDBInstances").times(60 + 500 / 5));
    for _ in 0..60 {
        there.rds.describe_db_instances().send().await.unwrap_err();
    }
    there.rds.describe_db_instances().send().await.unwrap();
    sandbox.gateway.lay(Fault::once(Kind::Throttle, "rds", "DescribeDBInstances").times(2));
    here.rds.describe_db_instances().send().await.unwrap();
}

/// What a role's policies may have together, without white space, and a rule's pattern
/// (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html,
/// https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-quota.html).
const OF_ROLE: usize = 10_240;
const OF_PATTERN: usize = 2_048;

#[test]
fn a_deployment_for_500_clusters_fits_into_what_iam_and_eventbridge_take() {
    for clusters in [1, NAMED, 500] {
        let switches = Fleet { clusters, days: 0, spread: Duration::ZERO }.switches();
        for document in permissions::documents(&switches).unwrap() {
            let policy = json!({ "Version": "2012-10-17", "Statement": document.policy });
            let length = policy.to_string().replace(' ', "").len();
            assert!(length <= OF_ROLE, "{clusters} clusters: {} has {length} characters", document.name);
        }
        let rules = Deployment::of_files(&switches).unwrap().rules;
        assert!(rules.len() > 5);
        for rule in rules {
            let length = rule.pattern.as_ref().map_or(0, |pattern| pattern.to_string().len());
            assert!(length <= OF_PATTERN, "{clusters} clusters: {} has {length} characters", rule.name);
        }
    }
    let named = Switches { targets: (0..2 * NAMED).map(target).collect(), ..Switches::default() };
    let policies = permissions::documents(&named).unwrap();
    let longest = policies.iter().map(|document| document.policy.to_string().len()).max();
    assert!(longest > Some(OF_ROLE), "more can be named than {NAMED}");
}
