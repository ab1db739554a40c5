//! The workers of an upgrade and of its rehearsal, and the one that counts rows: they need no more
//! than a cluster.

use runbook::{
    Run,
    daily_sync::tags::{Maker, Role},
    kept_policy::POLICY_KEY,
    major_upgrade,
};
use sandbox::{
    Sandbox, aws,
    orders::{self, Shape},
    sandbox::BUCKET,
    worlds::{exports, findings},
};
use serde_json::{Value, json};

use super::{bench, fenced};
use crate::{harness::real, reindex::WORN_CLUSTER};

pub const STATES: [&str; 7] = [
    "InspectDatabases",
    "RunAnalyze",
    "ReindexCollations",
    "VerifyUpgrade",
    "CapturePlans",
    "ComparePlans",
    "CountRows",
];

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

    // The cluster plays the clone, too.
    let cx = orders::context(&sandbox);
    let arn = aws::arn("rds", &format!("cluster:{}", orders::CLUSTER));
    let add = cx.rds.add_tags_to_resource().resource_name(&arn);
    add.set_tags(Some(major_upgrade::tags(&run))).send().await.unwrap();
    let input = json!({ "cluster": orders::CLUSTER, "clone": orders::CLUSTER });
    let capture = bench(&sandbox, "CapturePlans", payload(&sandbox, &run, input), ids()).await;
    capture.meets_every_fault(false, async || leave_roles(&sandbox, &id).await).await;

    let input = json!({ "clone": orders::CLUSTER });
    let compare = bench(&sandbox, "ComparePlans", payload(&sandbox, &run, input), ids()).await;
    compare.meets_every_fault(false, async || leave_roles(&sandbox, &id).await).await;

    // The cluster plays the restored copy.
    let run = Run::of(&aws::arn("states", "execution:aurora-runbooks-snapshot-export:faulty"));
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_fault_while_indexes_are_built_again_is_a_delay_or_says_what_to_do() {
    // The builtin collations, which have a version everywhere, are new in 17.
    let shape = Shape { maintenance: false, version: "18.4", ..Shape::default() };
    let (sandbox, id) = real(shape).await;
    findings::apply(sandbox.engine.as_ref().unwrap(), &id, WORN_CLUSTER).await.unwrap();
    let run = Run::of(&aws::arn("states", "execution:aurora-runbooks-major-upgrade:faulty"));
    let input = json!({ "cluster": orders::CLUSTER, "collations": "reindex" });
    let reindex =
        bench(&sandbox, "ReindexCollations", payload(&sandbox, &run, input), vec![id.clone()]).await;
    let done = format!("{}/reindexed.json", run.prefix());
    let sorts_otherwise_again = async || {
        sandbox.s3.remove(BUCKET, &done);
        let engine = sandbox.engine.as_ref().unwrap();
        let admin = engine.connect(&id, "rdsadmin", "shop").await.unwrap();
        let version = "UPDATE pg_collation SET collversion = '0' WHERE collname = 'worn'";
        admin.batch_execute(version).await.unwrap();
    };
    reindex.meets_every_fault(false, sorts_otherwise_again).await;
}

/// Then every table is to be analysed again.
async fn forget_statistics(sandbox: &Sandbox, id: &str) {
    let engine = sandbox.engine.as_ref().unwrap();
    for database in ["postgres", "template1", "shop", "billing", "customer-events"] {
        let admin = engine.connect(id, "rdsadmin", database).await.unwrap();
        admin.batch_execute("SELECT pg_stat_reset()").await.unwrap();
    }
}

/// A worker that was cut off could not leave the roles that it had joined, and the next one does
/// not ask for them.
async fn leave_roles(sandbox: &Sandbox, id: &str) {
    let engine = sandbox.engine.as_ref().unwrap();
    let admin = engine.connect(id, "rdsadmin", "postgres").await.unwrap();
    let left = "SELECT format('REVOKE %I FROM postgres GRANTED BY %I', r.rolname, g.rolname) \
                FROM pg_auth_members m JOIN pg_roles r ON r.oid = m.roleid \
                JOIN pg_roles g ON g.oid = m.grantor \
                WHERE m.member = 'postgres'::regrole AND NOT g.rolsuper";
    for revoke in admin.query(left, &[]).await.unwrap() {
        admin.batch_execute(revoke.get(0)).await.unwrap();
    }
}
