//! A restored copy of a subscriber would take production's replication slot within seconds, and
//! production would miss what the copy received. In quarantine it does not.

use std::{sync::Arc, time::Duration};

use sandbox::{
    environments::QUARANTINE,
    postgres::{PostgresEngine, install},
    rds::engine::{Engine, NewCluster, Parameters},
};

const PASSWORD: &str = "production-password";

struct World {
    engine: Arc<PostgresEngine>,
}

impl World {
    async fn create(&self, id: &str, port: u16) {
        let parameters = Parameters::from([("rds.logical_replication".to_owned(), "1".to_owned())]);
        let new = NewCluster {
            resource_id: id,
            engine_version: "16.14",
            master_username: "postgres",
            master_password: PASSWORD,
            database_name: Some("shop"),
            port,
            parameters: &parameters,
        };
        self.engine.create(new).await.expect("a cluster");
        self.run(id, "CREATE TABLE t (id int PRIMARY KEY)").await;
    }

    async fn run(&self, id: &str, sql: &str) {
        self.engine
            .connect(id, "rdsadmin", "shop")
            .await
            .unwrap()
            .batch_execute(sql)
            .await
            .unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    }

    async fn ask(&self, id: &str, sql: &str) -> i64 {
        self.engine.connect(id, "rdsadmin", "shop").await.unwrap().query_one(sql, &[]).await.unwrap().get(0)
    }

    /// Whether someone reads production's slot, at any time of that long.
    async fn slot_is_taken_within(&self, wait: Duration) -> bool {
        let until = tokio::time::Instant::now() + wait;
        while tokio::time::Instant::now() < until {
            if self.ask("publisher", "SELECT count(*) FROM pg_replication_slots WHERE active").await > 0 {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        false
    }

    async fn wait_for_the_slot_to_be_free(&self) {
        for _ in 0..100 {
            if self.ask("publisher", "SELECT count(*) FROM pg_replication_slots WHERE active").await == 0 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("the slot is still in use");
    }
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_of_a_subscriber_steals_productions_slot_but_not_in_quarantine() {
    let engine =
        PostgresEngine::new(install().await.expect("PostgreSQL is there"), runbook::clock::Clock::System)
            .expect("an engine");
    let world = World { engine: engine.clone() };
    let publisher = free_port();
    world.create("publisher", publisher).await;
    world.create("subscriber", free_port()).await;
    world.run("publisher", "CREATE PUBLICATION prod_pub FOR TABLE t; INSERT INTO t VALUES (1)").await;
    let subscribe = format!(
        "CREATE SUBSCRIPTION prod_sub CONNECTION 'host=127.0.0.1 port={publisher} dbname=shop user=postgres \
        password={PASSWORD}' PUBLICATION prod_pub"
    );
    // The table belongs to the superuser who made it; the subscriber's worker reads it as the
    // master.
    world.run("publisher", "GRANT SELECT ON t TO postgres").await;
    world.run("subscriber", &subscribe).await;
    assert!(
        world.slot_is_taken_within(Duration::from_secs(10)).await,
        "production's own subscriber does not connect"
    );
    engine.snapshot("subscriber", "night").await.unwrap();
    engine.stop("subscriber").await.unwrap();
    world.wait_for_the_slot_to_be_free().await;

    // With production's parameters the copy connects to production: what this is about.
    let loud = Parameters::from([("rds.logical_replication".to_owned(), "1".to_owned())]);
    engine.restore("night", "loud", free_port(), &loud).await.unwrap();
    engine.start("loud").await.unwrap();
    assert!(world.slot_is_taken_within(Duration::from_secs(15)).await, "the copy did not even try");
    engine.delete("loud").await.unwrap();
    world.wait_for_the_slot_to_be_free().await;

    let quiet: Parameters =
        QUARANTINE.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    engine.restore("night", "quiet", free_port(), &quiet).await.unwrap();
    engine.start("quiet").await.unwrap();
    assert!(
        !world.slot_is_taken_within(Duration::from_secs(8)).await,
        "the copy in quarantine took production's slot"
    );

    // Production's subscriber finds its slot and gets its row.
    world.run("publisher", "INSERT INTO t VALUES (2)").await;
    engine.start("subscriber").await.unwrap();
    for _ in 0..100 {
        if world.ask("subscriber", "SELECT count(*) FROM t WHERE id = 2").await == 1 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("production's subscriber misses a row");
}
