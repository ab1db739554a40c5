//! What takes production's time, as its pg_stat_statements shows it. That lies in the server's
//! memory, so a clone has none of it; and a writer counts only what ran on itself.

use runbook::{
    Context, Result,
    postgres::{self, Login, is_of_the_moment, query_failed, said},
};
use tokio_postgres::{Client, Row};

/// In all databases together.
const MOST: i64 = 200;

/// Production is only read, and nobody is kept waiting.
const ONLY_READ: &str = "SET search_path = pg_catalog; SET default_transaction_read_only = on; \
                         SET statement_timeout = '30s'; SET lock_timeout = '5s'; \
                         SET idle_in_transaction_session_timeout = 0";

pub struct Statement {
    pub database: String,
    pub role: String,
    pub calls: i64,
    pub milliseconds: f64,
    pub text: Option<String>,
    /// Why it cannot be planned.
    pub unread: Option<&'static str>,
}

/// The most expensive statements, or why there are none.
pub async fn read(cx: &Context, login: &Login) -> Result<std::result::Result<Vec<Statement>, String>> {
    let client = session(cx, login, "postgres").await?;
    let databases = postgres::databases(&client).await?;
    // The view of any database shows those of all.
    let mut found = view(&client).await?;
    let mut inside = client;
    for database in databases.iter().filter(|database| *database != "postgres") {
        if found.is_some() {
            break;
        }
        inside = session(cx, login, database).await?;
        found = view(&inside).await?;
    }
    let Some((view, time)) = found else {
        return Ok(Err("no database of production has the extension pg_stat_statements: run CREATE \
                       EXTENSION pg_stat_statements in one, and rehearse again after a day of work"
            .into()));
    };
    let sql = include_str!("sql/statements.sql").replace("@view", &view).replace("@time", &time);
    match inside.query(&sql, &[&databases, &MOST]).await {
        Ok(rows) => Ok(Ok(rows.iter().map(statement).collect())),
        Err(error) if is_of_the_moment(&error) => Err(query_failed("read pg_stat_statements", &error)),
        Err(error) => Ok(Err(format!("pg_stat_statements of production cannot be read: {}", said(&error)))),
    }
}

async fn session(cx: &Context, login: &Login, database: &str) -> Result<Client> {
    let client = postgres::connect(cx, login, database).await?;
    let set = client.batch_execute(ONLY_READ).await;
    set.map_err(|error| query_failed("set up a session that only reads", &error))?;
    Ok(client)
}

/// The view as SQL writes it, and its column of a statement's time: total_time became
/// total_exec_time with version 1.8 of the extension, which an upgrade of the server does not
/// update (https://www.postgresql.org/docs/release/13.0/).
async fn view(client: &Client) -> Result<Option<(String, String)>> {
    let sql = "SELECT format('%I.pg_stat_statements', n.nspname), quote_ident(a.attname) \
               FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace \
               JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = 'pg_stat_statements' \
               JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname IN ('total_exec_time', 'total_time') \
               WHERE e.extname = 'pg_stat_statements'";
    let row = client.query_opt(sql, &[]).await;
    let row = row.map_err(|error| query_failed("look for pg_stat_statements", &error))?;
    Ok(row.map(|row| (row.get(0), row.get(1))))
}

fn statement(row: &Row) -> Statement {
    Statement {
        database: row.get("database"),
        role: row.get("role"),
        calls: row.get("calls"),
        milliseconds: row.get("milliseconds"),
        text: row.get("query"),
        unread: row.get::<_, Option<&str>>("unread").map(|unread| match unread {
            "hidden" => "the login may not see its text (pg_read_all_stats)",
            "long" => "its text has more than 100 kB",
            "cut" => "its text is as long as track_activity_query_size allows, so it may be cut",
            _ => "pg_stat_statements has discarded its text",
        }),
    }
}
