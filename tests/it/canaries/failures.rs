//! Every state of each runbook fails once, on real PostgreSQL with rows that nobody may tell, until
//! the run ends well. `harness::ended` looks for the rows after each failure.

use std::collections::BTreeSet;

use runbook::state::kebab;
use sandbox::{
    Options, Sandbox, environments, export, exports,
    faults::{Fault, Kind},
    orders, production,
    terminal::Terminal,
};

use super::PLANT;
use crate::harness::{Ended, World, ended, real, redrive, run, sync, to_18};

/// Of a state the call that is denied to it, once.
type Denied = (&'static str, &'static str, &'static str);

fn deny(sandbox: &Sandbox, denied: &[Denied]) {
    for (state, service, action) in denied {
        sandbox.gateway.lay(Fault::once(Kind::Denied, *service, *action).by(kebab(state)));
    }
}

/// The states that were entered and have failed.
fn failed(ended: &Ended) -> BTreeSet<String> {
    let steps = ended.report["steps"].as_array().unwrap().iter();
    let failed = steps.filter(|step| step["exited"].is_null() || step["caught"] == true);
    failed.map(|step| step["state"].as_str().unwrap().to_owned()).collect()
}

async fn execute(login: &runbook::postgres::Login, sql: &str) {
    orders::connect(login, "shop").await.unwrap().batch_execute(sql).await.unwrap();
}

/// It fails on the newer server alone, and says a row's value.
const FAILING_INDEX: &str = "
    CREATE FUNCTION public.as_number(seat text) RETURNS bigint IMMUTABLE LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp AS $$
    BEGIN
        IF current_setting('server_version_num')::int < 170000 THEN RETURN 1; END IF;
        RETURN seat::bigint;
    END $$;
    CREATE INDEX seats ON public.canaries (public.as_number(seat));";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_row_is_told_by_an_upgrade_that_fails_in_every_state() {
    let (sandbox, _) = real(orders::Shape::default()).await;
    let login = orders::login(&sandbox).await.unwrap();
    execute(&login, PLANT).await;
    execute(&login, FAILING_INDEX).await;
    deny(
        &sandbox,
        &[
            ("ResolveUpgrade", "s3", "PutObject"),
            ("InspectDatabases", "secretsmanager", "GetSecretValue"),
            ("PrepareParameterGroups", "rds", "CreateDBClusterParameterGroup"),
            ("ApplyPendingMaintenance", "rds", "ApplyPendingMaintenanceAction"),
            ("TakeSnapshot", "rds", "CreateDBClusterSnapshot"),
            ("ModifyClusterVersion", "rds", "ModifyDBCluster"),
            ("SyncParameterGroups", "rds", "RebootDBInstance"),
            ("VerifyUpgrade", "secretsmanager", "GetSecretValue"),
        ],
    );
    let mut seen = BTreeSet::new();
    let mut last = run(&sandbox, "canaries", &to_18()).await;
    while last.status != "SUCCEEDED" {
        let failed = failed(&last);
        assert!(!failed.is_subset(&seen), "{failed:?} again: {}: {}", last.error, last.cause);
        if failed.contains("RunAnalyze") {
            last.says(&["22P02"]);
            execute(&orders::login(&sandbox).await.unwrap(), "DROP INDEX public.seats").await;
        }
        seen.extend(failed);
        last = redrive(&sandbox, &last).await;
    }
    assert_eq!(sandbox.gateway.unfired(), Vec::<String>::new());
    let every = last.states().into_iter().map(str::to_owned).collect::<BTreeSet<String>>();
    assert_eq!(seen, every, "every state has failed once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_row_is_told_by_an_export_that_fails_in_every_state() {
    let sandbox = export::create(Options::real(), Terminal::new(false)).await.unwrap();
    execute(&orders::login(&sandbox).await.unwrap(), PLANT).await;
    deny(
        &sandbox,
        &[
            ("SelectExport", "s3", "PutObject"),
            ("ExportSnapshot", "rds", "StartExportTask"),
            ("ReconcileExport", "s3", "GetObject"),
            ("PublishExport", "s3", "PutObject"),
        ],
    );
    exports::take_snapshot(&sandbox, sandbox.clock.now() - jiff::SignedDuration::from_mins(1)).await.unwrap();
    let mut seen = BTreeSet::new();
    let mut last = ended(&sandbox, exports::started(&sandbox).await.unwrap()).await;
    while last.status != "SUCCEEDED" {
        let failed = failed(&last);
        assert!(!failed.is_subset(&seen), "{failed:?} again: {}: {}", last.error, last.cause);
        seen.extend(failed);
        last = redrive(&sandbox, &last).await;
    }
    assert_eq!(sandbox.gateway.unfired(), Vec::<String>::new());
    let every = last.states().into_iter().map(str::to_owned).collect::<BTreeSet<String>>();
    assert_eq!(seen, every, "every state has failed once");
    // What readers get beside the rows has none of them.
    let beside = sandbox.s3.list(exports::BUCKET, "").into_iter().filter(|key| !key.ends_with(".parquet"));
    let texts: Vec<(String, String)> = beside
        .map(|key| {
            let bytes = sandbox.s3.get(exports::BUCKET, &key).unwrap();
            (key, String::from_utf8_lossy(&bytes).into_owned())
        })
        .collect();
    assert!(texts.len() > 3, "{texts:?}");
    super::is_empty(&super::said(&texts, &BTreeSet::new()));
}

/// What the sanitiser makes of the rows does not fit it, and PostgreSQL quotes the whole row.
const TOO_NARROW: &str = "ALTER TABLE public.canaries ADD CONSTRAINT card CHECK (card LIKE '4711%')";

/// A sync that has failed has cleaned up, so each failure is a run of its own: of early states one
/// each; of the late ones as many as one run can have.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_row_is_told_by_syncs_that_fail_in_every_state() {
    let world = World { snapshot: false, ..World::WHOLE };
    let (sandbox, _) = world.start(Options::real()).await;
    let production = production::login(&sandbox).await.unwrap();
    // Rows by the thousand say nothing more.
    let few = "TRUNCATE order_items; DELETE FROM orders WHERE id > 50;
               DELETE FROM customers WHERE id NOT IN (SELECT customer_id FROM orders)";
    execute(&production, few).await;
    execute(&production, PLANT).await;
    execute(&production, TOO_NARROW).await;
    production::take_snapshot_at(&sandbox, sandbox.clock.now()).await.unwrap();
    let header = "        shop:\n          large-objects: truncate\n";
    let policy = environments::example_policy().unwrap().replace("        window: 00:00-06:00\n", "");
    let policy = policy.replace(header, &format!("{header}{RULES}"));
    let asks_a_row = "SELECT seat::bigint > 0 FROM canaries";
    let put = async |policy: &str| {
        let store = orders::context(&sandbox).store;
        store.put("policy.yaml", "application/yaml", policy.as_bytes().to_vec()).await.unwrap();
    };
    put(&policy).await;

    let mut seen = BTreeSet::new();
    let mut fail = async |name: &str, denied: &[Denied], also: &[&str], error: &str| {
        deny(&sandbox, denied);
        let run = sync(&sandbox, name).await.failed(error);
        let expected = denied.iter().map(|(state, ..)| *state).chain(also.iter().copied());
        let expected: BTreeSet<String> = expected.map(str::to_owned).collect();
        assert_eq!(failed(&run), expected, "{name}: {}", run.cause);
        seen.extend(expected);
        run
    };
    fail("select", &[("SelectSnapshot", "s3", "PutObject")], &[], "Refused").await;
    fail("copy", &[("CopySnapshot", "rds", "CopyDBClusterSnapshot")], &[], "Refused").await;
    fail("share", &[("ShareSnapshot", "rds", "ModifyDBClusterSnapshotAttribute")], &[], "Refused").await;
    let restore = ("RestoreQuarantine", "rds", "RestoreDBClusterFromSnapshot");
    fail("restore", &[restore], &[], "Refused").await;
    let narrow = fail("narrow", &[], &["SanitizeDatabases"], "OperationFailed").await;
    narrow.says(&["23514"]);

    execute(&production, "ALTER TABLE public.canaries DROP CONSTRAINT card").await;
    production::take_snapshot_at(&sandbox, sandbox.clock.now()).await.unwrap();
    fail("attest", &[("AttestSanitized", "rds", "AddTagsToResource")], &[], "Refused").await;
    fail("keep", &[("SnapshotSanitized", "rds", "CreateDBClusterSnapshot")], &[], "Refused").await;
    fail("delete", &[("DeleteQuarantine", "rds", "DeleteDBInstance")], &[], "Refused").await;
    put(&policy.replace("SELECT count(*) > 0 FROM orders", asks_a_row)).await;
    let prepare = fail(
        "prepare",
        &[("RestoreTarget", "rds", "RestoreDBClusterFromSnapshot")],
        &["PrepareTarget"],
        "Refused",
    )
    .await;
    prepare.says(&["22P02"]);
    put(&policy).await;
    let swap = ("SwapTarget", "rds", "ModifyDBCluster");
    fail("swap", &[swap, ("RetireOld", "rds", "DescribeDBClusters")], &[], "Refused").await;
    let run = sync(&sandbox, "whole").await.succeeded();
    assert_eq!(sandbox.gateway.unfired(), Vec::<String>::new());
    let mut every = run.states().into_iter().map(str::to_owned).collect::<BTreeSet<String>>();
    every.remove("CleanUp");
    assert_eq!(seen, every, "every state has failed once");
}

const RULES: &str = "          public.canaries:
            id: keep
            name: name
            phone: phone
            card: hash
            words: free-text
            profile: {rule: json, paths: {$.nickname: name}}
            document: null
            seat: keep
";
