//! Cuts the live wires: what in a restored copy would log in, connect, run, replicate or tell a
//! secret by itself.
//!
//! A kind is a file `sql/wires/<kind>.sql`: a query that finds the wires of its kind and writes the
//! statements that cut each. Where it has a column `text` or `code`, the query only lists, and
//! [`policy::secrets`] decides; `drop` and `rewrite` are then what else the policy may want. Every
//! database is looked at, `postgres` and `template1` too. Nothing that is already cut is found
//! again, so that a second run is harmless. What the policy keeps is listed with its reason.

use std::collections::BTreeMap;

use policy::{Action, Exception, ExceptionKind, secrets};
use runbook::{
    Error, Finding, Level, Result,
    error::Then,
    postgres::{self, failed, is_of_the_moment, query_failed, said},
};
use serde::{Deserialize, Serialize};
use tokio_postgres::{Client, Row, types::FromSqlOwned};

use crate::shared::roles::{self, Of};
use crate::shared::sessions::Sessions;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Scope {
    Database,
    /// Once: roles and the like belong to the whole cluster.
    Cluster,
}

struct Kind {
    name: &'static str,
    scope: Scope,
    sql: &'static str,
}

macro_rules! kinds {
    ($($scope:ident $name:literal),+ $(,)?) => {
        &[$(Kind {
            name: $name,
            scope: Scope::$scope,
            sql: include_str!(concat!("../sql/wires/", $name, ".sql")),
        }),+]
    };
}

/// In this order: first what would run at the others' statements, then what would stand in their
/// way.
const KINDS: &[Kind] = kinds! {
    Database "event-trigger",
    Database "prepared-transaction",
    Database "subscription",
    Cluster "replication-slot",
    Cluster "replication-origin",
    Database "publication",
    Database "replication-extension",
    Database "cron-job",
    Database "scheduler",
    Database "user-mapping",
    Database "foreign-server",
    Database "foreign-data-wrapper",
    Database "aws-extension",
    Database "hook-extension",
    Database "security-label",
    Database "calling-trigger",
    Database "calling-rule",
    Database "secret-in-function",
    Database "secret-in-default",
    Database "secret-in-view",
    Database "secret-in-policy",
    Database "secret-in-comment",
    Database "secret-in-definition",
    Database "security-definer",
    Database "default-privilege",
    Database "public-grant",
    Cluster "external-login",
    Cluster "privileged-member",
    Cluster "privileged-role",
    Cluster "role-admin",
    Cluster "role-setting",
    Cluster "login-role",
};

/// Every kind's name.
pub fn kinds() -> impl Iterator<Item = &'static str> {
    KINDS.iter().map(|kind| kind.name)
}

/// The name of a kind in the table of kinds. Read back, it is looked up there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Name(&'static str);

impl Name {
    pub fn as_str(self) -> &'static str {
        self.0
    }
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let known = kinds().find(|name| *name == text).map(Self);
        known.ok_or_else(|| serde::de::Error::custom(format!("{text:?} is no kind of wire")))
    }
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wire {
    pub kind: Name,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<String>,
    pub object: String,
    /// Why the policy keeps it. What has none was cut.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept: Option<String>,
}

/// Every live wire, as it is before any is cut.
pub async fn find_all(sessions: &Sessions<'_>, exceptions: &[Exception]) -> Result<Vec<Wire>> {
    let cluster = sessions.open("postgres").await?;
    roles::become_member(&cluster, Of::All).await?;
    let databases = postgres::databases(&cluster).await?;
    drop(cluster);
    all(sessions, &databases, exceptions).await
}

