//! The master user is no superuser: what it shall change, it must own. It becomes a member of every
//! role that it may grant.

use runbook::{Result, postgres::query_failed, postgres::quote};
use tokio_postgres::Client;

const LACKING: &str = include_str!("../sql/mask/owners.sql");

/// Answers the roles whose rights could not be had. That alone is no failure: they may own nothing.
pub async fn become_member(client: &Client, major: u32) -> Result<Vec<String>> {
    // 15 knows no SET privilege of a membership, and its GRANT no options for it.
    let (privilege, options) =
        if major >= 16 { ("SET", " WITH INHERIT TRUE, SET TRUE") } else { ("MEMBER", "") };
    let mut before = usize::MAX;
    loop {
        let rows = client
            .query(LACKING, &[&privilege])
            .await
            .map_err(|error| query_failed("look for roles", &error))?;
        let lacking: Vec<(String, Vec<String>)> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
        // A membership can open the way to another one: again, as long as it helps.
        if lacking.is_empty() || lacking.len() == before {
            return Ok(lacking.into_iter().map(|(role, _)| role).collect());
        }
        before = lacking.len();
        let me: String = client
            .query_one("SELECT current_user::text", &[])
            .await
            .map_err(|error| query_failed("ask who I am", &error))?
            .get(0);
        for (role, through) in lacking {
            let grant = format!("GRANT {} TO {}{options}", quote(&role), quote(&me));
            if client.batch_execute(&grant).await.is_ok() {
                continue;
            }
            for other in through {
                let granted = client.batch_execute(&format!("SET ROLE {}; {grant}", quote(&other))).await;
                client
                    .batch_execute("RESET ROLE")
                    .await
                    .map_err(|error| query_failed("become the master user again", &error))?;
                if granted.is_ok() {
                    break;
                }
            }
        }
    }
}
