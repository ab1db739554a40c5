//! The same on real PostgreSQL: one pair of servers after the other, under one load.

use super::*;

/// A worker for each of the shop's databases, and for the two that every server has.
const PARAMETERS: [(&str, &str); 2] =
    [("rds.logical_replication", "1"), ("max_logical_replication_workers", "6")];

/// The cluster with the shop inside, and how an application logs in to it.
async fn shop() -> (World, Login) {
    let options = Options { executables: false, ..Options::real() };
    let world = World::with(options, &PARAMETERS).await;
    let shown = loop {
        let shown = world.shown(BLUE).await.unwrap();
        let members = world.rds.describe_db_instances().send().await.unwrap();
        let up = members.db_instances().iter().filter(|one| one.db_instance_status() == Some("available"));
        if up.count() == 2 {
            break shown;
        }
        world.pass(10).await;
    };
    let login = Login {
        host: shown.endpoint().unwrap().to_owned(),
        port: u16::try_from(shown.port().unwrap()).unwrap(),
        user: "root".to_owned(),
        password: "long-enough".to_owned(),
    };
    load_shop(&orders::connection_string(&login)).await.unwrap();
    Load::prepare(&login, "shop").await.unwrap();
    (world, login)
}

async fn resource_id(world: &World, cluster: &str) -> String {
    world.shown(cluster).await.unwrap().db_cluster_resource_id().unwrap().to_owned()
}

async fn delete(world: &World, id: &str, with_target: Option<bool>) {
    let delete = world.rds.delete_blue_green_deployment().blue_green_deployment_identifier(id);
    delete.set_delete_target(with_target).send().await.unwrap();
    while world.look(id).await.is_some() {
        world.pass(5).await;
    }
}

/// Asks until it is so, for ten seconds.
async fn until(client: &tokio_postgres::Client, sql: &str) {
    for _ in 0..500 {
        if client.query_one(sql, &[]).await.unwrap().get(0) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("it never was so: {sql}");
}

async fn refused(client: &tokio_postgres::Client, sql: &str) -> Option<SqlState> {
    client.execute(sql, &[]).await.unwrap_err().code().cloned()
}

const INSERT: &str = "INSERT INTO writes (number) VALUES (-1)";

/// Green has every row, takes statistics, and no write.
async fn green_follows(world: &World, id: &str, blue: &tokio_postgres::Client) {
    let engine = world.sandbox.engine.clone().unwrap();
    let green = resource_id(world, &name(world.look(id).await.unwrap().target())).await;
    assert_eq!(engine.major(&resource_id(world, BLUE).await).unwrap(), 16);
    assert_eq!(engine.major(&green).unwrap(), 18);
    let green = engine.connect(&green, "root", "shop").await.unwrap();
    let rows: i64 = blue.query_one("SELECT count(*) FROM writes", &[]).await.unwrap().get(0);
    assert!(rows > 0);
    until(&green, &format!("SELECT count(*) >= {rows} FROM writes")).await;
    assert_eq!(refused(&green, INSERT).await, Some(SqlState::READ_ONLY_SQL_TRANSACTION));
    green.batch_execute("ANALYZE").await.unwrap();
}

#[tokio::test]
async fn no_acknowledged_write_is_lost_over_a_switchover_of_real_servers_and_ddl_prevents_one() {
    let (world, login) = shop().await;
    let load = Load::start(&login, "shop", 4, Duration::from_millis(10));
    let blue = orders::connect(&login, "shop").await.unwrap();

    // The first deployment is spoilt by rows that do not fit.
    let id = world.created("shop-to-18").await;
    green_follows(&world, &id, &blue).await;
    blue.batch_execute("CREATE TABLE no_key (a int); INSERT INTO no_key VALUES (1)").await.unwrap();
    let no_key = refused(&blue, "UPDATE no_key SET a = 2").await;
    assert_eq!(no_key, Some(SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE), "PostgreSQL's own rule");
    blue.batch_execute("ALTER TABLE writes ADD COLUMN extra int DEFAULT 1").await.unwrap();
    until(&blue, "SELECT NOT bool_and(active) FROM pg_replication_slots").await;
    world.canceled(&id, "degraded").await;
    delete(&world, &id, Some(true)).await;
    let left = "SELECT (SELECT count(*) FROM pg_replication_slots) + (SELECT count(*) FROM pg_publication)";
    until(&blue, &format!("SELECT ({left}) = 0")).await;
    assert_eq!(load.seen().outages.len(), 0, "production has noticed nothing");

    // A definition alone is noticed, too; as it was before, all goes well.
    let id = world.created("shop-to-18").await;
    blue.batch_execute("CREATE INDEX spoils ON writes (written_at)").await.unwrap();
    world.canceled(&id, "DDL or large object changes").await;
    blue.batch_execute("DROP INDEX spoils").await.unwrap();
    world.switch(&id).await;
    world.until(&id, "SWITCHOVER_COMPLETED").await;
    let over = load.seen().acknowledged.len();
    tokio::time::sleep(Duration::from_millis(500)).await;
    let seen = load.stop();
    assert!(seen.acknowledged.len() > over, "writes go on");

    // By the name that the application knows.
    let new = orders::connect(&login, "shop").await.unwrap();
    until(&new, "SELECT current_setting('server_version_num')::int >= 180000").await;
    let found = new.query("SELECT number FROM writes", &[]).await.unwrap();
    let found: BTreeSet<i64> = found.iter().map(|row| row.get(0)).collect();
    let lost: Vec<_> = seen.acknowledged.iter().filter(|number| !found.contains(number)).collect();
    assert!(lost.is_empty(), "{} of {} are lost: {lost:?}", lost.len(), seen.acknowledged.len());
    let outage = seen.longest();
    println!("{} writes, all found; away for {:?}: {outage:?}", seen.acknowledged.len(), outage.whole());
    assert!(outage.whole() > Duration::ZERO && outage.whole() < Duration::from_secs(20), "{outage:?}");
    until(&new, "SELECT last_value >= (SELECT max(id) FROM writes) FROM writes_id_seq").await;
    until(&new, "SELECT count(*) = 0 FROM pg_subscription").await;

    // What is behind -old1 is read-only until the deployment has gone.
    let old = world.shown("shop-old1").await.unwrap();
    let old = Login { host: old.endpoint().unwrap().to_owned(), ..login.clone() };
    let session = orders::connect(&old, "shop").await.unwrap();
    assert_eq!(refused(&session, INSERT).await, Some(SqlState::READ_ONLY_SQL_TRANSACTION));
    delete(&world, &id, None).await;
    orders::connect(&old, "shop").await.unwrap().execute(INSERT, &[]).await.unwrap();
}
