//! The workers of an upgrade, and the one that counts rows: they need no more than a cluster.

use runbook::{
    Run,
    daily_sync::tags::{Maker, Role},
    kept_policy::POLICY_KEY,
};
use sandbox::{
    Sandbox, aws,
    orders::{self, Shape},
    sandbox::BUCKET,
    worlds::exports,
};
use serde_json::{Value, json};

use super::{bench, fenced};
use crate::harness::real;

pub const STATES: [&str; 4] = ["InspectDatabases", "RunAnalyze", "VerifyUpgrade", "CountRows"];

fn payload(sandbox: &Sandbox, run: &Run, input: Value) -> Value {
    let mut run = run.clone();
    run.entered = sandbox.clock.now();
    json!({ "run": run, "input": input })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_fault_of_an_upgrades_sql_is_a_delay_or_says_what_to_do() {
    let (sandbox, id) = real(Shape { maintenance: false, ..Shape::default() }).await;
    let run = Run::of(&aws::arn("states", "execution:aurora-runbooks-major-upgrade:faulty"));
    let ids = || vec![id.clone()];
    fenced::a_worker_that_gets_sigterm_says_so_and_another_one_goes_on(&sandbox, &id).await;
    fenced::what_a_lost_worker_runs_is_canceled(&sandbox, &id).await;

    let same = json!({ "cluster": orders::CLUSTER, "target": "16.14" });

    let input = json!({ "cluster": orders::CLUSTER, "from": "16.14", "target": "18.4" });
    let inspect = bench(&sandbox, "InspectDatabases", payload(&sandbox, &run, input), ids()).await;
    inspect.meets_every_fault(false, async || {}).await;

    let analyze = bench(&sandbox, "RunAnalyze", payload(&sandbox, &run, same.clone()), ids()).await;
    analyze.meets_every_fault(false, async || forget_statistics(&sandbox, &id).await).await;

    let verify = bench(&sandbox, "VerifyUpgrade", payload(&sandbox, &run, same), ids()).await;
    verify.meets_every_fault(false, async || {}).await;

    // The cluster plays the restored copy.
    let run = Run::of(&aws::arn("states", "execution:aurora-runbooks-snapshot-export:faulty"));
    let cx = orders::context(&sandbox);
    let arn = aws::arn("rds", &format!("cluster:{}", orders::CLUSTER));
    let tags = Maker::Export(exports::EXPORT).tags(&run, Role::Quarantine);
    cx.rds.add_tags_to_resource().resource_name(arn).set_tags(Some(tags)).send().await.unwrap();
    let policy = exports::policy_that_counts().unwrap().into_bytes();
    let key = format!("{}/{POLICY_KEY}", run.prefix());
    cx.store.put(&key, "application/yaml", policy).await.unwrap();
    let input = json!({ "export": exports::EXPORT, "cluster": orders::CLUSTER, "resourceId": id });
    let count = bench(&sandbox, "CountRows", payload(&sandbox, &run, input), ids()).await;
    let counting = format!("{}/counting.json", run.prefix());
    count.meets_every_fault(false, async || sandbox.s3.remove(BUCKET, &counting)).await;
}

/// Then every table is to be analysed again.
async fn forget_statistics(sandbox: &Sandbox, id: &str) {
    let engine = sandbox.engine.as_ref().unwrap();
    for database in ["postgres", "template1", "shop", "billing", "customer-events"] {
        let admin = engine.connect(id, "rdsadmin", database).await.unwrap();
        admin.batch_execute("SELECT pg_stat_reset()").await.unwrap();
    }
}