/// Cuts everything that the policy does not keep, and answers what there was. What cannot be cut is
/// an error that names it: a copy with a live wire goes nowhere.
pub async fn cut(sessions: &Sessions<'_>, exceptions: &[Exception]) -> Result<Vec<Wire>> {
    let cluster = sessions.open("postgres").await?;
    roles::become_member(&cluster, Of::All).await?;
    let databases = postgres::databases(&cluster).await?;
    let mut wires = Vec::new();
    let mut refusals = BTreeMap::new();
    for (number, database) in databases.iter().enumerate() {
        sessions.cx.progress.say(format!(
            "cutting live wires in database {database} ({} of {})",
            number + 1,
            databases.len()
        ));
        let client = sessions.open(database).await?;
        for kind in KINDS.iter().filter(|kind| kind.scope == Scope::Database) {
            wires.extend(cut_kind(&client, kind, Some(database), exceptions, &mut refusals).await?);
        }
    }
    sessions.cx.progress.say("cutting live wires of the cluster");
    for kind in KINDS.iter().filter(|kind| kind.scope == Scope::Cluster) {
        wires.extend(cut_kind(&cluster, kind, None, exceptions, &mut refusals).await?);
    }
    kill_passwords(&cluster).await?;
    reset_databases(&cluster).await?;
    let mut left = all(sessions, &databases, exceptions).await?;
    left.retain(|wire| wire.kept.is_none());
    if left.is_empty() {
        return Ok(wires);
    }
    let lines = left.iter().map(|wire| {
        let place = wire.database.as_deref().map(|database| format!(" in {database}")).unwrap_or_default();
        let why = refusals
            .get(&(wire.kind, wire.database.clone(), wire.object.clone()))
            .map_or("it came back", String::as_str);
        format!("\n- {} {}{place}: {why}", wire.kind.as_str(), wire.object)
    });
    Err(Error::failed(format!(
        "{} live wires could not be cut, so the copy goes nowhere:{}",
        left.len(),
        lines.collect::<String>()
    ))
    .changed("the copy, which CleanUp deletes")
    .fix(format!(
        "remove them in production, or give its master user the right to do what was refused{}",
        lines_to_paste(&left)
    ))
    .then(Then::StartAgain))
}

/// For what the policy may keep.
fn lines_to_paste(left: &[Wire]) -> String {
    let lines: Vec<_> = left
        .iter()
        .filter_map(|wire| {
            let kind = ExceptionKind::named(wire.kind.as_str())?;
            Some(format!("\n  {}", Exception::line(kind, wire.database.as_deref(), &wire.object)))
        })
        .collect();
    if lines.is_empty() {
        return String::new();
    }
    format!("; or add to the policy, under masking, exceptions, why it stays:{}\n", lines.concat())
}

/// Exceptions of the policy that are about nothing: what they were meant for is cut, or is not
/// kept.
pub fn unknown(exceptions: &[Exception], wires: &[Wire]) -> Vec<Finding> {
    let met = |exception: &&Exception| {
        exception.kind.is_of_the_policy()
            || wires.iter().any(|wire| {
                wire.kind.as_str() == exception.kind.as_str()
                    && wire.database == exception.database
                    && wire.object == exception.object
            })
    };
    let unknown = exceptions.iter().filter(|exception| !met(exception)).map(|exception| {
        let named = |wire: &&Wire| {
            wire.kind.as_str() == exception.kind.as_str() && wire.database == exception.database
        };
        let others: Vec<_> = wires.iter().filter(named).map(|wire| wire.object.as_str()).collect();
        let spelt = match others.as_slice() {
            [] => "there is none of this kind".to_owned(),
            others => format!("those of this kind are: {}", others.join("; ")),
        };
        Finding {
            check: "unknown-exception".into(),
            level: Level::Block,
            database: exception.database.clone(),
            object: format!("{} {}", exception.kind.as_str(), exception.object),
            reason: "the policy makes an exception for something that the copy does not have".into(),
            remedy: format!("Remove it from the policy, or spell it as the run does; {spelt}."),
        }
    });
    unknown.collect()
}

type Refusals = BTreeMap<(Name, Option<String>, String), String>;

/// A wire, and the statements that cut it.
type Cuttable = (Wire, Vec<String>);

async fn find(
    client: &Client,
    kind: &Kind,
    database: Option<&str>,
    exceptions: &[Exception],
) -> Result<Vec<Cuttable>> {
    let rows = client
        .query(kind.sql, &[])
        .await
        .map_err(|error| query_failed(&format!("look for wires of kind {}", kind.name), &error))?;
    let mut found = Vec::new();
    for row in rows.iter().filter(|row| is_wire(row)) {
        let object: String = row.get("object");
        let exception = Exception::of(exceptions, kind.name, database, &object);
        let kept = exception.filter(|exception| exception.action == Action::Keep);
        let statements = match exception.map(|exception| exception.action) {
            None => row.get("cut"),
            Some(Action::Keep) => Vec::new(),
            Some(Action::Drop) => column(row, "drop").unwrap_or_else(|| row.get("cut")),
            Some(Action::Rewrite) => column(row, "rewrite").map(without_secrets).into_iter().collect(),
        };
        let wire = Wire {
            kind: Name(kind.name),
            database: database.map(str::to_owned),
            object,
            kept: kept.map(|exception| exception.reason.clone()),
        };
        found.push((wire, statements));
    }
    Ok(found)
}

/// What the query lists is one, unless it lists texts to be judged.
fn is_wire(row: &Row) -> bool {
    let has = |name| row.columns().iter().any(|column| column.name() == name);
    let judge = |name, find: fn(&str) -> Vec<secrets::Found>| {
        column::<String>(row, name).is_some_and(|text| !find(&text).is_empty())
    };
    if has("code") {
        judge("code", secrets::in_code)
    } else if has("text") {
        judge("text", secrets::in_text)
    } else {
        true
    }
}

