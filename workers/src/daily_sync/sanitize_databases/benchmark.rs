//! How fast masking is, against UPDATE on the same table.

use runbook::{Result, postgres::query_failed, postgres::quote};
use tokio_postgres::Client;

use super::{plan::TablePlan, table::alter_statement};

#[derive(Debug, Clone, Copy)]
pub struct Speed {
    pub rows: i64,
    pub alter_seconds: f64,
    pub update_seconds: f64,
}

/// Masks copies of the table with both ways and drops them. `client` is a session with the masking
/// key (`Sessions::open_with_key`).
pub async fn compare(client: &Client, plan: &TablePlan) -> Result<Speed> {
    let failed = |error: tokio_postgres::Error| query_failed("compare the ways of masking", &error);
    let schema = quote(&plan.table.name.schema);
    let table = plan.table.sql();
    let assignments: Vec<String> =
        plan.masked.iter().map(|column| format!("{} = {}", quote(&column.name), column.expression)).collect();
    let columns: Vec<String> = plan
        .table
        .columns
        .iter()
        .filter(|column| !column.generated)
        .map(|column| quote(&column.name))
        .collect();
    let columns = columns.join(", ");
    let mut seconds = [0.0; 2];
    for (number, name) in ["benchmark_alter", "benchmark_update"].into_iter().enumerate() {
        let copy = format!("{schema}.{name}");
        let make = format!(
            "DROP TABLE IF EXISTS {copy}; CREATE TABLE {copy} (LIKE {table} INCLUDING ALL);
             INSERT INTO {copy} ({columns}) OVERRIDING SYSTEM VALUE SELECT {columns} FROM {table}"
        );
        client.batch_execute(&make).await.map_err(failed)?;
        let statement = if number == 0 {
            alter_statement(&copy, &plan.masked)
        } else {
            format!("UPDATE {copy} SET {}", assignments.join(", "))
        };
        let began = std::time::Instant::now();
        client.batch_execute(&statement).await.map_err(failed)?;
        seconds[number] = began.elapsed().as_secs_f64();
    }
    let rows = client.query_one(&format!("SELECT count(*) FROM {table}"), &[]).await.map_err(failed)?.get(0);
    let drop = format!("DROP TABLE {schema}.benchmark_alter, {schema}.benchmark_update");
    client.batch_execute(&drop).await.map_err(failed)?;
    Ok(Speed { rows, alter_seconds: seconds[0], update_seconds: seconds[1] })
}
