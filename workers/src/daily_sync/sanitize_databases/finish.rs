//! What masking leaves to do: materialised views, statistics, dead rows of catalogs, texts of
//! statements.

use futures::{StreamExt, TryStreamExt, stream};
use runbook::{
    Error, Result,
    error::Then,
    postgres::{failed, query_failed, quote, said},
};
use tokio_postgres::Client;

use super::sessions::{Notices, Sessions, texts};

/// Catalogs of a database whose dead rows can hold values of rows, or secrets that were cut:
/// samples, comments, defaults, bodies of functions, addresses and passwords. Those of the whole
/// cluster nobody but RDS may rewrite before 17.
const CATALOGS: [&str; 13] = [
    "pg_statistic",
    "pg_statistic_ext_data",
    "pg_largeobject",
    "pg_description",
    "pg_attrdef",
    "pg_proc",
    "pg_rewrite",
    "pg_trigger",
    "pg_policy",
    "pg_constraint",
    "pg_foreign_server",
    "pg_user_mapping",
    "pg_attribute",
];

/// How often a catalog is rewritten again because somebody could still see its dead rows.
const PATIENCE: u32 = 120;

/// Answers how many materialised views were filled again.
pub async fn finish(sessions: &Sessions<'_>, databases: &[String]) -> Result<usize> {
    let views: Vec<usize> = stream::iter(databases.to_vec())
        .map(|database| in_database(sessions, database))
        .buffered(2)
        .try_collect()
        .await?;
    forget_statements(&sessions.open("postgres").await?).await;
    for database in databases {
        forget_statements(&sessions.open(database).await?).await;
    }
    Ok(views.into_iter().sum())
}

async fn in_database(sessions: &Sessions<'_>, database: String) -> Result<usize> {
    let database = database.as_str();
    let (client, mut notices) = sessions.open_with_notices(database).await?;
    client
        .batch_execute("SET search_path = pg_catalog, public")
        .await
        .map_err(|error| query_failed("set the search path", &error))?;
    let views =
        texts(&client, "look for materialised views", include_str!("../sql/mask/materialized-views.sql"))
            .await?;
    for view in &views {
        sessions.cx.progress.say(format!("filling {view} of database {database}"));
        let refresh = format!("REFRESH MATERIALIZED VIEW {view}");
        client
            .batch_execute(&refresh)
            .await
            .map_err(|error| failed(&format!("refresh {view} of database {database}"), &error))?;
    }
    sessions.cx.progress.say(format!("collecting statistics of database {database}"));
    client
        .batch_execute("ANALYZE")
        .await
        .map_err(|error| failed(&format!("analyze database {database}"), &error))?;
    for catalog in CATALOGS {
        rewrite(sessions, &client, &mut notices, database, catalog).await?;
    }
    Ok(views.len())
}

/// A VACUUM that is not allowed is only warned about: the file tells whether it was done. One that
/// runs beside another transaction (autovacuum's, for one) keeps the dead rows that it could see,
/// and says so.
async fn rewrite(
    sessions: &Sessions<'_>,
    client: &Client,
    notices: &mut Notices,
    database: &str,
    catalog: &str,
) -> Result<()> {
    let file = format!("SELECT pg_relation_filenode('pg_catalog.{catalog}')::text");
    for _ in 0..PATIENCE {
        while notices.try_recv().is_ok() {}
        let before = texts(client, "ask for a file", &file).await?;
        let vacuum = format!("VACUUM (FULL, VERBOSE) pg_catalog.{}", quote(catalog));
        client
            .batch_execute(&vacuum)
            .await
            .map_err(|error| failed(&format!("rewrite {catalog} of database {database}"), &error))?;
        if before == texts(client, "ask for a file", &file).await? {
            return Err(Error::failed(format!(
                "dead rows of {catalog} in database {database} still hold values: only the database's owner \
                 may VACUUM it, and the master user cannot act for that owner"
            ))
            .changed("the copy, which goes nowhere; CleanUp deletes it")
            .fix("make the master user of production a member of that owner")
            .then(Then::StartAgain));
        }
        let mut kept = false;
        while let Ok(notice) = notices.try_recv() {
            kept |= notice.detail().is_some_and(keeps_dead_rows);
        }
        if !kept {
            return Ok(());
        }
        sessions.cx.clock.sleep(std::time::Duration::from_secs(1)).await;
    }
    Err(Error::NotReady(format!(
        "a transaction to end that still sees dead rows of {catalog} in database {database}"
    )))
}

/// `0 dead row versions cannot be removed yet.` (src/backend/commands/cluster.c, copy_table_data)
fn keeps_dead_rows(detail: &str) -> bool {
    detail
        .split_once(" dead row versions cannot be removed yet")
        .is_some_and(|(before, _)| before.rsplit([' ', '\n']).next() != Some("0"))
}

/// Texts of statements are in the memory and the files of one instance; a snapshot does not carry
/// them. So it is no failure when nobody may reset them.
async fn forget_statements(client: &Client) {
    let function = "SELECT format('SELECT %I.pg_stat_statements_reset()', n.nspname)
                    FROM pg_extension AS e JOIN pg_namespace AS n ON n.oid = e.extnamespace
                     WHERE extname = 'pg_stat_statements'";
    for reset in texts(client, "look for pg_stat_statements", function).await.unwrap_or_default() {
        if let Err(error) = client.batch_execute(&reset).await {
            tracing::warn!(error = said(&error), "the texts of statements were not reset");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vacuum_that_keeps_dead_rows_says_so() {
        assert!(!keeps_dead_rows("0 dead row versions cannot be removed yet.\nCPU: user: 0.00 s"));
        assert!(keeps_dead_rows("118 dead row versions cannot be removed yet."));
        assert!(!keeps_dead_rows("CPU: user: 0.00 s"));
    }
}
