//! Keeps production's most expensive queries on the clone, with their plans before the upgrade.
//!
//! Of production it reads pg_stat_statements, which a clone does not have, and the catalog, in
//! sessions that can only read. Changes: on the clone, the schema `aurora_runbooks_plans` of each
//! database that such a query ran in, and of `postgres`. While it works the master user is a member
//! of the roles that ran them; a killed run may leave such a membership.
//!
//! Again is harmless: it begins from nothing. Nothing to undo: the clone goes with the rehearsal.
//!
//! Errors: `Refused` when the clone is not this run's, or a login is refused; `OperationFailed`
//! when the clone takes no schema of ours; `NotReady` when a server goes away in the middle.

use std::{collections::BTreeMap, fmt::Write};

use runbook::{
    Context, Error, Result, Run, State,
    aurora::{self, Cluster},
    daily_sync::tags,
    error::Then,
    major_upgrade::MANAGED_BY,
    postgres::{self, Login, is_of_the_moment, query_failed, said},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio_postgres::Client;

use super::{
    explain::{Planner, reads_a_table},
    record::{self, Kept},
    statements::{self, Statement},
};
use crate::shared::roles::{self, Of};

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CapturePlans {
    /// The DB cluster identifier of production.
    pub cluster: String,
    /// The DB cluster identifier of the clone that this run made.
    pub clone: String,
    /// The secret with `username` and `password` for production; RDS's own for the cluster when
    /// absent.
    pub secret_arn: Option<String>,
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Captured {
    pub summary: String,
    /// Queries with a plan.
    pub explained: usize,
    /// Queries without one; ComparePlans names them with their reasons.
    pub unexplained: usize,
    /// Queries that read no table but the catalog's, such as monitoring's. They are left out.
    pub without_tables: usize,
    /// Why there are fewer than one would expect.
    pub notes: Vec<String>,
}

impl State for CapturePlans {
    const NAME: &'static str = "CapturePlans";
    type Output = Captured;

    async fn reconcile(self, cx: &Context, run: &Run) -> Result<Captured> {
        let clone = our_clone(cx, run, &self.clone).await?;
        let cluster = aurora::cluster(cx, &self.cluster).await?;
        let production = aurora::login(cx, &cluster, self.secret_arn.as_deref()).await?;
        let clone = aurora::login(cx, &clone, None).await?;
        capture(cx, &production, &clone).await
    }
}

/// The clone, when this run made it: on no other cluster a schema is made or a role granted.
pub async fn our_clone(cx: &Context, run: &Run, id: &str) -> Result<Cluster> {
    let clone = aurora::cluster(cx, id).await?;
    let (managed_by, us) = MANAGED_BY;
    if clone.tags.is(managed_by, us) && clone.tags.is(tags::EXECUTION, run.name()) {
        return Ok(clone);
    }
    Err(Error::refused(format!("{id} is not the clone of this run: its tags do not say so"))
        .then(Then::StartAgain))
}

/// From one server to another, whether they are clusters' or not.
pub async fn capture(cx: &Context, production: &Login, clone: &Login) -> Result<Captured> {
    let (statements, notes) = match statements::read(cx, production).await? {
        Ok(statements) => (statements, Vec::new()),
        Err(why) => (Vec::new(), vec![why]),
    };
    let main = record::session(cx, clone, "postgres").await?;
    record::begin(&main).await?;
    let mut done = Captured { notes, ..Captured::default() };
    let mut by_database: BTreeMap<String, Vec<(i32, Statement)>> = BTreeMap::new();
    for (number, statement) in (1..).zip(statements) {
        by_database.entry(statement.database.clone()).or_default().push((number, statement));
    }
    roles::learn_system_roles(&main).await?;
    let memberships = roles::become_member(&main, Of::All).await?;
    let kept = keep(cx, clone, &main, by_database, &mut done).await;
    memberships.give_back(&main).await?;
    record::end(&main, kept?.iter(), &done.notes).await?;
    done.summary = summary(&done);
    Ok(done)
}

/// The databases that have queries now.
async fn keep(
    cx: &Context,
    clone: &Login,
    main: &Client,
    by_database: BTreeMap<String, Vec<(i32, Statement)>>,
    done: &mut Captured,
) -> Result<Vec<String>> {
    let there = postgres::databases(main).await?;
    let mut databases = Vec::new();
    for (database, statements) in by_database {
        let number = statements.len();
        if !there.contains(&database) {
            done.notes.push(format!("{number} queries are of {database}, which the clone does not have"));
            continue;
        }
        cx.progress.say(format!("plans of {number} queries in database {database}"));
        let planner = Planner::connect(cx, clone, &database).await?;
        let mut queries = Vec::new();
        for (number, statement) in statements {
            let before = match (&statement.text, statement.unread) {
                (Some(text), None) => planner.explain(&statement.role, text).await?,
                (_, why) => Err(why.unwrap_or("it has no text").to_owned()),
            };
            if before.as_ref().is_ok_and(|plan| !reads_a_table(plan)) {
                done.without_tables += 1;
                continue;
            }
            let Statement { role, calls, milliseconds, text, .. } = statement;
            queries.push(Kept { number, role, calls, milliseconds, text, before });
        }
        let client = record::session(cx, clone, &database).await?;
        match record::keep(&client, &queries).await {
            Ok(()) => {
                let explained = queries.iter().filter(|query| query.before.is_ok()).count();
                done.explained += explained;
                done.unexplained += queries.len() - explained;
                databases.push(database);
            }
            Err(error) if is_of_the_moment(&error) => {
                return Err(query_failed(&format!("keep the queries of {database}"), &error));
            }
            Err(error) => done.notes.push(format!("{number} queries of {database}: {}", said(&error))),
        }
    }
    Ok(databases)
}

fn summary(done: &Captured) -> String {
    let mut text = format!("{} queries with their plans are kept", done.explained);
    if done.unexplained > 0 {
        let _ = write!(text, "; {} cannot be planned", done.unexplained);
    }
    for note in &done.notes {
        let _ = write!(text, "; {note}");
    }
    text.push('.');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_says_what_is_not_compared_and_why() {
        let done =
            Captured { explained: 7, unexplained: 2, notes: vec!["because".into()], ..Captured::default() };
        assert_eq!(summary(&done), "7 queries with their plans are kept; 2 cannot be planned; because.");
    }
}
