//! Where the queries are between the two looks at their plans: in the schema
//! `aurora_runbooks_plans` of each database of the clone, which pg_upgrade takes along. What the
//! run bucket holds never becomes SQL, so their texts are not there.
//!
//! The database `postgres` has a table of what was captured, written when all of it was.

use runbook::{
    Context, Error, Result,
    error::Then,
    postgres::{self, Login, query_failed},
    rehearse_upgrade::plans::Node,
};
use tokio_postgres::Client;

use super::explain::Explained;

pub struct Kept {
    pub number: i32,
    pub role: String,
    pub calls: i64,
    pub milliseconds: f64,
    pub text: Option<String>,
    pub before: Explained,
}

/// A session for the record, in which nothing of the database's own is run.
pub async fn session(cx: &Context, clone: &Login, database: &str) -> Result<Client> {
    let client = postgres::connect(cx, clone, database).await?;
    let set = "SET search_path = pg_catalog; SET default_transaction_read_only = off; \
               SET statement_timeout = '60s'; SET lock_timeout = '5s'; SET client_min_messages = warning";
    client.batch_execute(set).await.map_err(|error| query_failed("set up a session", &error))?;
    Ok(client)
}

/// Nothing is captured from here on until [`end`].
pub async fn begin(main: &Client) -> Result<()> {
    let begin = main.batch_execute(include_str!("sql/begin.sql")).await;
    begin.map_err(|error| postgres::failed("make the schema aurora_runbooks_plans on the clone", &error))
}

pub async fn end<'a>(
    main: &Client,
    databases: impl Iterator<Item = &'a String>,
    notes: &[String],
) -> Result<()> {
    let failed = |error: tokio_postgres::Error| query_failed("note what was captured", &error);
    main.batch_execute("BEGIN").await.map_err(failed)?;
    main.batch_execute(include_str!("sql/end.sql")).await.map_err(failed)?;
    let insert = "INSERT INTO aurora_runbooks_plans.capture VALUES ($1, $2)";
    let databases = databases.map(|database| (Some(database), None));
    for (database, note) in databases.chain(notes.iter().map(|note| (None, Some(note)))) {
        main.execute(insert, &[&database, &note]).await.map_err(failed)?;
    }
    main.batch_execute("COMMIT").await.map_err(failed)
}

/// The databases that have queries, and what is to be known about all of them.
pub async fn captured(main: &Client) -> Result<(Vec<String>, Vec<String>)> {
    let failed = |error: tokio_postgres::Error| query_failed("read what was captured", &error);
    let table = "SELECT to_regclass('aurora_runbooks_plans.capture') IS NOT NULL";
    if !main.query_one(table, &[]).await.map_err(failed)?.get::<_, bool>(0) {
        return Err(Error::refused(
            "the clone has no plans of before its upgrade: CapturePlans has not ended",
        )
        .then(Then::StartAgain));
    }
    let sql = "SELECT database, note FROM aurora_runbooks_plans.capture ORDER BY database, note";
    let rows = main.query(sql, &[]).await.map_err(failed)?;
    let column = |column| rows.iter().filter_map(|row| row.get::<_, Option<String>>(column)).collect();
    Ok((column("database"), column("note")))
}

pub async fn keep(client: &Client, queries: &[Kept]) -> std::result::Result<(), tokio_postgres::Error> {
    client.batch_execute("BEGIN").await?;
    client.batch_execute(include_str!("sql/make.sql")).await?;
    let insert = client
        .prepare("INSERT INTO aurora_runbooks_plans.queries VALUES ($1, $2, $3, $4, $5, $6, $7)")
        .await?;
    for Kept { number, role, calls, milliseconds, text, before } in queries {
        let (plan, reason) = match before {
            Ok(plan) => (Some(serde_json::json!(plan).to_string()), None),
            Err(reason) => (None, Some(reason)),
        };
        client.execute(&insert, &[number, role, calls, milliseconds, text, &plan, &reason]).await?;
    }
    client.batch_execute("COMMIT").await
}

pub async fn read(client: &Client, database: &str) -> Result<Vec<Kept>> {
    let sql = "SELECT number, role, calls, milliseconds, query, plan, reason \
               FROM aurora_runbooks_plans.queries ORDER BY number";
    let rows = client.query(sql, &[]).await;
    let rows = rows.map_err(|error| query_failed(&format!("read the queries of {database}"), &error))?;
    rows.iter()
        .map(|row| {
            let plan: Option<&str> = row.get("plan");
            let before = match plan {
                Some(plan) => Ok(serde_json::from_str::<Vec<Node>>(plan).map_err(|error| {
                    Error::unexpected(format!("a plan in {database} is not what we wrote: {error}"))
                })?),
                None => Err(row.get::<_, Option<String>>("reason").unwrap_or_default()),
            };
            Ok(Kept {
                number: row.get("number"),
                role: row.get("role"),
                calls: row.get("calls"),
                milliseconds: row.get("milliseconds"),
                text: row.get("query"),
                before,
            })
        })
        .collect()
}
