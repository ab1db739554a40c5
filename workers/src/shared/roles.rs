//! Whose roles are whose, and how the master user comes to act for owners: it is no superuser.

use runbook::{
    Result,
    postgres::{is_of_the_moment, query_failed, quote, said},
};
use tokio_postgres::Client;

const SYSTEM_ROLES: &str = include_str!("sql/system-roles.sql");
const LACKING: &str = include_str!("sql/owners.sql");

/// Tells the session RDS's own roles, as an array in its setting `runbook.system_roles`.
pub async fn learn_system_roles(client: &Client) -> Result<()> {
    let learn = format!("SELECT set_config('runbook.system_roles', ({SYSTEM_ROLES})::text, false)");
    client.execute(&learn, &[]).await.map(drop).map_err(|error| query_failed("look for system roles", &error))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Of {
    /// Every role of people's own.
    All,
    /// Owners of tables, schemas and extensions.
    Owners,
}

/// What the master user became a member of.
#[derive(Debug, Default)]
pub struct Memberships {
    granted: Vec<Granted>,
    /// Roles whose rights could not be had. That alone is no failure: they may own nothing.
    pub lacking: Vec<String>,
}

#[derive(Debug)]
struct Granted {
    role: String,
    /// The role that granted it, when that was not the master user itself.
    through: Option<String>,
}

/// Makes the session's user a member of every role that it may grant. The session has learned the
/// system roles.
pub async fn become_member(client: &Client, of: Of) -> Result<Memberships> {
    let ask =
        async |sql| client.query_one(sql, &[]).await.map_err(|error| query_failed("ask who I am", &error));
    let me: String = ask("SELECT current_user::text").await?.get(0);
    let version: i32 = ask("SELECT current_setting('server_version_num')::int").await?.get(0);
    // 15 knows no SET privilege of a membership, and its GRANT no options for it.
    let (privilege, options) =
        if version >= 160_000 { ("SET", " WITH INHERIT TRUE, SET TRUE") } else { ("MEMBER", "") };
    let mut granted = Vec::new();
    let mut before = usize::MAX;
    loop {
        let rows = client
            .query(LACKING, &[&privilege, &(of == Of::Owners)])
            .await
            .map_err(|error| query_failed("look for roles", &error))?;
        let lacking: Vec<(String, Vec<String>)> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
        // A membership can open the way to another one: again, as long as it helps.
        if lacking.is_empty() || lacking.len() == before {
            return Ok(Memberships { granted, lacking: lacking.into_iter().map(|(role, _)| role).collect() });
        }
        before = lacking.len();
        for (role, through) in lacking {
            let grant = format!("GRANT {} TO {}{options}", quote(&role), quote(&me));
            for through in [None].into_iter().chain(through.into_iter().map(Some)) {
                match as_role(client, through.as_deref(), &grant).await? {
                    Ok(()) => {
                        granted.push(Granted { role, through });
                        break;
                    }
                    // Else a right would be missed later that nobody has refused.
                    Err(error) if is_of_the_moment(&error) => {
                        return Err(query_failed("become a member of a role", &error));
                    }
                    Err(_) => {}
                }
            }
        }
    }
}

async fn as_role(
    client: &Client,
    role: Option<&str>,
    statement: &str,
) -> Result<std::result::Result<(), tokio_postgres::Error>> {
    let Some(role) = role else { return Ok(client.batch_execute(statement).await) };
    let done = client.batch_execute(&format!("SET ROLE {}; {statement}", quote(role))).await;
    client
        .batch_execute("SET ROLE NONE")
        .await
        .map_err(|error| query_failed("become the master user again", &error))?;
    Ok(done)
}

impl Memberships {
    /// Leaves the roles again, the last one first. One that stays is only logged: the master user
    /// can take it at any time.
    pub async fn give_back(self, client: &Client) -> Result<()> {
        for Granted { role, through } in self.granted.into_iter().rev() {
            let revoke = format!("REVOKE {} FROM SESSION_USER", quote(&role));
            if let Err(error) = as_role(client, through.as_deref(), &revoke).await? {
                tracing::warn!(role, error = said(&error), "the master user stays a member of this role");
            }
        }
        Ok(())
    }
}
