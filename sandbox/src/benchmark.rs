//! How fast masking is, against UPDATE on a copy of the same table, in one run on one server.

use anyhow::Context as _;
use policy::Masking;
use runbook::{
    Context,
    clock::Clock,
    postgres::{Login, Tls},
};
use serde_json::json;
use workers::daily_sync::sanitize_databases::{benchmark::compare, look, sessions::Sessions};

use crate::{
    orders,
    postgres::{PostgresEngine, install},
    rds::engine::{Engine, NewCluster, Parameters},
};

const ID: &str = "benchmark";
const PASSWORD: &str = "benchmark";
const KEY: &str = "a key of the benchmark, 32 bytes or more";

/// Twelve columns, six of them masked, a primary key, a unique and three other indexes.
const PEOPLE: &str = "CREATE TABLE people (
    id bigint PRIMARY KEY, email text NOT NULL UNIQUE, name text NOT NULL, phone text, street text,
    born date, note text,
    city text, country text, plan text, score int, created_at timestamptz NOT NULL);
  INSERT INTO people SELECT i, format('person.%s@mail.example', i), 'Person ' || i, '+49 30 ' || i,
    'Street ' || i, date '1950-01-01' + i % 20000, repeat('a remark about somebody ', 1 + i % 5),
    'City ' || i % 100, 'DE', 'basic', i % 1000, now() FROM generate_series(1, $ROWS) i;
  CREATE INDEX ON people (name); CREATE INDEX ON people (city); CREATE INDEX ON people (created_at);
  ANALYZE people";

pub async fn masking(rows: u32) -> anyhow::Result<()> {
    let engine = PostgresEngine::new(install().await?, Clock::System)?;
    let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let parameters = Parameters::from([("max_wal_size".to_owned(), "4096".to_owned())]);
    let (engine_version, master_username, database_name) = ("16.14", "postgres", Some("shop"));
    engine
        .create(NewCluster {
            resource_id: ID,
            engine_version,
            master_username,
            master_password: PASSWORD,
            database_name,
            port,
            parameters: &parameters,
        })
        .await?;
    let login =
        Login { host: "127.0.0.1".into(), port, user: master_username.into(), password: PASSWORD.into() };
    orders::connect(&login, "shop").await?.batch_execute(&PEOPLE.replace("$ROWS", &rows.to_string())).await?;

    let columns = json!({
        "id": "keep", "email": "email", "name": "name", "phone": "phone", "street": "address",
        "born": { "rule": "date-shift", "days": 30 }, "note": "free-text", "city": "keep",
        "country": "keep", "plan": "keep", "score": "keep", "created_at": "keep",
    });
    let databases = json!({ "shop": { "public.people": columns } });
    let masking: Masking = serde_json::from_value(json!({ "key-secret": "none", "databases": databases }))?;
    let config =
        aws_config::SdkConfig::builder().behavior_version(aws_config::BehaviorVersion::v2026_01_12()).build();
    let cx = Context::new(&config, Clock::System, String::new(), Tls::Disable);
    let sessions = Sessions { cx: &cx, login: &login };
    let (plans, _) = look(&sessions, &masking).await?;
    let people = plans
        .iter()
        .flat_map(|plan| &plan.tables)
        .find(|plan| plan.table.name.table == "people")
        .context("no plan for the table")?;
    let client = sessions.open_with_key("shop", KEY).await?;
    println!(
        "{rows} rows, 12 columns, 6 masked, 5 indexes; one connection; three runs, each way on a fresh copy:"
    );
    for _ in 0..3 {
        let speed = compare(&client, people).await?;
        let per_second = |seconds: f64| speed.rows as f64 / seconds;
        println!(
            "  ALTER TABLE … USING {:>9.0} rows/s   UPDATE {:>9.0} rows/s   ratio {:.2}",
            per_second(speed.alter_seconds),
            per_second(speed.update_seconds),
            speed.update_seconds / speed.alter_seconds
        );
    }
    engine.delete(ID).await
}