/// A column that not every kind has, and not every row.
fn column<T: FromSqlOwned>(row: &Row, name: &str) -> Option<T> {
    row.try_get::<_, Option<T>>(name).ok().flatten()
}

fn without_secrets(statement: String) -> String {
    secrets::redacted(&statement, &secrets::in_code(&statement))
}

async fn cut_kind(
    client: &Client,
    kind: &Kind,
    database: Option<&str>,
    exceptions: &[Exception],
    refusals: &mut Refusals,
) -> Result<Vec<Wire>> {
    let found = find(client, kind, database, exceptions).await?;
    for (wire, statements) in found.iter().filter(|(wire, _)| wire.kept.is_none()) {
        let mut refuse = |why: String| {
            refusals.insert((wire.kind, wire.database.clone(), wire.object.clone()), why);
        };
        if statements.is_empty() {
            refuse("there is no statement that takes it out".into());
        }
        for statement in statements {
            // One by one: some of them may not stand in a transaction with others.
            if let Err(error) = client.batch_execute(statement).await {
                if is_of_the_moment(&error) {
                    return Err(query_failed(&format!("cut {}", kind.name), &error));
                }
                refuse(said(&error));
                client
                    .batch_execute("SET ROLE NONE")
                    .await
                    .map_err(|error| query_failed("become the master user again", &error))?;
                // A subscription that cannot be stopped may still be dropped; a DROP without the
                // former steps may not be tried.
                break;
            }
        }
    }
    Ok(found.into_iter().map(|(wire, _)| wire).collect())
}

async fn all(sessions: &Sessions<'_>, databases: &[String], exceptions: &[Exception]) -> Result<Vec<Wire>> {
    let mut wires = Vec::new();
    for database in databases {
        let client = sessions.open(database).await?;
        for kind in KINDS.iter().filter(|kind| kind.scope == Scope::Database || database == "postgres") {
            let place = (kind.scope == Scope::Database).then_some(database.as_str());
            let found = find(&client, kind, place, exceptions).await?;
            wires.extend(found.into_iter().map(|(wire, _)| wire));
        }
    }
    wires.dedup();
    Ok(wires)
}

/// Settings of databases go with them when they are made again; until then they would be in the way
/// of nobody but us. Who is no superuser may not take back one of a parameter that nobody knows.
async fn reset_databases(client: &Client) -> Result<()> {
    let sql = "SELECT CASE WHEN setrole = 0 THEN format('ALTER DATABASE %I RESET ALL', datname)
                   ELSE format('ALTER ROLE %I IN DATABASE %I RESET ALL',
                       pg_get_userbyid(setrole), datname) END
               FROM pg_db_role_setting AS s JOIN pg_database AS d ON d.oid = s.setdatabase
               WHERE datname <> 'rdsadmin'";
    for row in client.query(sql, &[]).await.map_err(|error| query_failed("look for settings", &error))? {
        let statement: String = row.get(0);
        if let Err(error) = client.batch_execute(&statement).await {
            if is_of_the_moment(&error) {
                return Err(query_failed("reset a database's settings", &error));
            }
            tracing::warn!(error = said(&error), "a database keeps a setting until it is made again");
        }
    }
    Ok(())
}

/// A role that cannot log in may keep a password, and come to life by one ALTER ROLE. Whether it
/// has one only a superuser sees.
async fn kill_passwords(client: &Client) -> Result<()> {
    let sql = "SELECT format('ALTER ROLE %I PASSWORD NULL', rolname) FROM pg_roles
               WHERE rolname !~ '^pg_' AND rolname <> current_user
               AND rolname <> ALL (current_setting('runbook.system_roles')::text[])";
    for row in client.query(sql, &[]).await.map_err(|error| query_failed("look for roles", &error))? {
        let statement: String = row.get(0);
        client
            .batch_execute(&statement)
            .await
            .map_err(|error| failed(&format!("remove a role's password ({statement})"), &error))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_wire_of_ours_is_not_read_back() {
        let wire = r#"[{"kind":"cron-job","database":"shop","object":"job 1"}]"#;
        let read: Vec<Wire> = serde_json::from_str(wire).unwrap();
        assert_eq!(serde_json::to_string(&read).unwrap(), wire);
        for other in [wire.replace("cron-job", "DROP"), wire.replace("\"object\"", "\"cut\":1,\"object\"")] {
            assert!(serde_json::from_str::<Vec<Wire>>(&other).is_err(), "{other}");
        }
    }
}
