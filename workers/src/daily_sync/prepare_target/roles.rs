//! The environment's roles, their passwords and grants.

use policy::{RoleSpec, Target};
use runbook::{
    Context, Result,
    daily_sync::secret,
    postgres::{self, Login, is_of_the_moment, query_failed, quote, said},
};
use serde_json::json;
use tokio_postgres::Client;

use super::{policy_fails, session};

/// What PostgreSQL does not let the master user do. All of it is reported at once: a person who
/// fixes one statement a night is a week at it.
#[derive(Debug, Default)]
pub struct Refusals(Vec<String>);

impl Refusals {
    /// `statement` is what a person would type; what ran may hold a password's verifier.
    async fn run(&mut self, client: &Client, sql: &str, statement: &str) -> Result<()> {
        match client.batch_execute(sql).await {
            Ok(()) => Ok(()),
            Err(error) if is_of_the_moment(&error) => Err(query_failed(statement, &error)),
            Err(error) => {
                self.0.push(format!("{statement}\n    {}", said(&error)));
                Ok(())
            }
        }
    }

    pub fn end(self, user: &str) -> Result<()> {
        if self.0.is_empty() {
            return Ok(());
        }
        Err(policy_fails(
            format!("PostgreSQL refuses {} statements of {user}:\n- {}", self.0.len(), self.0.join("\n- ")),
            // Since 16 CREATEROLE alone does not reach a role, and one that was made on an older
            // version came through the upgrade with nobody who has ADMIN OPTION on it
            // (https://www.postgresql.org/docs/16/release-16.html, Migration).
            &format!(
                "correct the policy; or give {user} in production ADMIN OPTION on the roles and GRANT OPTION \
                 on the objects that are named, or name roles in the policy that production does not have"
            ),
        ))
    }
}

/// Makes or alters every role. The password is the one in the role's secret, so that clients keep
/// theirs from day to day.
pub async fn make(cx: &Context, client: &Client, target: &Target, refusals: &mut Refusals) -> Result<()> {
    for role in &target.roles {
        let verifier = match &role.secret {
            Some(secret) if role.login => Some(postgres::verifier(&password(cx, role, secret).await?)),
            _ => None,
        };
        let exists =
            client.query_opt("SELECT FROM pg_catalog.pg_roles WHERE rolname = $1", &[&role.name]).await;
        let exists = exists.map_err(|error| query_failed("look for a role", &error))?.is_some();
        // The statement holds the verifier, never the password: whatever logs it learns nothing.
        let sql = statement(role, exists, verifier.as_deref());
        let shown = sql.split(" PASSWORD ").next().unwrap_or_default();
        refusals.run(client, &sql, &format!("{shown};")).await?;
    }
    Ok(())
}

fn statement(role: &RoleSpec, exists: bool, verifier: Option<&str>) -> String {
    let verb = if exists { "ALTER" } else { "CREATE" };
    let login = if role.login { "LOGIN" } else { "NOLOGIN" };
    let password = verifier.map_or("NULL".to_owned(), postgres::literal);
    format!("{verb} ROLE {} {login} PASSWORD {password}", quote(&role.name))
}

async fn password(cx: &Context, role: &RoleSpec, name: &str) -> Result<String> {
    let kept = secret::get(cx, name).await?;
    let text = |key: &str| {
        kept.get(key).and_then(|value| value.as_str()).filter(|text| !text.is_empty()).map(str::to_owned)
    };
    if let (Some(user), Some(password)) = (text("username"), text("password"))
        && user == role.name
    {
        return Ok(password);
    }
    let password = postgres::random_password();
    secret::set(
        cx,
        name,
        &[("engine", json!("postgres")), ("username", json!(role.name)), ("password", json!(password))],
    )
    .await?;
    Ok(password)
}

/// Grants what the policy says in one database.
pub async fn grant(
    cx: &Context,
    login: &Login,
    database: &str,
    target: &Target,
    refusals: &mut Refusals,
) -> Result<()> {
    let roles: Vec<&RoleSpec> =
        target.roles.iter().filter(|role| role.databases.iter().any(|name| name == database)).collect();
    if roles.is_empty() {
        return Ok(());
    }
    let client = session(cx, login, database).await?;
    for role in roles {
        let connect = format!("CONNECT ON DATABASE {}", quote(database));
        for grant in std::iter::once(&connect).chain(&role.grants) {
            let statement = format!("GRANT {grant} TO {}", quote(&role.name));
            let shown = format!("{statement}; -- in {database}");
            refusals.run(&client, &statement, &shown).await?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_that_may_not_log_in_has_no_password() {
        let role = |login| RoleSpec {
            name: "app \"dev".into(),
            login,
            secret: None,
            grants: vec![],
            databases: vec![],
        };
        assert_eq!(statement(&role(false), true, None), r#"ALTER ROLE "app ""dev" NOLOGIN PASSWORD NULL"#);
        let statement = statement(&role(true), false, Some("SCRAM-SHA-256$4096:s$k:v"));
        assert_eq!(statement, r#"CREATE ROLE "app ""dev" LOGIN PASSWORD 'SCRAM-SHA-256$4096:s$k:v'"#);
    }
}
