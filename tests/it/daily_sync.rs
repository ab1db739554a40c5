//! daily-sync on real PostgreSQL, with the shipped executables, from production's account into two
//! environments of another.

use std::{
    collections::BTreeSet,
    net::SocketAddr,
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use aho_corasick::AhoCorasick;
use runbook::postgres::Login;
use sandbox::{
    Options, Sandbox,
    aws::{ACCOUNT, PRODUCTION},
    environments::{self, DEV, SUPPORT},
    orders, production,
    rds::network::INTERNET,
    sandbox::BUCKET,
};
use serde_json::{Value, json};
use tokio::net::TcpSocket;
use tokio_postgres::{Config, NoTls};

use crate::harness::{World, ended, sync};

/// Production with every live wire planted.
async fn world() -> (Sandbox, String) {
    World { wires: true, ..World::WHOLE }.start(Options::real()).await
}

/// Every cluster of the environments' account: identifier, resource id, endpoint.
async fn clusters(sandbox: &Sandbox) -> Vec<(String, String, Option<SocketAddr>)> {
    let answer = sandbox.rds_client().describe_db_clusters().send().await.unwrap();
    let clusters = answer.db_clusters.unwrap_or_default().into_iter();
    clusters
        .map(|cluster| {
            let address = cluster.endpoint().and_then(|host| host.parse().ok());
            let port = cluster.port().and_then(|port| u16::try_from(port).ok());
            (
                cluster.db_cluster_identifier.unwrap_or_default(),
                cluster.db_cluster_resource_id.unwrap_or_default(),
                address.zip(port).map(|(address, port)| SocketAddr::new(address, port)),
            )
        })
        .collect()
}

async fn opens(login: &Login, database: &str) -> bool {
    tokio::time::timeout(Duration::from_secs(3), orders::connect(login, database))
        .await
        .is_ok_and(|session| session.is_ok())
}

/// Tries to connect from a place in the network, with a login that is right.
async fn reaches(sandbox: &Sandbox, from: &str, login: &Login) -> bool {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::new(sandbox.rds.place(from), 0)).unwrap();
    let Ok(stream) = socket.connect(SocketAddr::new(login.host.parse().unwrap(), login.port)).await else {
        return false;
    };
    let mut config = Config::new();
    config.user(&login.user).password(&login.password).dbname("postgres");
    let connecting = tokio::time::timeout(Duration::from_secs(3), config.connect_raw(stream, NoTls)).await;
    connecting.is_ok_and(|connected| connected.is_ok())
}

/// Looks all the time, while a run goes on, for what never may happen.
struct Guard {
    task: tokio::task::JoinHandle<()>,
    violations: Arc<Mutex<BTreeSet<String>>>,
    looks: Arc<Mutex<u32>>,
}

impl Guard {
    /// Ends the watch.
    #[track_caller]
    fn saw_nothing(self) {
        self.task.abort();
        assert_eq!(*self.violations.lock().unwrap(), BTreeSet::new());
        assert!(*self.looks.lock().unwrap() > 20, "nobody looked");
    }
}

