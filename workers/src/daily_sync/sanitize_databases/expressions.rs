//! The policy's own expressions see raw rows, so nothing of production's may run in them: a
//! function or operator whose types fit better than PostgreSQL's own is taken in its stead
//! (CVE-2018-1058), and a domain's CHECK runs where a value of it is made.
//!
//! A view that exists for the time of a transaction says what an expression depends on. That a
//! function belongs to an extension says nothing, for its owner can put it there or write it anew;
//! that it is in C does, for only a superuser makes one.

use runbook::{
    Result,
    postgres::{is_of_the_moment, query_failed, said},
};
use tokio_postgres::Client;

use super::{
    plan::{Plan, Rows, Value},
    problems::Problems,
};
use crate::shared::sessions::PATH_OF_EXPRESSIONS;

const USES: &str = include_str!("../sql/mask/expression-uses.sql");

pub async fn check(client: &Client, plan: &Plan, problems: &mut Problems) -> Result<()> {
    for table in &plan.tables {
        let Rows::All(columns) = &table.rows else { continue };
        for column in columns {
            let Value::Sql { expression } = &column.value else { continue };
            let view = format!(
                "BEGIN; SET LOCAL search_path = {PATH_OF_EXPRESSIONS}; CREATE TEMP VIEW the_expression AS \
                 SELECT ({expression})::{} FROM ONLY {}; SET LOCAL search_path = pg_catalog, pg_temp",
                column.value_type,
                table.table.sql()
            );
            match client.batch_execute(&view).await {
                Ok(()) => {
                    let uses = client.query(USES, &[&table.table.oid]).await;
                    for row in uses.map_err(|error| query_failed("ask what an expression uses", &error))? {
                        let used: String = row.get(0);
                        let why = format!("its expression runs {used} of production's on raw rows");
                        problems.wrong_expression(&table.table.name, &column.name, &why);
                    }
                }
                Err(error) if is_of_the_moment(&error) => {
                    return Err(query_failed("look at an expression", &error));
                }
                Err(error) => problems.wrong_expression(&table.table.name, &column.name, &said(&error)),
            }
            let end = client.batch_execute("ROLLBACK").await;
            end.map_err(|error| query_failed("forget an expression", &error))?;
        }
    }
    Ok(())
}
