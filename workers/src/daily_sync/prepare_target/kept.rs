//! Tables whose rows are the environment's own, carried over from the present cluster with COPY
//! through this worker.

use futures::SinkExt;
use policy::{KeptTable, Target};
use runbook::{
    Context, Error, Result,
    postgres::{Login, literal, query_failed, quote},
};
use serde::Serialize;
use tokio_postgres::Client;

use super::{roles, session};

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Kept {
    database: String,
    table: String,
    pub rows: u64,
}

pub async fn carry_over(cx: &Context, fresh: &Login, present: &Login, target: &Target) -> Result<Vec<Kept>> {
    let mut done = Vec::new();
    for kept in &target.keep_tables {
        cx.progress.say(format!("kept table {} in {}", kept.table, kept.database));
        let from = session(cx, present, &kept.database).await?;
        let to = session(cx, fresh, &kept.database).await?;
        roles::own(&to).await?;
        if let Some(rows) = copy(&from, &to, kept).await? {
            done.push(Kept { database: kept.database.clone(), table: kept.table.to_string(), rows });
        }
    }
    Ok(done)
}

/// `None` when the present cluster does not have the table yet: then it is as production's
/// sanitised copy has it.
async fn copy(from: &Client, to: &Client, kept: &KeptTable) -> Result<Option<u64>> {
    let table = format!("{}.{}", quote(&kept.table.schema), quote(&kept.table.table));
    let (old, new) = (columns(from, &table).await?, columns(to, &table).await?);
    if new.is_empty() {
        return Err(Error::OperationFailed(format!(
            "the policy keeps table {} of {}, and production does not have it any more. Remove it from \
            keep-tables, then start a new execution.",
            kept.table, kept.database
        )));
    }
    let common: Vec<String> =
        new.iter().filter(|column| old.contains(column)).map(|column| quote(column)).collect();
    if common.is_empty() {
        return Ok(None);
    }
    let columns = common.join(", ");
    let failed = |error: tokio_postgres::Error| refused(kept, &error);
    to.batch_execute(&format!("BEGIN; TRUNCATE {table}")).await.map_err(failed)?;
    let source =
        from.copy_out(&format!("COPY (SELECT {columns} FROM {table}) TO STDOUT")).await.map_err(failed)?;
    let sink = to.copy_in(&format!("COPY {table} ({columns}) FROM STDIN")).await.map_err(failed)?;
    let (mut source, mut sink) = (Box::pin(source), Box::pin(sink));
    sink.send_all(&mut source).await.map_err(failed)?;
    let rows = sink.as_mut().finish().await.map_err(failed)?;
    sequences(to, &table).await.map_err(failed)?;
    to.batch_execute("COMMIT").await.map_err(failed)?;
    Ok(Some(rows))
}

async fn columns(client: &Client, table: &str) -> Result<Vec<String>> {
    let rows = client.query(include_str!("../sql/prepare/columns.sql"), &[&table]).await;
    let rows = rows.map_err(|error| query_failed("list columns", &error))?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// The next value comes after the carried rows and after production's: rows that refer to either
/// stay unambiguous.
async fn sequences(client: &Client, table: &str) -> std::result::Result<(), tokio_postgres::Error> {
    for row in client.query(include_str!("../sql/prepare/sequences.sql"), &[&table]).await? {
        let (column, sequence): (String, String) = (row.get(0), row.get(1));
        let max = format!("(SELECT max({}) FROM {table})", quote(&column));
        let set = format!(
            "SELECT setval({}, greatest({max}, (SELECT last_value FROM {sequence}))) WHERE {max} IS NOT NULL",
            literal(&sequence)
        );
        client.batch_execute(&set).await?;
    }
    Ok(())
}

/// Without the server's message: it may hold a value of the row.
fn refused(kept: &KeptTable, error: &tokio_postgres::Error) -> Error {
    let Some(server) = error.as_db_error() else {
        return query_failed(&format!("carry over {}", kept.table), error);
    };
    if server.code().code().starts_with("57P") {
        return query_failed(&format!("carry over {}", kept.table), error);
    }
    let at = [server.constraint(), server.column(), server.datatype()]
        .into_iter()
        .flatten()
        .next()
        .unwrap_or_default();
    Error::OperationFailed(format!(
        "table {} of {} cannot be carried over from the present cluster: SQLSTATE {} {at} \
        (https://www.postgresql.org/docs/current/errcodes-appendix.html). \
         The present cluster is as it was. Change the table there or remove it from keep-tables, then start \
         a new execution.",
        kept.table,
        kept.database,
        server.code().code()
    ))
}
