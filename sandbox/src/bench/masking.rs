//! How fast masking is, against UPDATE and VACUUM FULL on the same table, in one run on one server.

use std::time::Instant;

use policy::Masking;
use runbook::{clock::Clock, postgres::Tls};
use serde_json::json;

use super::{ID, server};
use crate::{
    orders,
    postgres::{PostgresEngine, install},
    rds::engine::{Engine, Parameters},
    trial::{Trial, programs},
};

const KEY: &str = "a key of the benchmark, 32 bytes or more";
const RUNS: usize = 3;

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

/// What a person would type, with no key and no promise of uniqueness; and what it takes to have no
/// dead row with an original value left.
const UPDATE: &str = "UPDATE people SET email = 'u' || md5(email) || '@example.com', name = md5(name),
    phone = '+' || translate(md5(phone), 'abcdef', '012345'), street = md5(street) || ' Street 1',
    born = born + (('x' || left(md5(born::text), 4))::bit(16)::int % 30), note = repeat(md5(note), 3)";

pub async fn run(rows: u32) -> anyhow::Result<()> {
    let installs = install().await?;
    let programs = programs(&installs);
    let engine = PostgresEngine::new(installs, Clock::System)?;
    let parameters = Parameters::from([("max_wal_size".to_owned(), "4096".to_owned())]);
    let login = server(&engine, "16.14", "shop", &parameters).await?;
    let people = PEOPLE.replace("$ROWS", &rows.to_string());
    let columns = json!({
        "id": "keep", "email": "email", "name": "name", "phone": "phone", "street": "address",
        "born": { "rule": "date-shift", "days": 30 }, "note": "free-text", "city": "keep",
        "country": "keep", "plan": "keep", "score": "keep", "created_at": "keep",
    });
    let databases = json!({ "shop": { "public.people": columns } });
    let masking: Masking = serde_json::from_value(json!({ "key-secret": "none", "databases": databases }))?;
    println!("{rows} rows, 12 columns, 6 masked, 5 indexes; each way on a fresh table, {RUNS} times:");
    for _ in 0..RUNS {
        let fresh = format!("DROP TABLE IF EXISTS people; {people}");
        orders::connect(&login, "shop").await?.batch_execute(&fresh).await?;
        let trial = Trial::new(login.clone(), Tls::Disable, programs.clone())?;
        let began = Instant::now();
        trial.mask(&masking, &[], KEY).await?;
        let ours = began.elapsed().as_secs_f64();

        let client = orders::connect(&login, "shop").await?;
        client.batch_execute(&fresh).await?;
        let began = Instant::now();
        client.batch_execute(UPDATE).await?;
        client.batch_execute("VACUUM FULL people").await?;
        client.batch_execute("ANALYZE people").await?;
        let update = began.elapsed().as_secs_f64();
        let per_second = |seconds: f64| f64::from(rows) / seconds;
        println!(
            "  database made again {:>9.0} rows/s   UPDATE, VACUUM FULL {:>9.0} rows/s   ratio {:.2}",
            per_second(ours),
            per_second(update),
            update / ours
        );
    }
    engine.delete(ID).await
}
