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
use serde_json::Value;

use super::PLANT;
use crate::harness::{Ended, World, ended, redrive, run, sync, to_18};

/// Of a state a call that goes wrong, once.
type Call = (&'static str, &'static str, &'static str);

fn lay(sandbox: &Sandbox, kind: Kind, calls: &[Call]) {
    for (state, service, action) in calls {
        sandbox.gateway.lay(Fault::once(kind, *service, *action).by(kebab(state)));
    }
}

/// The states that have said another error than that they wait.
fn failed(ended: &Ended) -> BTreeSet<String> {
    let failed = |step: &&Value| {
        step["answers"].as_array().unwrap().iter().any(|answer| answer["error"] != "NotReady")
    };
    let steps = ended.report["steps"].as_array().unwrap().iter().filter(failed);
    steps.map(|step| step["state"].as_str().unwrap().to_owned()).collect()
}

fn entered(ended: &Ended) -> BTreeSet<String> {
    ended.states().into_iter().map(str::to_owned).collect()
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
    // What the planner knows of the rows is carried over by us.
    let sandbox = Sandbox::start(Options { without_statistics: true, ..Options::real() }).await.unwrap();
    orders::create(&sandbox, orders::Shape::default()).await.unwrap();
    let login = orders::login(&sandbox).await.unwrap();
    execute(&login, PLANT).await;
    execute(&login, FAILING_INDEX).await;
    execute(
        &login,
        "INSERT INTO public.canaries SELECT id + n, name, phone, card, words, profile, document, seat \
         FROM public.canaries, generate_series(1, 20) n; ANALYZE public.canaries",
    )
    .await;
    lay(
        &sandbox,
        Kind::Denied,
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
    let mut last = run(&sandbox, "canaries", &to_18()).await;
    let mut times = 0;
    while last.status != "SUCCEEDED" {
        times += 1;
        assert!(times <= 9, "it fails again: {}: {}", last.error, last.cause);
        if last.report["steps"].as_array().unwrap().last().unwrap()["state"] == "RunAnalyze" {
            last.says(&["22P02"]);
            execute(&orders::login(&sandbox).await.unwrap(), "DROP INDEX public.seats").await;
        }
        last = redrive(&sandbox, &last).await;
    }
    assert_eq!(sandbox.gateway.unfired(), Vec::<String>::new());
    assert_eq!(failed(&last), entered(&last), "every state has failed once");
    let client = orders::connect(&orders::login(&sandbox).await.unwrap(), "shop").await.unwrap();
    let left = "SELECT FROM pg_namespace WHERE nspname ~ '^aurora_runbooks'";
    assert!(client.query(left, &[]).await.unwrap().is_empty(), "the copy of the statistics is gone");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_row_is_told_by_an_export_that_fails_in_every_state() {
    let sandbox = export::create(Options::real(), Terminal::new(false)).await.unwrap();
    execute(&orders::login(&sandbox).await.unwrap(), PLANT).await;
    lay(
        &sandbox,
        Kind::Denied,
        &[
            ("SelectExport", "s3", "PutObject"),
            ("ExportSnapshot", "rds", "StartExportTask"),
            ("ReconcileExport", "s3", "GetObject"),
            ("PublishExport", "s3", "PutObject"),
        ],
    );
    exports::take_snapshot(&sandbox, sandbox.clock.now() - jiff::SignedDuration::from_mins(1)).await.unwrap();
    let mut last = ended(&sandbox, exports::started(&sandbox).await.unwrap()).await;
    let mut times = 0;
    while last.status != "SUCCEEDED" {
        times += 1;
        assert!(times <= 4, "it fails again: {}: {}", last.error, last.cause);
        last = redrive(&sandbox, &last).await;
    }
    assert_eq!(sandbox.gateway.unfired(), Vec::<String>::new());
    // It runs beside ExportSnapshot and is ended by that one's failure; it sees no rows.
    let mut entered = entered(&last);
    entered.remove("RemoveLeftovers");
    assert_eq!(failed(&last), entered, "every state has failed once");
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

/// A sync that has failed has cleaned up and is not redriven, so each failure that ends one costs
/// a run. What sees rows fails by what PostgreSQL says of them; the callers of all else, which see
/// none, die after their first change.
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
    let put = async |policy: &str| {
        let store = orders::context(&sandbox).store;
        store.put("policy.yaml", "application/yaml", policy.as_bytes().to_vec()).await.unwrap();
    };
    put(&policy).await;
    let killed = [
        ("SelectSnapshot", "s3", "PutObject"),
        ("CopySnapshot", "rds", "CopyDBClusterSnapshot"),
        ("ShareSnapshot", "rds", "ModifyDBClusterSnapshotAttribute"),
        ("RestoreQuarantine", "rds", "RestoreDBClusterFromSnapshot"),
    ];
    lay(&sandbox, Kind::KillAfter, &killed);
    let narrow = sync(&sandbox, "narrow").await;
    narrow.says(&["23514"]);
    let mut seen = failed(&narrow);

    execute(&production, "ALTER TABLE public.canaries DROP CONSTRAINT card").await;
    production::take_snapshot_at(&sandbox, sandbox.clock.now()).await.unwrap();
    // Whichever target is not stopped in RestoreTarget is by its smoke query, which asks a row.
    let asks_a_row = "SELECT seat::bigint > 0 FROM canaries";
    let asking = policy.replace("SELECT count(*) > 0 FROM orders", asks_a_row);
    put(&asking.replace("SELECT count(*) > 0 FROM customers", asks_a_row)).await;
    let killed = [
        ("AttestSanitized", "rds", "AddTagsToResource"),
        ("SnapshotSanitized", "rds", "CreateDBClusterSnapshot"),
        ("DeleteQuarantine", "rds", "DeleteDBInstance"),
    ];
    lay(&sandbox, Kind::KillAfter, &killed);
    lay(&sandbox, Kind::Denied, &[("RestoreTarget", "rds", "RestoreDBClusterFromSnapshot")]);
    let prepare = sync(&sandbox, "prepare").await;
    prepare.says(&["22P02"]);
    seen.extend(failed(&prepare));

    put(&policy).await;
    let denied = [("SwapTarget", "rds", "ModifyDBCluster"), ("RetireOld", "rds", "DescribeDBClusters")];
    lay(&sandbox, Kind::Denied, &denied);
    lay(&sandbox, Kind::KillAfter, &[("CleanUp", "rds", "DeleteDBClusterSnapshot")]);
    let swap = sync(&sandbox, "swap").await.failed("Refused");
    seen.extend(failed(&swap));
    assert_eq!(sandbox.gateway.unfired(), Vec::<String>::new());
    assert_eq!(seen, entered(&swap), "every state has failed once");
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
