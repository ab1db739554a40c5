//! A quarantine that is not set up as docs/policy.md says, on real PostgreSQL.

use sandbox::{Options, orders::set_cluster_values, rds::network::ANYWHERE, sandbox::BUCKET};

use crate::harness::{World, calls, sync};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_quarantine_that_is_open_or_tells_is_never_attested() {
    let (sandbox, _) = World { wires: false, snapshot: true, targets: false }.start(Options::real()).await;
    sandbox.rds.allow_out("sg-quarantine", ANYWHERE);
    sandbox.rds.allow("sg-quarantine", "sg-app");
    let values = [
        ("log_statement", "ddl"),
        ("rds.force_ssl", "0"),
        ("shared_preload_libraries", "pg_stat_statements,pg_cron"),
    ];
    set_cluster_values(&sandbox.rds_client(), "quarantine-pg16", &values).await.unwrap();
    let ended = sync(&sandbox, "open").await.failed("OperationFailed");
    ended.says(&[
        "5 things are wrong",
        "the security group sg-quarantine lets out everything to 0.0.0.0/0: delete this outbound rule",
        "the security group sg-quarantine lets in tcp 5432 from sg-app: delete this inbound rule, for only \
        the workers (sg-workers) may come in",
        "log_statement of the parameter group quarantine-pg16 is ddl: set it to none",
        "rds.force_ssl of the parameter group quarantine-pg16 is 0: set it to 1",
        "shared_preload_libraries of the parameter group quarantine-pg16 has pg_cron, which runs jobs",
    ]);
    assert_eq!(sandbox.s3.list(BUCKET, "attestations/"), Vec::<String>::new());
    assert_eq!(calls(&sandbox, "snapshot-sanitized", "CreateDBClusterSnapshot"), 0);
}
