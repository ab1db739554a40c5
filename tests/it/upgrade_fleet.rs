//! Many clusters, each upgraded as by itself, one wave after another. Model gear.
//!
//! `UPGRADES="clusters at-once"` is another fleet for the one that is measured, under the limits
//! that tests/it/fleet.rs names.

use std::{collections::BTreeSet, time::Duration};

use aws_sdk_sfn::types::{ExecutionStatus, Tag as MachineTag};
use local_aws::rds::Tie;
use sandbox::{
    Options, Sandbox,
    aws::arn,
    environments,
    faults::{Fault, Kind},
    fleet::{self, TAG},
    orders::{self, wait_available},
    statemachine::PREFIX,
};
use serde_json::{Value, json};

use crate::{
    fleet::{BURST, PER_SECOND},
    harness::{Ended, ended, ours},
};

fn name(number: usize) -> String {
    format!("c{number:03}")
}

/// So many clusters with the tag, and one without.
async fn world(clusters: usize) -> Sandbox {
    let sandbox = Sandbox::start(Options::model(1)).await.unwrap();
    sandbox.rds.raise_quotas(50);
    environments::create_quarantine(&sandbox).await.unwrap();
    for number in 0..clusters {
        fleet::create(&sandbox, &name(number), true).await.unwrap();
    }
    fleet::create(&sandbox, "untagged", false).await.unwrap();
    let cx = orders::context(&sandbox);
    for number in 0..clusters {
        wait_available(&cx, &name(number)).await.unwrap();
    }
    wait_available(&cx, "untagged").await.unwrap();
    sandbox.gateway.take_calls();
    sandbox
}

fn by_tag() -> Value {
    json!({ "tag": format!("{}={}", TAG.0, TAG.1), "target": "18", "atOnce": 2 })
}

async fn upgrade(sandbox: &Sandbox, name: &str, input: &Value) -> Ended {
    let arn = sandbox.start_execution("upgrade-fleet", name, input).await.unwrap();
    ended(sandbox, arn).await
}

fn machine(runbook: &str) -> String {
    arn("states", &format!("stateMachine:{PREFIX}-{runbook}"))
}

/// The executions of a machine: cluster, when it began and when it ended, in the order of their
/// beginning.
async fn runs(sandbox: &Sandbox, runbook: &str) -> Vec<(String, f64, f64)> {
    let listed = sandbox.sfn().list_executions().state_machine_arn(machine(runbook)).into_paginator();
    let all: Vec<_> = listed.items().send().try_collect().await.unwrap();
    let mut runs: Vec<(String, f64, f64)> = all
        .into_iter()
        .map(|run| {
            let cluster = run.name().rsplit('-').next().unwrap_or_default().to_owned();
            let stopped = run.stop_date().map_or(f64::MAX, |at| at.as_secs_f64());
            (cluster, run.start_date().as_secs_f64(), stopped)
        })
        .collect();
    runs.sort_by(|a, b| a.1.total_cmp(&b.1));
    runs
}

async fn versions(sandbox: &Sandbox) -> BTreeSet<(String, String)> {
    let clusters = runbook::aurora::clusters(&orders::context(sandbox)).await.unwrap();
    clusters.into_iter().map(|cluster| (cluster.id, cluster.version.to_string())).collect()
}

fn at(clusters: &[&str], version: &str) -> BTreeSet<(String, String)> {
    clusters.iter().map(|cluster| ((*cluster).to_owned(), version.to_owned())).collect()
}

fn of_cluster<'a>(ended: &'a Ended, cluster: &str) -> &'a Value {
    let clusters = ended.report["fleet"]["clusters"].as_array().expect("a fleet's report");
    clusters.iter().find(|one| one["cluster"] == cluster).unwrap_or_else(|| panic!("{cluster}: {clusters:?}"))
}

/// Calls that change something, whose text names the cluster.
fn changes(sandbox: &Sandbox, cluster: &str) -> Vec<String> {
    let ours = ours();
    let calls = sandbox.gateway.calls().into_iter();
    calls
        .filter(|call| call.service == "rds" && call.mutates() && ours.contains(&call.principal))
        .filter(|call| call.form.contains(cluster))
        .map(|call| format!("{} {}", call.principal, call.action))
        .collect()
}

