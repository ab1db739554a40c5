//! A quarantine that is not set up as docs/policy.md says.

use sandbox::{Options, Sandbox, orders::set_cluster_values, rds::network::ANYWHERE, sandbox::BUCKET};

use crate::harness::{World, calls, ended, sync};

/// Both kinds of rule, and values of every kind.
async fn open(sandbox: &Sandbox) {
    sandbox.rds.allow_out("sg-quarantine", ANYWHERE);
    sandbox.rds.allow("sg-quarantine", "sg-app");
    let values = [
        ("log_statement", "ddl"),
        ("rds.force_ssl", "0"),
        ("shared_preload_libraries", "pg_stat_statements,pg_cron"),
    ];
    set_cluster_values(&sandbox.rds_client(), "quarantine-pg16", &values).await.unwrap();
}

const SAID: [&str; 6] = [
    "5 things are wrong",
    "the security group sg-quarantine lets out everything to 0.0.0.0/0: delete this outbound rule",
    "the security group sg-quarantine lets in tcp 5432 from sg-app: delete this inbound rule, for only \
    the workers (sg-workers) may come in",
    "log_statement of the parameter group quarantine-pg16 is ddl: set it to none",
    "rds.force_ssl of the parameter group quarantine-pg16 is 0: set it to 1",
    "shared_preload_libraries of the parameter group quarantine-pg16 has pg_cron, which runs jobs",
];

const WORLD: World = World { wires: false, snapshot: true, targets: false };

#[tokio::test(start_paused = true)]
async fn no_copy_is_restored_into_a_quarantine_that_is_open_or_tells() {
    let (sandbox, _) = WORLD.start(Options::model(1)).await;
    open(&sandbox).await;
    sync(&sandbox, "open").await.failed("Refused").says(&SAID);
    assert_eq!(calls(&sandbox, "restore-quarantine", "RestoreDBClusterFromSnapshot"), 0);
}

#[tokio::test(start_paused = true)]
async fn groups_that_are_not_there_are_refused_before_there_is_a_copy() {
    let policy = sandbox::environments::example_policy().unwrap();
    for (name, other, words) in [
        ("sg-quarantine", "sg-gone", "EC2 does not know the security group sg-gone"),
        ("quarantine-pg16", "gone-pg16", "the parameter group gone-pg16 cannot be read"),
    ] {
        let (sandbox, _) = WORLD.start(Options::model(1)).await;
        assert!(policy.contains(name));
        let text = policy.replace(name, other).into_bytes();
        let store = sandbox::orders::context(&sandbox).store;
        store.put(runbook::daily_sync::POLICY_KEY, "application/yaml", text).await.unwrap();
        sync(&sandbox, "gone").await.failed("Refused").says(&[words]);
        assert_eq!(calls(&sandbox, "restore-quarantine", "RestoreDBClusterFromSnapshot"), 0);
    }
}

/// It is opened when the copy stands there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_whose_quarantine_was_opened_is_not_attested() {
    let (sandbox, _) = WORLD.start(Options::real()).await;
    let input = serde_json::json!({ "sync": "orders" });
    let execution = sandbox.start_execution("daily-sync", "opened", &input).await.unwrap();
    while calls(&sandbox, "restore-quarantine", "CreateDBInstance") == 0 {
        sandbox.clock.sleep(std::time::Duration::from_secs(20)).await;
        let status =
            sandbox.sfn().describe_execution().execution_arn(&execution).send().await.unwrap().status;
        assert_eq!(status.as_str(), "RUNNING");
    }
    open(&sandbox).await;
    ended(&sandbox, execution).await.failed("OperationFailed").says(&SAID);
    assert_eq!(sandbox.s3.list(BUCKET, "attestations/"), Vec::<String>::new());
    assert_eq!(calls(&sandbox, "snapshot-sanitized", "CreateDBClusterSnapshot"), 0);
}
