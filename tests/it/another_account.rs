//! A sync that takes what another account's sync has sanitised, in the model gear. The account of
//! the source plays the one in which the data was masked.

use runbook::{
    Run,
    daily_sync::tags::{self, Role},
};
use sandbox::{
    Options, Sandbox,
    aws::PRODUCTION,
    environments::{self, DEV},
    executables::root,
    production,
};
use serde_json::json;

use crate::daily_sync_model::published;
use crate::harness::{Ended, calls, ended};

/// What the other account has under that name: a snapshot of somebody's run.
async fn plant(sandbox: &Sandbox, name: &str, sync: &str, role: Role, attested: Option<&str>) {
    let theirs = Run::of("arn:aws:states:eu-central-1:111122223333:execution:daily-sync:theirs");
    let rds = sandbox.rds_client_in(PRODUCTION);
    let described = rds.describe_db_clusters().db_cluster_identifier("orders").send().await.unwrap();
    let resource = described.db_clusters()[0].db_cluster_resource_id().unwrap().to_owned();
    let mut all = tags::of(&theirs, sync, role);
    all.extend(
        attested.into_iter().flat_map(|run| {
            [tags::tag(tags::ATTESTED_RUN, run), tags::tag(tags::ATTESTED_RESOURCE, &resource)]
        }),
    );
    let create = rds.create_db_cluster_snapshot().db_cluster_identifier("orders");
    create.db_cluster_snapshot_identifier(name).set_tags(Some(all)).send().await.unwrap();
    sandbox.clock.sleep(std::time::Duration::from_mins(20)).await;
}

async fn world(options: Options) -> Sandbox {
    let sandbox = Sandbox::start(options).await.unwrap();
    production::create(&sandbox).await.unwrap();
    let policy = std::fs::read_to_string(root().join("policy/examples/another-account.yaml")).unwrap();
    environments::create(&sandbox, Some(&policy)).await.unwrap();
    sandbox
}

pub async fn world_with_their_snapshot(options: Options) -> Sandbox {
    let sandbox = world(options).await;
    plant(&sandbox, "sanitized-orders-1a2b3c4d", "orders", Role::Sanitized, Some("theirs")).await;
    sandbox
}

pub async fn sync(sandbox: &Sandbox, name: &str) -> Ended {
    let input = json!({ "sync": "orders-test" });
    ended(sandbox, sandbox.start_execution("daily-sync", name, &input).await.unwrap()).await
}

/// Nothing of the run's own stays in either account but the target.
async fn nothing_is_left(sandbox: &Sandbox, what: &str) {
    let manual = |account| sandbox.rds_client_in(account).describe_db_cluster_snapshots().send();
    for account in [PRODUCTION, sandbox::aws::ACCOUNT] {
        let found = manual(account).await.unwrap().db_cluster_snapshots.unwrap_or_default();
        let names = found.into_iter().filter_map(|snapshot| snapshot.db_cluster_snapshot_identifier);
        let ours: Vec<String> = names.filter(|name| name.contains("orders-test")).collect();
        assert!(ours.is_empty(), "{what}: {ours:?} in {account}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_another_accounts_sync_has_sanitised_is_taken_without_a_quarantine() {
    let sandbox = world_with_their_snapshot(Options::model(1)).await;
    let run = sync(&sandbox, "first").await.succeeded();
    let states = run.states();
    assert!(states.contains(&"CopySanitized"), "{states:?}");
    let masks = ["RestoreQuarantine", "SanitizeDatabases", "AttestSanitized", "DeleteQuarantine"];
    assert!(!states.iter().any(|state| masks.contains(state)), "{states:?}");
    assert!(published(&sandbox).await.contains_key(DEV));
    nothing_is_left(&sandbox, "after a good run").await;
    // The other account's own snapshot stays, and the next run replaces the target with it.
    sync(&sandbox, "second").await.succeeded();
}

#[tokio::test(start_paused = true)]
async fn what_no_sync_of_that_name_has_attested_is_never_taken() {
    let sandbox = world(Options::model(1)).await;
    plant(&sandbox, "sanitized-orders-00000001", "orders", Role::Sanitized, None).await;
    plant(&sandbox, "sanitized-orders-00000002", "orders", Role::Sanitized, Some("another")).await;
    plant(&sandbox, "sanitized-orders-00000003", "orders", Role::Copy, Some("theirs")).await;
    plant(&sandbox, "sanitized-orders-00000004", "customers", Role::Sanitized, Some("theirs")).await;
    let run = sync(&sandbox, "none").await.failed("OperationFailed");
    run.says(&["no snapshot of orders fits"]);
    assert_eq!(calls(&sandbox, "copy-snapshot", "CopyDBClusterSnapshot"), 0);
}

/// A person takes the tags off our copy between two states.
#[tokio::test(start_paused = true)]
async fn a_copy_that_lost_its_attestation_reaches_no_target() {
    let sandbox = world_with_their_snapshot(Options::model(1)).await;
    let input = json!({ "sync": "orders-test" });
    let arn = sandbox.start_execution("daily-sync", "robbed", &input).await.unwrap();
    let rds = sandbox.rds_client_in(PRODUCTION);
    loop {
        let all = rds.describe_db_cluster_snapshots().send().await.unwrap();
        let mut ours = all.db_cluster_snapshots().iter().filter_map(|one| one.db_cluster_snapshot_arn());
        if let Some(copy) = ours.find(|arn| arn.contains(":sync-orders-test-")) {
            let remove = rds.remove_tags_from_resource().resource_name(copy);
            remove.tag_keys(tags::ATTESTED_RESOURCE).send().await.unwrap();
            break;
        }
        sandbox.clock.sleep(std::time::Duration::from_secs(1)).await;
    }
    let run = ended(&sandbox, arn).await.failed("Refused");
    run.says(&["does not carry the attestation of a sync"]);
    assert_eq!(calls(&sandbox, "copy-sanitized", "CopyDBClusterSnapshot"), 0);
    nothing_is_left(&sandbox, "after the refusal").await;
    assert!(published(&sandbox).await.is_empty());
}
