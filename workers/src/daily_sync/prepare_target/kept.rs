//! Tables whose rows are the environment's own, carried over from the present cluster with COPY
//! through this worker.

use futures::SinkExt;
use policy::{KeptTable, TableName, Target};
use runbook::{
    Context, Error, Result,
    postgres::{self, Login, is_of_the_moment, literal, query_failed, quote, said},
};
use serde::Serialize;
use tokio_postgres::{Client, Transaction};

use super::session;

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Kept {
    pub database: String,
    pub table: TableName,
    pub rows: u64,
}

pub async fn carry_over(cx: &Context, fresh: &Login, present: &Login, target: &Target) -> Result<Vec<Kept>> {
    let mut done = Vec::new();
    for kept in &target.keep_tables {
        cx.progress.say(format!("kept table {} in {}", kept.table, kept.database));
        let from = session(cx, present, &kept.database).await?;
        let mut to = session(cx, fresh, &kept.database).await?;
        if let Some(rows) = copy(&from, &mut to, kept).await? {
            done.push(Kept { database: kept.database.clone(), table: kept.table.clone(), rows });
        }
    }
    Ok(done)
}

/// `None` when the present cluster does not have the table yet: then it is as production's
/// sanitised copy has it.
async fn copy(from: &Client, to: &mut Client, kept: &KeptTable) -> Result<Option<u64>> {
    let table = postgres::table(&kept.table);
    let (old, new) = (columns(from, &table).await?, columns(to, &table).await?);
    if new.is_empty() {
        let found = format!(
            "the policy keeps table {} of {}, and production does not have it any more",
            kept.table, kept.database
        );
        return Err(super::policy_fails(found, "remove it from keep-tables"));
    }
    let common: Vec<String> =
        new.iter().filter(|column| old.contains(column)).map(|column| quote(column)).collect();
    if common.is_empty() {
        return Ok(None);
    }
    let columns = common.join(", ");
    let refused = |error: tokio_postgres::Error| refused(kept, &error);
    let transaction = to.transaction().await.map_err(refused)?;
    transaction.batch_execute(&format!("TRUNCATE {table}")).await.map_err(refused)?;
    let source =
        from.copy_out(&format!("COPY (SELECT {columns} FROM {table}) TO STDOUT")).await.map_err(refused)?;
    let into = format!("COPY {table} ({columns}) FROM STDIN");
    let sink = transaction.copy_in(&into).await.map_err(refused)?;
    let (mut source, mut sink) = (Box::pin(source), Box::pin(sink));
    sink.send_all(&mut source).await.map_err(refused)?;
    let rows = sink.as_mut().finish().await.map_err(refused)?;
    sequences(&transaction, &table).await.map_err(refused)?;
    transaction.commit().await.map_err(refused)?;
    // All other statistics came with the snapshot.
    to.batch_execute(&format!("ANALYZE {table}")).await.map_err(refused)?;
    Ok(Some(rows))
}

async fn columns(client: &Client, table: &str) -> Result<Vec<String>> {
    let rows = client.query(include_str!("../sql/prepare/columns.sql"), &[&table]).await;
    let rows = rows.map_err(|error| query_failed("list columns", &error))?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// The next value comes after the carried rows and after production's: rows that refer to either
/// stay unambiguous.
async fn sequences(
    transaction: &Transaction<'_>,
    table: &str,
) -> std::result::Result<(), tokio_postgres::Error> {
    for row in transaction.query(include_str!("../sql/prepare/sequences.sql"), &[&table]).await? {
        let (column, sequence): (String, String) = (row.get(0), row.get(1));
        let max = format!("(SELECT max({}) FROM {table})", quote(&column));
        let set = format!(
            "SELECT setval({}, greatest({max}, (SELECT last_value FROM {sequence}))) WHERE {max} IS NOT NULL",
            literal(&sequence)
        );
        transaction.batch_execute(&set).await?;
    }
    Ok(())
}

fn refused(kept: &KeptTable, error: &tokio_postgres::Error) -> Error {
    let doing = format!("carry over table {} of {} from the present cluster", kept.table, kept.database);
    if is_of_the_moment(error) {
        return query_failed(&doing, error);
    }
    super::policy_fails(
        format!("could not {doing}: {}", said(error)),
        "change the table in the present cluster or remove it from keep-tables",
    )
}
