//! How long raw data stands is measured in both accounts, from its beginning to its end.

use std::time::Duration;

use sandbox::{
    Options, Sandbox,
    environments::SYNC,
    faults::{Fault, Kind},
};
use serde_json::{Value, json};

use crate::harness::{World, ended, model, mutations};

/// The names of the copies, without what is random in them.
fn kinds(said: &Value) -> Vec<String> {
    let copies = said["copies"].as_object().unwrap();
    let kind = |arn: &String| {
        let mut parts = arn.split(':').skip(4);
        let (account, kind) = (parts.next().unwrap(), parts.next().unwrap());
        format!("{account} {kind}")
    };
    copies.keys().map(kind).collect()
}

#[tokio::test(start_paused = true)]
async fn a_raw_copy_is_measured_from_its_beginning_to_its_end() {
    let (sandbox, _) = World::WHOLE.start(Options::model(1)).await;
    let none = sandbox.raw_copies().await.unwrap();
    assert_eq!(none, json!({ "age": 0, "copies": {} }));
    let started = sandbox.clock.now();
    let arn = sandbox.start_execution("daily-sync", "sync", &json!({ "sync": SYNC })).await.unwrap();
    let (mut seen, mut oldest) = (Vec::new(), 0);
    loop {
        sandbox.clock.sleep(Duration::from_secs(60)).await;
        let said = sandbox.raw_copies().await.unwrap();
        let age = said["age"].as_i64().unwrap();
        let since_start = sandbox.clock.now().duration_since(started).as_secs();
        assert!((0..=since_start).contains(&age), "{age} s of {since_start} s");
        oldest = oldest.max(age);
        let kinds = kinds(&said);
        if kinds.is_empty() && !seen.is_empty() {
            break;
        }
        if !kinds.is_empty() && seen.last() != Some(&kinds) {
            seen.push(kinds);
        }
    }
    let (copy, quarantine) = ("111122223333 cluster-snapshot", "444455556666 cluster");
    assert_eq!(seen, [vec![copy], vec![copy, quarantine], vec![quarantine]]);
    // Longer than its two restores and the masking take, and measured, not set.
    assert!(oldest > 15 * 60, "{oldest} s");
    // The sanitised snapshot and the new clusters are not raw: nothing was said of them.
    ended(&sandbox, arn).await.succeeded();
    assert_eq!(sandbox.raw_copies().await.unwrap(), none);
    let looked = sandbox.gateway.calls().into_iter().filter(|call| call.principal == "watch-raw-copies");
    assert!(looked.filter(|call| call.mutates()).count() == 0);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_looked_at_is_an_error_and_not_nothing() {
    let (sandbox, _) = World::WHOLE.start(Options::model(1)).await;
    let lay = |service: &str, action: &str| {
        sandbox.gateway.lay(Fault::once(Kind::Denied, service, action).by("watch-raw-copies"));
    };
    for (service, action) in
        [("rds", "DescribeDBClusters"), ("rds", "DescribeDBClusterSnapshots"), ("sts", "AssumeRole")]
    {
        lay(service, action);
        let error = sandbox.raw_copies().await.expect_err(action);
        assert!(error.to_string().contains(action), "{action}: {error}");
    }
    sandbox.raw_copies().await.unwrap();
    assert_eq!(mutations(&sandbox), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn an_installation_for_upgrades_alone_has_no_policy_and_nothing_raw() {
    let sandbox: Sandbox = model(1, sandbox::orders::Shape::default()).await;
    assert_eq!(sandbox.raw_copies().await.unwrap()["age"], 0);
}
