//! Who reaches a cluster of the sandbox, by trying, on real PostgreSQL.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use runbook::{aurora, postgres::Login};
use sandbox::{
    Options, Sandbox, environments, orders, production,
    rds::network::{ANYWHERE, INTERNET, WORKERS},
};
use tokio::net::TcpSocket;
use tokio_postgres::NoTls;

/// A query as a client in that place makes it.
async fn try_from(sandbox: &Sandbox, place: &str, login: &Login) -> Result<i32, String> {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::new(sandbox.rds.place(place), 0)).unwrap();
    let stream = socket
        .connect(SocketAddr::new(login.host.parse().unwrap(), login.port))
        .await
        .map_err(|error| error.to_string())?;
    let mut config = tokio_postgres::Config::new();
    config.user(&login.user).password(&login.password).dbname("postgres");
    let (client, connection) = config.connect_raw(stream, NoTls).await.map_err(|error| error.to_string())?;
    let connection = tokio::spawn(connection);
    let one = client.query_one("SELECT 1", &[]).await.map_err(|error| error.to_string())?.get(0);
    drop(client);
    let _ = connection.await;
    Ok(one)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_whom_a_rule_lets_in_gets_an_answer() {
    let sandbox = Sandbox::start(Options::real()).await.unwrap();
    environments::create(&sandbox, None).await.unwrap();
    environments::create_targets(&sandbox).await.unwrap();
    let cx = orders::context(&sandbox);
    let dev = aurora::cluster(&cx, environments::DEV).await.unwrap();
    let login = aurora::read_login(&cx, &dev, None).await.unwrap();
    assert_eq!(try_from(&sandbox, WORKERS, &login).await, Ok(1));
    assert_eq!(try_from(&sandbox, "sg-dev-clients", &login).await, Ok(1));
    for stranger in ["sg-support-clients", "sg-quarantine", INTERNET] {
        let began = Instant::now();
        assert!(try_from(&sandbox, stranger, &login).await.is_err(), "{stranger} got in");
        assert!(began.elapsed() < Duration::from_secs(1), "{stranger} waited");
    }
    // Open to the world by its group, and still not public.
    sandbox.rds.allow("sg-dev", ANYWHERE);
    assert_eq!(try_from(&sandbox, "sg-support-clients", &login).await, Ok(1));
    assert!(try_from(&sandbox, INTERNET, &login).await.is_err());
    let modify = sandbox
        .rds_client()
        .modify_db_instance()
        .db_instance_identifier("orders-dev-1")
        .publicly_accessible(true);
    modify.send().await.unwrap();
    assert_eq!(try_from(&sandbox, INTERNET, &login).await, Ok(1));

    // A stopped server answers nobody, at once; started again it has the same endpoint.
    sandbox.rds_client().stop_db_cluster().db_cluster_identifier(environments::DEV).send().await.unwrap();
    wait_for(&cx, "stopped").await;
    let began = Instant::now();
    assert!(try_from(&sandbox, WORKERS, &login).await.is_err());
    assert!(began.elapsed() < Duration::from_secs(1));
    sandbox.rds_client().start_db_cluster().db_cluster_identifier(environments::DEV).send().await.unwrap();
    wait_for(&cx, "available").await;
    assert_eq!(try_from(&sandbox, WORKERS, &login).await, Ok(1));
}

async fn wait_for(cx: &runbook::Context, status: &str) {
    for _ in 0..60 {
        if aurora::cluster(cx, environments::DEV).await.unwrap().status.to_string() == status {
            return;
        }
        cx.clock.sleep(Duration::from_secs(10)).await;
    }
    panic!("{} is never {status}", environments::DEV);
}

/// The whole way of production's data into quarantine, on real servers: what stands there opens to
/// its own password only.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restore_across_accounts_answers_to_the_snapshots_password_until_the_new_one_is_in_force() {
    let sandbox = Sandbox::start(Options::real()).await.unwrap();
    production::create(&sandbox).await.unwrap();
    let snapshot = production::take_snapshot(&sandbox).await.unwrap();
    environments::create(&sandbox, None).await.unwrap();
    let owner = sandbox.rds_client_in(sandbox::aws::PRODUCTION);
    let copy = owner.copy_db_cluster_snapshot().source_db_cluster_snapshot_identifier(snapshot);
    let copy = copy
        .target_db_cluster_snapshot_identifier("copy")
        .kms_key_id("alias/aurora-runbooks-sync")
        .send()
        .await
        .unwrap();
    let arn = copy.db_cluster_snapshot.unwrap().db_cluster_snapshot_arn.unwrap();
    sandbox.clock.sleep(Duration::from_secs(180)).await;
    let share = owner
        .modify_db_cluster_snapshot_attribute()
        .db_cluster_snapshot_identifier("copy")
        .attribute_name("restore");
    share.values_to_add(sandbox::aws::ACCOUNT).send().await.unwrap();

    let (rds, cx) = (sandbox.rds_client(), orders::context(&sandbox));
    let restore =
        rds.restore_db_cluster_from_snapshot().db_cluster_identifier("quarantine").snapshot_identifier(&arn);
    let restore = restore
        .engine("aurora-postgresql")
        .engine_version(production::VERSION)
        .vpc_security_group_ids("sg-quarantine");
    restore
        .db_subnet_group_name("quarantine")
        .db_cluster_parameter_group_name("quarantine-pg16")
        .send()
        .await
        .unwrap();
    orders::wait_available(&cx, "quarantine").await.unwrap();
    let create =
        rds.create_db_instance().db_instance_identifier("quarantine-1").db_cluster_identifier("quarantine");
    create.engine("aurora-postgresql").db_instance_class("db.r6g.large").send().await.unwrap();
    orders::wait_available(&cx, "quarantine").await.unwrap();

    let of_production = production::login(&sandbox).await.unwrap();
    let cluster = aurora::cluster(&cx, "quarantine").await.unwrap();
    let (host, port) =
        (cluster.shown.endpoint().unwrap().to_owned(), u16::try_from(cluster.shown.port().unwrap()).unwrap());
    let stolen =
        Login { host, port, user: of_production.user.clone(), password: of_production.password.clone() };
    assert_eq!(try_from(&sandbox, WORKERS, &stolen).await, Ok(1), "production's password opens it");
    assert!(try_from(&sandbox, "sg-dev-clients", &stolen).await.is_err());
    let client = orders::connect(&stolen, "shop").await.unwrap();
    let workers: String = client.query_one("SHOW max_logical_replication_workers", &[]).await.unwrap().get(0);
    assert_eq!(workers, "0");
    let rows: i64 = client.query_one("SELECT count(*) FROM customers", &[]).await.unwrap().get(0);
    assert!(rows > 0);
    drop(client);

    // Accepted is not in force.
    rds.modify_db_cluster()
        .db_cluster_identifier("quarantine")
        .manage_master_user_password(true)
        .send()
        .await
        .unwrap();
    assert_eq!(try_from(&sandbox, WORKERS, &stolen).await, Ok(1));
    sandbox.clock.sleep(Duration::from_secs(120)).await;
    assert!(try_from(&sandbox, WORKERS, &stolen).await.is_err());
    let cluster = aurora::cluster(&cx, "quarantine").await.unwrap();
    assert_eq!(
        try_from(&sandbox, WORKERS, &aurora::read_login(&cx, &cluster, None).await.unwrap()).await,
        Ok(1)
    );
}
