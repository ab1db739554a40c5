//! Masks one table in one transaction.

use runbook::{Error, Result, postgres::quote};
use tokio_postgres::{Client, error::SqlState};

use super::{
    mask::failed,
    plan::{MaskedColumn, TablePlan, Way},
};

const STANDSTILL: &str = include_str!("../sql/mask/standstill.sql");
const ATTEMPTS: u32 = 3;

pub async fn mask(client: &Client, database: &str, plan: &TablePlan) -> Result<()> {
    let table = plan.table.id();
    for attempt in 1.. {
        let Err(error) = attempt_once(client, plan).await else { return Ok(()) };
        let Failure::Sql(error) = error else {
            let _ = client.batch_execute("ROLLBACK").await;
            return Err(Error::OperationFailed(format!(
                "{table} of database {database} would have lost rows: nothing of it was changed. A trigger \
                or rule must be in the way."
            )));
        };
        let locked =
            matches!(error.code(), Some(&SqlState::T_R_DEADLOCK_DETECTED | &SqlState::LOCK_NOT_AVAILABLE));
        let rolled_back = client.batch_execute("ROLLBACK").await;
        if !(locked && attempt < ATTEMPTS && rolled_back.is_ok()) {
            return Err(failed(&format!("mask {table} of database {database}"), &error));
        }
    }
    Ok(())
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

async fn attempt_once(client: &Client, plan: &TablePlan) -> std::result::Result<(), Failure> {
    client.batch_execute("BEGIN").await?;
    let oid = u32::try_from(plan.table.oid).unwrap_or_default();
    let way = match plan.way {
        Way::Alter => "alter",
        Way::Reload => "reload",
        Way::Truncate => "truncate",
        Way::Keep => return Ok(client.batch_execute("ROLLBACK").await?),
    };
    // Waits for another attempt that is still at it, and then finds its line.
    let claim =
        "INSERT INTO aurora_runbooks.masked (relation, name, way) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
    if client.execute(claim, &[&oid, &plan.table.id().to_string(), &way]).await? == 0 {
        return Ok(client.batch_execute("ROLLBACK").await?);
    }
    let rows = match plan.way {
        Way::Alter => alter(client, plan).await?,
        Way::Reload => reload(client, plan).await?,
        Way::Truncate | Way::Keep => truncate(client, plan).await?,
    };
    client.execute("UPDATE aurora_runbooks.masked SET rows = $2 WHERE relation = $1", &[&oid, &rows]).await?;
    Ok(client.batch_execute("COMMIT").await?)
}

/// The name, with ONLY where tables that inherit are others' business.
fn only(plan: &TablePlan) -> String {
    if plan.table.inherits { format!("ONLY {}", plan.table.sql()) } else { plan.table.sql() }
}

async fn count(client: &Client, plan: &TablePlan) -> std::result::Result<i64, Failure> {
    Ok(client.query_one(&format!("SELECT count(*) FROM {}", only(plan)), &[]).await?.get(0))
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

async fn alter(client: &Client, plan: &TablePlan) -> std::result::Result<i64, Failure> {
    let before = count(client, plan).await?;
    client.batch_execute(&alter_statement(&plan.table.sql(), &plan.masked)).await?;
    unchanged(before, count(client, plan).await?)
}

fn unchanged(before: i64, after: i64) -> std::result::Result<i64, Failure> {
    if before == after { Ok(after) } else { Err(Failure::RowsLost) }
}

async fn reload(client: &Client, plan: &TablePlan) -> std::result::Result<i64, Failure> {
    let table = only(plan);
    let oid = u32::try_from(plan.table.oid).unwrap_or_default();
    client.batch_execute(&format!("LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")).await?;
    let rows = client.query(STANDSTILL, &[&oid]).await?;
    let (stop, resume): (Vec<String>, Vec<String>) =
        rows.iter().map(|row| (row.get::<_, String>(0), row.get::<_, String>(1))).unzip();
    for statement in stop {
        client.batch_execute(&statement).await?;
    }
    let before = count(client, plan).await?;
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
    client
        .batch_execute(&format!(
            "CREATE TEMP TABLE masked_rows ON COMMIT DROP AS SELECT {} FROM {table}",
            values.join(", ")
        ))
        .await?;
    client.batch_execute(&format!("TRUNCATE {table}")).await?;
    let insert = format!(
        "INSERT INTO {} ({names}) OVERRIDING SYSTEM VALUE SELECT {names} FROM pg_temp.masked_rows",
        plan.table.sql()
    );
    client.batch_execute(&insert).await?;
    let after = count(client, plan).await?;
    if after == 0 {
        forget_statistics(client, plan).await?;
    }
    for statement in resume {
        client.batch_execute(&statement).await?;
    }
    unchanged(before, after)
}

async fn truncate(client: &Client, plan: &TablePlan) -> std::result::Result<i64, Failure> {
    let before = count(client, plan).await?;
    client.batch_execute(&format!("TRUNCATE {}", only(plan))).await?;
    forget_statistics(client, plan).await?;
    Ok(before)
}

/// ANALYZE leaves the statistics of an empty table as they are, with values of the rows that were.
/// ALTER COLUMN … TYPE removes them. Where it is refused they stay, and attesting finds them.
async fn forget_statistics(client: &Client, plan: &TablePlan) -> std::result::Result<(), Failure> {
    for column in plan.table.columns.iter().filter(|column| !column.generated) {
        let collation =
            column.collation.as_deref().map(|collation| format!(" COLLATE {collation}")).unwrap_or_default();
        let alter = format!(
            "ALTER TABLE {} ALTER COLUMN {} TYPE {}{collation}",
            plan.table.sql(),
            quote(&column.name),
            column.data_type
        );
        client.batch_execute("SAVEPOINT forget").await?;
        let end =
            if client.batch_execute(&alter).await.is_ok() { "RELEASE forget" } else { "ROLLBACK TO forget" };
        client.batch_execute(end).await?;
    }
    Ok(())
}
