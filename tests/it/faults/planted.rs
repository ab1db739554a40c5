//! Each invariant is broken once by hand, so that the observer is known to see it.

use std::time::Duration;

use runbook::snapshot_export::manifest::Latest;
use sandbox::{
    Sandbox,
    aws::PRODUCTION,
    environments::DEV,
    exports,
    faults::{Fault, Kind},
    orders,
    rds::engine::UpgradeFailure,
};
use serde_json::json;

use super::{
    observer::{Invariant, Observer},
    runbooks::Runbook,
};
use crate::{
    daily_sync_model::{in_quarantine, minutes},
    harness::to_18,
    snapshot_export_model::{exported, latest},
};

/// A world of that runbook, watched.
async fn watched(runbook: Runbook) -> (Sandbox, Observer) {
    let sandbox = runbook.world().await;
    let observer = Observer::of(&sandbox, &runbook.subject());
    (sandbox, observer)
}

async fn quarantine(sandbox: &Sandbox) -> String {
    in_quarantine(sandbox, "first").await;
    minutes(sandbox, 3).await;
    sandbox.rds.look(|world| {
        let raw = world.clusters.values().find(|cluster| cluster.id.starts_with("quarantine-"));
        raw.expect("it stands").id.clone()
    })
}

async fn rename(sandbox: &Sandbox, from: &str, to: &str) {
    let modify = sandbox.rds_client().modify_db_cluster().db_cluster_identifier(from);
    modify.new_db_cluster_identifier(to).apply_immediately(true).send().await.unwrap();
    minutes(sandbox, 3).await;
}

async fn upgrade(sandbox: &Sandbox) {
    let modify = sandbox.rds_client().modify_db_cluster().db_cluster_identifier(orders::CLUSTER);
    let modify = modify.engine_version("18.4").allow_major_version_upgrade(true).apply_immediately(true);
    let modify = modify.db_cluster_parameter_group_name("default.aurora-postgresql18");
    modify.db_instance_parameter_group_name("default.aurora-postgresql18").send().await.unwrap();
}

/// Breaks it, and answers who saw it.
async fn plant(invariant: Invariant) -> (Sandbox, Observer) {
    let of = match invariant {
        Invariant::SnapshotFirst | Invariant::UpgradedOnce | Invariant::Fenced => Runbook::Upgrade,
        Invariant::Guarded => Runbook::GuardedUpgrade,
        Invariant::LatestIsWhole | Invariant::NeverLedBack => Runbook::Export,
        _ => Runbook::Sync,
    };
    let (sandbox, observer) = watched(of).await;
    let rds = sandbox.rds_client();
    match invariant {
        Invariant::ReadOnly => {
            let modify = sandbox.rds_client_in(PRODUCTION).modify_db_cluster();
            modify.db_cluster_identifier("orders").backup_retention_period(3).send().await.unwrap();
        }
        Invariant::StableName => {
            let raw = quarantine(&sandbox).await;
            rename(&sandbox, DEV, "orders-dev-away").await;
            rename(&sandbox, &raw, DEV).await;
        }
        Invariant::NameLeads => {
            rename(&sandbox, DEV, "orders-dev-away").await;
            rds.describe_db_clusters().send().await.unwrap();
            minutes(&sandbox, 45).await;
        }
        Invariant::PasswordFirst => {
            let busy = Fault::once(Kind::Throttle, "rds", "ModifyDBCluster").by("restore-quarantine");
            sandbox.gateway.lay(busy.times(1000));
            let raw = quarantine(&sandbox).await;
            let create = rds.create_db_instance().db_instance_identifier("early").db_cluster_identifier(raw);
            let create = create.engine("aurora-postgresql").db_instance_class("db.r6g.large");
            create.send().await.unwrap();
        }
        Invariant::Quarantine => {
            let raw = quarantine(&sandbox).await;
            let open = rds.modify_db_cluster().db_cluster_identifier(raw).vpc_security_group_ids("sg-dev");
            open.send().await.unwrap();
        }
        Invariant::RawIsShared => {
            quarantine(&sandbox).await;
            let production = sandbox::production::service(&sandbox).unwrap();
            let copy = production.look(|world| {
                world.snapshots.keys().find(|id| id.starts_with("sync-")).expect("it stands").clone()
            });
            let share = sandbox.rds_client_in(PRODUCTION).modify_db_cluster_snapshot_attribute();
            let share = share.db_cluster_snapshot_identifier(copy).attribute_name("restore");
            share.values_to_add("777788889999").send().await.unwrap();
        }
        Invariant::SnapshotFirst => upgrade(&sandbox).await,
        Invariant::UpgradedOnce => {
            let failure = UpgradeFailure { reason: "planted".into(), files: Vec::new() };
            sandbox.rds.behave(|behaviour| behaviour.fail_next_upgrade = Some(failure));
            upgrade(&sandbox).await;
            minutes(&sandbox, 60).await;
            rds.describe_db_clusters().send().await.unwrap();
            rds.reboot_db_instance().db_instance_identifier(orders::READER).send().await.unwrap();
            minutes(&sandbox, 5).await;
            upgrade(&sandbox).await;
        }
        Invariant::Guarded => {
            rds.reboot_db_instance().db_instance_identifier(orders::READER).send().await.unwrap();
        }
        Invariant::Fenced => {
            sandbox.start_execution("major-upgrade", "first", &to_18()).await.unwrap();
            let token = loop {
                let mut tasks = sandbox.ecs.tasks().into_iter();
                if let Some(mut task) = tasks.find(|task| task.last_status == "RUNNING") {
                    break task.environment.remove("TASK_TOKEN").unwrap();
                }
                sandbox.clock.sleep(Duration::from_secs(1)).await;
            };
            let sfn = sandbox.sfn();
            sfn.send_task_failure().task_token(&token).error("Conflict").send().await.unwrap();
            sfn.send_task_heartbeat().task_token(&token).send().await.unwrap_err();
            sandbox.clock.sleep(Duration::from_secs(2)).await;
        }
        Invariant::LatestIsWhole => {
            exported(&sandbox).await.succeeded();
            let files = sandbox.s3.list(exports::BUCKET, exports::FOLDER);
            let file = files.iter().find(|key| key.ends_with(".parquet")).expect("there are files");
            sandbox.s3.remove(exports::BUCKET, file);
        }
        Invariant::NeverLedBack => {
            exported(&sandbox).await.succeeded();
            let published = latest(&sandbox).unwrap();
            let older = Latest { snapshot_time: "2026-11-20T01:00:00Z".parse().unwrap(), ..published };
            let store = orders::context(&sandbox).store.in_bucket(exports::BUCKET);
            store.put_json(&format!("{}latest.json", exports::FOLDER), &older).await.unwrap();
        }
    }
    // One more call, for what shows with time alone.
    let store = orders::context(&sandbox).store;
    store.put_json("planted.json", &json!({})).await.unwrap();
    (sandbox, observer)
}

#[tokio::test(start_paused = true)]
async fn every_invariant_that_is_broken_by_hand_is_named_with_the_call_and_what_was_seen() {
    for invariant in Invariant::ALL {
        let (sandbox, observer) = plant(invariant).await;
        let broken = observer.broken();
        let named = broken.iter().find(|said| said.contains(&invariant.to_string()));
        let named = named.unwrap_or_else(|| panic!("{invariant}: not seen, but {broken:?}"));
        assert!(named.contains("after call ") && named.len() > invariant.to_string().len() + 40, "{named}");
        sandbox.gateway.withdraw(|_| true);
    }
}