fn guard(sandbox: &Arc<Sandbox>, passwords: Vec<(String, String)>) -> Guard {
    let (seen, looks) = (Arc::new(Mutex::new(BTreeSet::new())), Arc::new(Mutex::new(0)));
    let (sandbox, violations, count) = (sandbox.clone(), seen.clone(), looks.clone());
    let task = tokio::spawn(async move {
        let yesterday: BTreeSet<String> = clusters(&sandbox).await.into_iter().map(|(_, id, _)| id).collect();
        loop {
            for (name, resource_id, endpoint) in clusters(&sandbox).await {
                let Some(endpoint) = endpoint.filter(|_| !yesterday.contains(&resource_id)) else { continue };
                for (user, password) in &passwords {
                    let login = Login {
                        host: endpoint.ip().to_string(),
                        port: endpoint.port(),
                        user: user.clone(),
                        password: password.clone(),
                    };
                    // The master's password is dead before the first instance; the other roles' die
                    // with the first cut in a quarantine that only the workers' place reaches.
                    let from_the_workers = user == "postgres" || !name.starts_with("quarantine-");
                    if from_the_workers && opens(&login, "postgres").await {
                        violations
                            .lock()
                            .unwrap()
                            .insert(format!("production's password of {user} opens {name}"));
                    }
                    for place in ["sg-dev", "sg-support", INTERNET] {
                        if reaches(&sandbox, place, &login).await {
                            violations
                                .lock()
                                .unwrap()
                                .insert(format!("production's password of {user} opens {name} from {place}"));
                        }
                    }
                }
                if name.starts_with("quarantine-")
                    && let Ok(login) = environments::login(&sandbox, &name).await
                {
                    for place in ["sg-dev", "sg-support", INTERNET] {
                        if reaches(&sandbox, place, &login).await {
                            violations.lock().unwrap().insert(format!("{place} reaches {name}"));
                        }
                    }
                }
            }
            *count.lock().unwrap() += 1;
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
    });
    Guard { task, violations: seen, looks }
}

async fn value(login: &Login, database: &str, sql: &str) -> String {
    let client =
        orders::connect(login, database).await.unwrap_or_else(|error| panic!("{database}: {error:#}"));
    client.query_one(sql, &[]).await.unwrap_or_else(|error| panic!("{sql}: {error}")).get(0)
}

/// What gives production's people away: the domains of all their addresses, and some whole values.
async fn raw_values(login: &Login) -> Vec<String> {
    let client = orders::connect(login, "shop").await.unwrap();
    let sql = "SELECT DISTINCT v
               FROM (SELECT '@' || split_part(email::text, '@', 2) AS v FROM customers
                     UNION ALL SELECT phone FROM customers WHERE id % 997 = 0
                     UNION ALL SELECT street FROM customers WHERE id % 997 = 0) x
               WHERE length(v) > 9";
    client.query(sql, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
}

/// Files in which one of the values stands, byte by byte; of a volume also its WAL, so no point in
/// time of it can bring a value back.
fn files_with(volume: &Path, values: &[String]) -> Vec<String> {
    // The tests are not optimised, and neither is what they call of the standard library.
    let search = AhoCorasick::new(values).unwrap();
    let mut found = Vec::new();
    let mut folders = vec![volume.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            // A file may go while the server runs.
            let Ok(bytes) = std::fs::read(&path) else { continue };
            if let Some(value) = search.find(&bytes) {
                found.push(format!("{} in {}", values[value.pattern().as_usize()], path.display()));
            }
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_targets_read_yesterdays_production_sanitised_and_a_new_column_stops_the_next_run() {
    let (sandbox, production_id) = world().await;
    let sandbox = Arc::new(sandbox);
    let engine = sandbox.engine.clone().unwrap();
    let production = production::login(&sandbox).await.unwrap();
    let raw = raw_values(&production).await;
    assert!(
        raw.len() > 10 && !files_with(&engine.volume(&production_id).unwrap(), &raw[..3]).is_empty(),
        "the look for raw values finds none where they are"
    );
    sandbox.rds.allow("sg-dev", "sg-dev");
    sandbox.rds.allow("sg-dev", "sg-workers");
    let passwords = vec![
        (production.user.clone(), production.password.clone()),
        ("shop_app".into(), "shop-app-password".into()),
        ("analyst".into(), "analyst-password".into()),
    ];
    assert!(
        opens(
            &Login { user: "shop_app".into(), password: "shop-app-password".into(), ..production.clone() },
            "shop"
        )
        .await
    );
    let guard = guard(&sandbox, passwords);

    let run = sync(&sandbox, "tuesday").await.succeeded();
    crate::report::is_of_a_real_sync(&sandbox, "tuesday");
    guard.saw_nothing();
    assert_eq!(run.states().iter().filter(|state| **state == "SwapTarget").count(), 2);

    // Both targets: the stable name, and the secret's host.
    let dev = environments::login(&sandbox, DEV).await.unwrap();
    let secret: Value =
        serde_json::from_str(&sandbox.secrets.value("orders-support/connection").unwrap()).unwrap();
    let names = clusters(&sandbox).await;
    let support = names
        .iter()
        .find(|(_, _, at)| {
            at.is_some_and(|at| secret["host"] == at.ip().to_string() && secret["port"] == at.port())
        })
        .expect("the secret leads to a cluster");
    assert!(
        support.0.starts_with(SUPPORT) && !names.iter().any(|(name, ..)| name.starts_with("quarantine-")),
        "{names:?}"
    );
    let support_login = environments::login(&sandbox, &support.0).await.unwrap();

    // The same data in both, and joined and counted as in production.
    for sql in [
        "SELECT count(*)::text FROM customers",
        "SELECT count(DISTINCT email)::text FROM customers",
        "SELECT count(*)::text FROM orders o JOIN customers c ON c.id = o.customer_id",
        "SELECT count(phone)::text FROM customers",
    ] {
        let expected = value(&production, "shop", sql).await;
        assert_eq!(
            (value(&dev, "shop", sql).await, value(&support_login, "shop", sql).await),
            (expected.clone(), expected),
            "{sql}"
        );
    }
    let sample =
        "SELECT string_agg(email::text || coalesce(phone, ''), ',' ORDER BY id) FROM customers WHERE id < 50";
    assert_eq!(value(&dev, "shop", sample).await, value(&support_login, "shop", sample).await);
    assert_ne!(value(&dev, "shop", sample).await, value(&production, "shop", sample).await);

    // Nothing raw in any file of a published volume.
    for login in [&dev, &support_login] {
        for database in ["shop", "billing", "customer-events"] {
            orders::connect(login, database).await.unwrap().batch_execute("CHECKPOINT").await.unwrap();
        }
    }
    for (name, resource_id, _) in
        clusters(&sandbox).await.iter().filter(|(name, ..)| name == DEV || *name == support.0)
    {
        assert_eq!(files_with(&engine.volume(resource_id).unwrap(), &raw), Vec::<String>::new(), "{name}");
    }

    // The environment's own: its kept row, its role with its grants, and who may come in.
    assert_eq!(value(&dev, "customer-events", "SELECT note FROM empty_so_far").await, "of the environment");
    let app: Value = serde_json::from_str(&sandbox.secrets.value("orders-dev/app").unwrap()).unwrap();
    let app = Login {
        user: app["username"].as_str().unwrap().into(),
        password: app["password"].as_str().unwrap().into(),
        ..dev.clone()
    };
    assert_eq!(value(&app, "shop", "SELECT (count(*) > 0)::text FROM customers").await, "true");
    assert!(
        !opens(&app, "billing").await
            || orders::connect(&app, "billing")
                .await
                .unwrap()
                .query("SELECT * FROM ledger.invoices", &[])
                .await
                .is_err()
    );
    assert!(
        reaches(&sandbox, "sg-dev", &dev).await
            && !reaches(&sandbox, "sg-support", &dev).await
            && !reaches(&sandbox, INTERNET, &dev).await
    );

    // Production saw nothing but reads and our own copy of a snapshot, which is gone again.
    for call in sandbox.gateway.calls().iter().filter(|call| {
        call.account == PRODUCTION && call.service == "rds" && call.mutates() && call.principal != "owner"
    }) {
        assert!(call.form.contains("sync-orders-"), "{} {} {}", call.principal, call.action, call.form);
    }
    // No password, no personal value in any object of the run, in any log or in the history.
    let mut secrets = raw.clone();
    secrets.extend([
        production.password.clone(),
        dev.password.clone(),
        app.password.clone(),
        "a key of the sandbox, 32 bytes or more".into(),
    ]);
    let search = AhoCorasick::new(&secrets).unwrap();
    for key in sandbox.s3.list(BUCKET, "") {
        let object = sandbox.s3.get(BUCKET, &key).unwrap();
        assert!(search.find(&object).is_none(), "{key} holds what it must not");
    }
    assert_eq!(files_with(&sandbox.logs, &secrets), Vec::<String>::new());
    let history =
        sandbox.sfn().get_execution_history().execution_arn(&run.arn).into_paginator().items().send();
    let history: Vec<_> = history.collect::<Result<_, _>>().await.unwrap();
    assert!(!search.is_match(&format!("{history:?}")), "the execution's history holds what it must not");

    // The next day production has a column that nobody has decided about.
    orders::connect(&production, "shop")
        .await
        .unwrap()
        .batch_execute("SET ROLE shop_owner; ALTER TABLE customers ADD COLUMN tax_number text")
        .await
        .unwrap();
    production::take_snapshot_at(&sandbox, sandbox.clock.now()).await.expect("the second snapshot is taken");
    let policy = environments::policy_with_wires().unwrap().replace("        window: 00:00-06:00\n", "");
    sandbox::orders::context(&sandbox)
        .store
        .put("policy.yaml", "application/yaml", policy.into_bytes())
        .await
        .unwrap();
    let before = clusters(&sandbox).await;
    let stopped = sync(&sandbox, "wednesday").await.failed("Blocked");
    stopped.says(&["customers", "tax_number"]);
    assert_eq!(
        clusters(&sandbox).await,
        before,
        "a failed run leaves the targets as they were, in account {ACCOUNT}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_killed_while_it_masks_is_started_again_and_nothing_raw_is_published() {
    let (sandbox, _) = world().await;
    let engine = sandbox.engine.clone().unwrap();
    let raw = raw_values(&production::login(&sandbox).await.unwrap()).await;
    let arn = sandbox.start_execution("daily-sync", "killed", &json!({ "sync": "orders" })).await.unwrap();
    let mut killed = BTreeSet::new();
    loop {
        for name in ["sanitize-databases", "attest-sanitized", "prepare-target"] {
            let running = sandbox.ecs.tasks().iter().any(|task| {
                task.last_status == "RUNNING" && task.command.first().is_some_and(|word| word == name)
            });
            if running && !killed.contains(name) {
                tokio::time::sleep(Duration::from_millis(900)).await;
                if sandbox.ecs.kill(name) {
                    killed.insert(name);
                }
            }
        }
        if sandbox.sfn().describe_execution().execution_arn(&arn).send().await.unwrap().status().as_str()
            != "RUNNING"
        {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    ended(&sandbox, arn).await.succeeded();
    assert!(killed.contains("sanitize-databases"), "nobody was killed in time: {killed:?}");
    let (_, resource_id, _) = clusters(&sandbox)
        .await
        .into_iter()
        .find(|(name, ..)| name == DEV)
        .expect("the stable name leads to a cluster");
    assert_eq!(files_with(&engine.volume(&resource_id).unwrap(), &raw), Vec::<String>::new());
}
