//! What a worker runs on PostgreSQL when its token is spent, when it is not heard, and when it gets
//! SIGTERM, in this process and as the shipped executable: it is canceled.

use std::{sync::Arc, time::Duration};

use runbook::{
    Context,
    postgres::{self, Tls},
    worker::{self, Ending},
};
use sandbox::{
    Sandbox,
    faults::{Fault, Kind},
    orders,
    sandbox::BUCKET,
};
use serde_json::json;
use tokio::sync::Notify;

use super::held;
use crate::harness::to_18;

const WORKER: &str = "inspect-databases";
/// A statement that nothing but a cancel ends in time.
const LONG: &str = "SELECT pg_sleep(300)";

pub async fn what_a_lost_worker_runs_is_canceled(sandbox: &Sandbox, id: &str) {
    for (how, ending) in [("spent", Ending::Fenced), ("stopped", Ending::Failed), ("unheard", Ending::Failed)]
    {
        held::lay(sandbox, WORKER, 1);
        let arn = sandbox.start_execution("major-upgrade", how, &to_18()).await.unwrap();
        let token = held::token(sandbox, WORKER, &arn).await;
        let cx = Context::new(&sandbox.sdk(WORKER), sandbox.clock, BUCKET.to_owned(), Tls::Disable);
        let login = orders::login(sandbox).await.unwrap();
        let work = async {
            let client = postgres::connect(&cx, &login, "shop").await?;
            client.batch_execute(LONG).await.map_err(|error| postgres::query_failed("sleep", &error))?;
            Ok(json!({}))
        };
        let stop = Arc::new(Notify::new());
        let happens = async {
            until(sandbox, id, 1).await;
            match how {
                "spent" => {
                    sandbox.sfn().stop_execution().execution_arn(&arn).send().await.unwrap();
                }
                "unheard" => {
                    let lost = Fault::once(Kind::TimeoutBefore, "states", "SendTaskHeartbeat");
                    sandbox.gateway.lay(lost.by(WORKER).times(1000));
                }
                _ => stop.notify_one(),
            }
            std::future::pending::<()>().await;
        };
        let ended = tokio::select! {
            ended = worker::run(&cx, &token, None, work, stop.notified()) => ended,
            () = happens => unreachable!("it waits for the worker"),
        };
        assert_eq!(ended, ending, "{how}");
        until(sandbox, id, 0).await;
        if how != "spent" {
            sandbox.sfn().stop_execution().execution_arn(&arn).send().await.unwrap();
        }
        assert_eq!(sandbox.wait(&arn).await.unwrap().status().as_str(), "ABORTED");
    }
}

/// How many server processes run or wait for something in the shop, of the workers'.
async fn until(sandbox: &Sandbox, id: &str, number: i64) {
    let admin = sandbox.engine.as_ref().unwrap().connect(id, "rdsadmin", "rdsadmin").await.unwrap();
    let sql = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'aurora-runbooks' \
               AND datname = 'shop' AND state = 'active'";
    for _ in 0..1000 {
        if admin.query_one(sql, &[]).await.unwrap().get::<_, i64>(0) == number {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("there never are {number} statements of workers");
}

/// The shipped worker waits for a lock when it gets SIGTERM: it says so, and another one goes on.
pub async fn a_worker_that_gets_sigterm_says_so_and_another_one_goes_on(sandbox: &Sandbox, id: &str) {
    let other = sandbox.engine.as_ref().unwrap().connect(id, "rdsadmin", "shop").await.unwrap();
    other.batch_execute("BEGIN; LOCK TABLE pg_publication IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let arn = sandbox.start_execution("major-upgrade", "terminated", &to_18()).await.unwrap();
    until(sandbox, id, 1).await;
    let before = workers(sandbox);
    assert!(sandbox.ecs.terminate(WORKER));
    other.batch_execute("ROLLBACK").await.unwrap();
    while sandbox.ecs.tasks()[before - 1].exit_code.is_none() {
        sandbox.clock.sleep(Duration::from_secs(5)).await;
    }
    assert_eq!(sandbox.ecs.tasks()[before - 1].exit_code, Some(Ending::Failed.exit_code()));
    while workers(sandbox) == before {
        sandbox.clock.sleep(Duration::from_secs(5)).await;
    }
    let history = sandbox.sfn().get_execution_history().execution_arn(&arn);
    let history = history.max_results(1000).send().await.unwrap();
    let mut failures = history.events().iter().filter_map(|event| event.task_failed_event_details());
    let said = failures.any(|failure| failure.cause().is_some_and(|cause| cause.contains("SIGTERM")));
    assert!(said, "{:?}", history.events());
    sandbox.sfn().stop_execution().execution_arn(&arn).send().await.unwrap();
}

fn workers(sandbox: &Sandbox) -> usize {
    sandbox.ecs.tasks().len()
}