#[tokio::test(start_paused = true)]
async fn a_fleet_is_rehearsed_then_a_canary_goes_first_and_what_is_not_meant_is_left_out() {
    let sandbox = world(5).await;
    fleet::create(&sandbox, "c000-old1", true).await.unwrap();
    fleet::create(&sandbox, "streamed", true).await.unwrap();
    sandbox.rds.tie("streamed", Tie::BlueGreenDeployment).unwrap();
    sandbox.clock.sleep(Duration::from_secs(3600)).await;
    let rds = sandbox.rds_client();
    rds.stop_db_cluster().db_cluster_identifier("c004").send().await.unwrap();
    sandbox.clock.sleep(Duration::from_secs(3600)).await;

    let mut input = by_tag();
    input["canary"] = json!(["c002"]);
    input["soak"] = json!("2h");
    let done = upgrade(&sandbox, "monday", &input).await.succeeded();
    let versions = versions(&sandbox).await;
    let green = versions.iter().find(|(name, _)| name.starts_with("streamed-green-"));
    let green = green.expect("green has the tags of its blue").0.as_str();
    let expected = &at(&["c000", "c001", "c002", "c003"], "18.4")
        | &at(&["c000-old1", "c004", "streamed", green, "untagged"], "16.14");
    assert_eq!(versions, expected);
    for cluster in ["untagged", "c000-old1", "c004", "streamed", green] {
        assert_eq!(changes(&sandbox, cluster), Vec::<String>::new(), "{cluster} was touched");
    }

    let (rehearsals, upgrades) =
        (runs(&sandbox, "rehearse-upgrade").await, runs(&sandbox, "major-upgrade").await);
    let upgrades: Vec<_> = upgrades.into_iter().filter(|(name, ..)| name.len() == 4).collect();
    assert_eq!((rehearsals.len(), upgrades.len()), (4, 4));
    let rehearsed = rehearsals.iter().map(|run| run.2).fold(0.0, f64::max);
    assert_eq!(upgrades[0].0, "c002");
    assert!(upgrades[0].1 >= rehearsed, "an upgrade began before the last rehearsal had ended");
    assert!(upgrades[1].1 >= upgrades[0].2 + 7200.0, "the canary was not watched for two hours");
    for runs in [&rehearsals, &upgrades] {
        for run in runs {
            let beside = runs.iter().filter(|other| other.1 <= run.1 && run.1 < other.2).count();
            assert!(beside <= 2, "{beside} at once");
        }
    }

    let outcome = done.report["outcome"].as_str().unwrap();
    assert!(outcome.starts_with("4 of 4 upgraded"), "{outcome}");
    assert_eq!(of_cluster(&done, "c002")["wave"], 1);
    for (cluster, why) in [
        ("c000-old1", "a blue/green deployment has replaced it by c000"),
        ("c004", "it is stopped"),
        ("streamed", "blue-green-deployment"),
        (green, "blue-green-deployment"),
    ] {
        let said = of_cluster(&done, cluster)["leftOut"].as_str().unwrap_or_default();
        assert!(said.contains(why), "{cluster}: {said}");
    }
    let run = &of_cluster(&done, "c001")["upgrade"];
    assert_eq!(run["kind"], "succeeded");
    assert!(run["execution"].as_str().unwrap().ends_with("-c001"), "{run}");
    // One message at its beginning and one at its end, and none of what went well.
    let told = sandbox.events.published().into_iter().map(|published| published.event);
    let told: Vec<Value> = told.map(|event| event["detail"]["runbook"].clone()).collect();
    let told: Vec<&str> = told.iter().filter_map(Value::as_str).collect();
    assert_eq!(told, ["upgrade-fleet", "upgrade-fleet"]);
}

