//! Masks one table in one transaction.

use runbook::{
    Error, Result,
    error::Then,
    postgres::{failed, quote},
};
use tokio_postgres::{Client, Transaction, error::SqlState};

use super::plan::{MaskedColumn, TablePlan, Way};

const STANDSTILL: &str = include_str!("../sql/mask/standstill.sql");
const ATTEMPTS: u32 = 3;

pub async fn mask(client: &mut Client, database: &str, plan: &TablePlan) -> Result<()> {
    let table = &plan.table.name;
    for attempt in 1.. {
        match attempt_once(client, plan).await {
            Ok(()) => break,
            Err(Failure::RowsLost) => {
                return Err(Error::failed(format!(
                    "{table} of database {database} would have lost rows; a trigger or rule must be \
                     in the way"
                ))
                .changed("nothing of this table; the copy goes nowhere, and CleanUp deletes it")
                .then(Then::StartAgain));
            }
            Err(Failure::Sql(error)) if attempt < ATTEMPTS && is_locked(&error) => {}
            Err(Failure::Sql(error)) => {
                return Err(failed(&format!("mask {table} of database {database}"), &error));
            }
        }
    }
    Ok(())
}

fn is_locked(error: &tokio_postgres::Error) -> bool {
    matches!(error.code(), Some(&SqlState::T_R_DEADLOCK_DETECTED | &SqlState::LOCK_NOT_AVAILABLE))
}

enum Failure {
    Sql(tokio_postgres::Error),
    RowsLost,
}

impl From<tokio_postgres::Error> for Failure {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Sql(error)
    }
}

/// A transaction that is not committed is rolled back before the connection's next statement.
async fn attempt_once(client: &mut Client, plan: &TablePlan) -> std::result::Result<(), Failure> {
    let mut transaction = client.transaction().await?;
    // Waits for another attempt that is still at it, and then finds its line.
    let claim =
        "INSERT INTO aurora_runbooks.masked (relation, name, way) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
    let line = transaction
        .execute(claim, &[&plan.table.oid, &plan.table.name.to_string(), &plan.way.name()])
        .await?;
    if line == 0 {
        return Ok(());
    }
    let rows = match plan.way {
        Way::Alter => alter(&transaction, plan).await?,
        Way::Reload => reload(&mut transaction, plan).await?,
        Way::Truncate => truncate(&mut transaction, plan).await?,
    };
    let done = "UPDATE aurora_runbooks.masked SET rows = $2 WHERE relation = $1";
    transaction.execute(done, &[&plan.table.oid, &rows]).await?;
    Ok(transaction.commit().await?)
}

/// The name, with ONLY where tables that inherit are others' business.
fn only(plan: &TablePlan) -> String {
    if plan.table.inherits { format!("ONLY {}", plan.table.sql()) } else { plan.table.sql() }
}

async fn count(transaction: &Transaction<'_>, plan: &TablePlan) -> std::result::Result<i64, Failure> {
    Ok(transaction.query_one(&format!("SELECT count(*) FROM {}", only(plan)), &[]).await?.get(0))
}

/// Type, length, domain and collation are repeated: ALTER would drop them. Every USING sees the row
/// as it was.
pub fn alter_statement(table: &str, columns: &[MaskedColumn]) -> String {
    let columns: Vec<String> = columns
        .iter()
        .map(|column| {
            let collation = column
                .collation
                .as_deref()
                .map(|collation| format!(" COLLATE {collation}"))
                .unwrap_or_default();
            format!(
                "ALTER COLUMN {} TYPE {}{collation} USING {}",
                quote(&column.name),
                column.data_type,
                column.expression
            )
        })
        .collect();
    format!("ALTER TABLE {table} {}", columns.join(", "))
}

async fn alter(transaction: &Transaction<'_>, plan: &TablePlan) -> std::result::Result<i64, Failure> {
    let before = count(transaction, plan).await?;
    transaction.batch_execute(&alter_statement(&plan.table.sql(), &plan.masked)).await?;
    unchanged(before, count(transaction, plan).await?)
}

fn unchanged(before: i64, after: i64) -> std::result::Result<i64, Failure> {
    if before == after { Ok(after) } else { Err(Failure::RowsLost) }
}

async fn reload(transaction: &mut Transaction<'_>, plan: &TablePlan) -> std::result::Result<i64, Failure> {
    let table = only(plan);
    transaction.batch_execute(&format!("LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")).await?;
    let rows = transaction.query(STANDSTILL, &[&plan.table.oid]).await?;
    let (stop, resume): (Vec<String>, Vec<String>) =
        rows.iter().map(|row| (row.get::<_, String>(0), row.get::<_, String>(1))).unzip();
    for statement in stop {
        transaction.batch_execute(&statement).await?;
    }
    let before = count(transaction, plan).await?;
    let kept: Vec<&str> = plan
        .table
        .columns
        .iter()
        .filter(|column| !column.generated)
        .map(|column| column.name.as_str())
        .collect();
    let names = kept.iter().map(|name| quote(name)).collect::<Vec<_>>().join(", ");
    let values: Vec<String> = kept
        .iter()
        .map(|name| {
            let masked = plan.masked.iter().find(|column| column.name == *name);
            masked.map_or_else(|| quote(name), |column| format!("{} AS {}", column.expression, quote(name)))
        })
        .collect();
    // Its rows are masked already. Not on disk for longer than the transaction.
    transaction
        .batch_execute(&format!(
            "CREATE TEMP TABLE masked_rows ON COMMIT DROP AS SELECT {} FROM {table}",
            values.join(", ")
        ))
        .await?;
    transaction.batch_execute(&format!("TRUNCATE {table}")).await?;
    let insert = format!(
        "INSERT INTO {} ({names}) OVERRIDING SYSTEM VALUE SELECT {names} FROM pg_temp.masked_rows",
        plan.table.sql()
    );
    transaction.batch_execute(&insert).await?;
    let after = count(transaction, plan).await?;
    if after == 0 {
        forget_statistics(transaction, plan).await?;
    }
    for statement in resume {
        transaction.batch_execute(&statement).await?;
    }
    unchanged(before, after)
}

async fn truncate(transaction: &mut Transaction<'_>, plan: &TablePlan) -> std::result::Result<i64, Failure> {
    let before = count(transaction, plan).await?;
    transaction.batch_execute(&format!("TRUNCATE {}", only(plan))).await?;
    forget_statistics(transaction, plan).await?;
    Ok(before)
}

/// ANALYZE leaves the statistics of an empty table as they are, with values of the rows that were.
/// ALTER COLUMN … TYPE removes them. Where it is refused they stay, and attesting finds them.
async fn forget_statistics(
    transaction: &mut Transaction<'_>,
    plan: &TablePlan,
) -> std::result::Result<(), Failure> {
    for column in plan.table.columns.iter().filter(|column| !column.generated) {
        let collation =
            column.collation.as_deref().map(|collation| format!(" COLLATE {collation}")).unwrap_or_default();
        let alter = format!(
            "ALTER TABLE {} ALTER COLUMN {} TYPE {}{collation}",
            plan.table.sql(),
            quote(&column.name),
            column.data_type
        );
        let savepoint = transaction.savepoint("forget").await?;
        match savepoint.batch_execute(&alter).await {
            Ok(()) => savepoint.commit().await?,
            Err(_) => savepoint.rollback().await?,
        }
    }
    Ok(())
}
