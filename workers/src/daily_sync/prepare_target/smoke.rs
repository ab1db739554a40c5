//! The policy's questions to a new cluster before anybody is sent to it.

use policy::{Smoke, Target};
use runbook::{Context, Error, Result, postgres::Login, postgres::query_failed};
use tokio_postgres::{SimpleQueryMessage, error::SqlState};

use super::{refused, session, wrong};

/// All of them, and all that do not say true are reported.
pub async fn ask(cx: &Context, login: &Login, target: &Target) -> Result<()> {
    let mut wrong = Vec::new();
    for smoke in &target.smoke {
        match answer(cx, login, smoke).await {
            Ok(true) => {}
            Ok(false) => {
                wrong.push(format!("- in {}, this does not say true: {}", smoke.database, smoke.sql))
            }
            Err(Error::OperationFailed(why)) => wrong.push(format!("- {why}")),
            Err(error) => return Err(error),
        }
    }
    if wrong.is_empty() {
        return Ok(());
    }
    let found =
        format!("{} of {} smoke queries failed\n{}", wrong.len(), target.smoke.len(), wrong.join("\n"));
    Err(super::policy_fails(found, "look at the data in production or correct the policy"))
}

async fn answer(cx: &Context, login: &Login, smoke: &Smoke) -> Result<bool> {
    let client = session(cx, login, &smoke.database).await?;
    let read_only = "SET default_transaction_read_only = on; SET statement_timeout = '10min'";
    client.batch_execute(read_only).await.map_err(|error| query_failed("set up a session", &error))?;
    let what = format!("the smoke query {} in {}", smoke.sql, smoke.database);
    let answer = client.simple_query(&smoke.sql).await.map_err(|error| {
        // It is the session that takes no change, and not the server.
        let changes = error.code() == Some(&SqlState::READ_ONLY_SQL_TRANSACTION);
        if changes { wrong(&what, &error) } else { refused(&what, &error) }
    })?;
    let mut rows = answer
        .iter()
        .filter_map(|message| if let SimpleQueryMessage::Row(row) = message { Some(row) } else { None });
    let (row, more) = (rows.next(), rows.next());
    Ok(row.is_some_and(|row| row.len() == 1 && row.get(0) == Some("t")) && more.is_none())
}