#[tokio::test(start_paused = true)]
async fn where_one_fails_no_other_is_begun_and_again_goes_on_where_it_stopped() {
    let sandbox = world(4).await;
    let mut input = by_tag();
    input["rehearse"] = json!(false);
    let snapshot = format!("{PREFIX}-take-snapshot");
    sandbox.gateway.lay(
        Fault::once(Kind::Fail("OperationFailed"), "lambda", "Invoke").of(&snapshot).when_done().after(1),
    );
    let failed = upgrade(&sandbox, "monday", &input).await.failed("OperationFailed");
    failed.says(&["1 failed, so no other is begun", "c00", "1 of 4 clusters are upgraded", "same input"]);
    assert_eq!(versions(&sandbox).await.iter().filter(|(_, version)| version == "18.4").count(), 1);
    assert_eq!(runs(&sandbox, "major-upgrade").await.len(), 2, "the canary, and the one that failed");
    let next = failed.report["next"].as_str().unwrap();
    assert!(next.starts_with("aws stepfunctions start-execution"), "{next}");
    let told = sandbox.events.published().into_iter().map(|published| published.event);
    let told = told.filter(|event| event["detail"]["runbook"] == "major-upgrade").count();
    assert_eq!(told, 1, "the failed upgrade says what to do");

    upgrade(&sandbox, "again", &input).await.succeeded();
    let expected = &at(&["c000", "c001", "c002", "c003"], "18.4") | &at(&["untagged"], "16.14");
    assert_eq!(versions(&sandbox).await, expected);
    // The one that was there comes last, and is only looked at.
    let upgrades = runs(&sandbox, "major-upgrade").await;
    assert_eq!(upgrades.last().unwrap().0, "c000");
    let raised = changes(&sandbox, "c000").into_iter().filter(|call| call.ends_with("ModifyDBCluster"));
    assert_eq!(raised.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_may_fail_is_counted_and_the_others_are_finished() {
    let sandbox = world(4).await;
    let mut input = by_tag();
    input["stopAfter"] = json!(2);
    input["waves"] = json!([]);
    let clone = format!("{PREFIX}-clone-cluster");
    sandbox.gateway.lay(Fault::once(Kind::Fail("OperationFailed"), "lambda", "Invoke").of(&clone));
    let failed = upgrade(&sandbox, "monday", &input).await.failed("OperationFailed");
    failed.says(&["1 failed, and all others are done", "3 of 4 clusters are upgraded"]);
    let without = failed.report["fleet"]["clusters"].as_array().unwrap()[0].clone();
    assert_eq!((&without["rehearsal"]["kind"], &without["upgrade"]), (&json!("failed"), &Value::Null));
    // What is rehearsed stays so: again rehearses the one.
    upgrade(&sandbox, "again", &input).await.succeeded();
    assert_eq!(runs(&sandbox, "rehearse-upgrade").await.len(), 5);
}

#[tokio::test(start_paused = true)]
async fn a_person_holds_a_fleet_back_and_takes_a_cluster_out_of_it() {
    let sandbox = world(3).await;
    let mut input = by_tag();
    input["rehearse"] = json!(false);
    let sfn = sandbox.sfn();
    let arn = sandbox.start_execution("upgrade-fleet", "monday", &input).await.unwrap();
    sandbox.clock.sleep(Duration::from_secs(600)).await;
    let paused = MachineTag::builder().key("paused").value("a sale").build();
    sfn.tag_resource().resource_arn(machine("upgrade-fleet")).tags(paused).send().await.unwrap();
    sandbox.clock.sleep(Duration::from_secs(6 * 3600)).await;
    assert_eq!(runs(&sandbox, "major-upgrade").await.len(), 1, "what had begun was finished, and no more");
    let rds = sandbox.rds_client();
    let of_rds = runbook::aurora::cluster(&orders::context(&sandbox), "c001").await.unwrap().arn;
    let untag = rds.remove_tags_from_resource().resource_name(of_rds.as_str()).tag_keys(TAG.0);
    untag.send().await.unwrap();
    sfn.untag_resource().resource_arn(machine("upgrade-fleet")).tag_keys("paused").send().await.unwrap();
    let done = ended(&sandbox, arn).await.succeeded();
    let expected = &at(&["c000", "c002"], "18.4") | &at(&["c001", "untagged"], "16.14");
    assert_eq!(versions(&sandbox).await, expected);
    assert_eq!(of_cluster(&done, "c001")["leftOut"], "it has the tag upgrade=november no more");
    let said = done.report["steps"].to_string();
    assert!(said.contains("paused (a sale)"), "{said}");
}

#[tokio::test(start_paused = true)]
async fn a_fleet_that_is_stopped_is_started_again_with_the_same_input() {
    let sandbox = world(3).await;
    let mut input = by_tag();
    input["rehearse"] = json!(false);
    let arn = sandbox.start_execution("upgrade-fleet", "monday", &input).await.unwrap();
    sandbox.clock.sleep(Duration::from_secs(900)).await;
    sandbox.sfn().stop_execution().execution_arn(&arn).send().await.unwrap();
    ended(&sandbox, arn).await;
    let stopped = sandbox.sfn().list_executions().state_machine_arn(machine("major-upgrade")).send().await;
    let stopped = stopped.unwrap().executions()[0].status().clone();
    assert_eq!(stopped, ExecutionStatus::Aborted, "its upgrade was half-way");
    upgrade(&sandbox, "again", &input).await.succeeded();
    let expected = &at(&["c000", "c001", "c002"], "18.4") | &at(&["untagged"], "16.14");
    assert_eq!(versions(&sandbox).await, expected);
}

#[tokio::test(start_paused = true)]
async fn no_more_are_rehearsed_side_by_side_than_the_account_has_room_for() {
    let sandbox = world(2).await;
    sandbox.rds.raise_quotas(1);
    let rds = sandbox.rds_client();
    let groups = rds.describe_db_cluster_parameter_groups().into_paginator().items().send();
    let groups: Vec<_> = groups.try_collect().await.unwrap();
    let own = |name: &str| !name.starts_with("default.");
    let names = groups.iter().filter_map(|group| group.db_cluster_parameter_group_name());
    for number in names.filter(|name| own(name)).count()..49 {
        let group = rds.create_db_cluster_parameter_group().db_parameter_group_family("aurora-postgresql16");
        let group = group.db_cluster_parameter_group_name(format!("filler-{number}")).description("filler");
        group.send().await.unwrap();
    }
    let full = upgrade(&sandbox, "full", &by_tag()).await.failed("Refused");
    full.says(&[
        "no room for the clone of a rehearsal",
        "49 of 50 DBClusterParameterGroups are used",
        "quota raised",
    ]);
    assert_eq!(runs(&sandbox, "rehearse-upgrade").await.len(), 0);
    for number in [47, 48] {
        let group = rds.delete_db_cluster_parameter_group();
        group.db_cluster_parameter_group_name(format!("filler-{number}")).send().await.unwrap();
    }
    let done = upgrade(&sandbox, "again", &by_tag()).await.succeeded();
    let rehearsals = runs(&sandbox, "rehearse-upgrade").await;
    assert!(rehearsals.len() == 2 && rehearsals[1].1 >= rehearsals[0].2, "{rehearsals:?}");
    let said = done.report["steps"].to_string();
    assert!(
        said.contains(
            "rehearses 1 (2 still to rehearse; 47 of 50 DBClusterParameterGroups leave room for no more)"
        ),
        "{said}"
    );
}

/// Of an execution's history: its events, the entries into states, the longest text in characters.
async fn history(sandbox: &Sandbox, arn: &str) -> (usize, usize, usize) {
    let pages = sandbox.sfn().get_execution_history().execution_arn(arn).include_execution_data(true);
    let events: Vec<_> = pages.into_paginator().items().send().try_collect().await.unwrap();
    let longest = events.iter().flat_map(|event| {
        let entered = event.state_entered_event_details().and_then(|details| details.input());
        let exited = event.state_exited_event_details().and_then(|details| details.output());
        let scheduled = event.task_scheduled_event_details().map(|details| details.parameters());
        let succeeded = event.task_succeeded_event_details().and_then(|details| details.output());
        let all = entered.into_iter().chain(exited).chain(scheduled).chain(succeeded);
        all.map(str::len).collect::<Vec<_>>()
    });
    let longest = longest.max().unwrap_or_default();
    let entered = events.iter().filter(|event| event.r#type().as_str().ends_with("StateEntered")).count();
    (events.len(), entered, longest)
}

/// https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html
const MOST_EVENTS: usize = 25_000;
const MOST_CHARACTERS: usize = 262_144;
const MOST_CLUSTERS: usize = 500;

#[tokio::test(start_paused = true)]
async fn a_fleet_fits_into_the_limits_of_a_history_of_payloads_and_of_the_api() {
    let asked = std::env::var("UPGRADES").unwrap_or("8 4".to_owned());
    let (clusters, at_once) = asked.split_once(' ').expect("UPGRADES is clusters, at once");
    let (clusters, at_once): (usize, usize) = (clusters.parse().unwrap(), at_once.parse().unwrap());
    let sandbox = world(clusters).await;
    sandbox.gateway.limit("rds", BURST, PER_SECOND);
    let mut input = by_tag();
    input["atOnce"] = json!(at_once);
    let began = sandbox.clock.now();
    let done = upgrade(&sandbox, "all", &input).await.succeeded();
    let took = sandbox.clock.now().duration_since(began);
    let (events, entered, longest) = history(&sandbox, &done.arn).await;
    let ours = ours();
    let calls = sandbox.gateway.take_calls();
    let of_rds: Vec<_> =
        calls.iter().filter(|call| call.service == "rds" && ours.contains(&call.principal)).collect();
    let throttled = of_rds.iter().filter(|call| call.status == 400).count();
    let each = |number: usize| number as f64 / clusters as f64;
    println!(
        "{clusters} clusters, {at_once} at once, rehearsed and upgraded in {:.1} h\n  \
         history of the fleet: {events} events ({:.1} a cluster), longest payload {longest} characters\n  \
         state transitions of the fleet itself: {:.1} a cluster, {:.5} USD\n  \
         RDS: {:.0} calls a cluster, of them throttled or refused {:.1}",
        took.as_secs_f64() / 3600.0,
        each(events),
        each(entered),
        each(entered) * 0.000_025,
        each(of_rds.len()),
        each(throttled),
    );
    assert_eq!(versions(&sandbox).await.iter().filter(|(_, version)| version == "18.4").count(), clusters);
    let most = |of_all: usize| of_all * MOST_CLUSTERS / clusters;
    assert!(most(events) < MOST_EVENTS, "{events} events of {clusters} clusters");
    assert!(most(longest) < MOST_CHARACTERS, "{longest} characters of {clusters} clusters");
}
