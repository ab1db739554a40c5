//! Updates the extensions and gathers statistics in every database, hot tables first.
//!
//! Changes extension versions (by their update paths) and statistics: what InspectDatabases kept
//! of them is written back where the upgrade has lost it and its schema dropped
//! ([`statistics`](super::statistics)), then `ALTER EXTENSION … UPDATE`, `ANALYZE`; writes
//! `analyze.json` (how long each statement took) under the run's prefix. While it works the master
//! user is a member of the owners whose rights it lacks; a killed run may leave such a membership,
//! which the next one finds there already.
//!
//! Again is harmless: an upgrade ends with a start of the server, and a table that was analysed
//! after the last start is left out, unless it looks as a stage leaves it. A killed run goes on
//! where it was; statistics are written back only where there are none.
//!
//! Nothing to undo.
//!
//! Errors: `OperationFailed` with every table that could not be analysed, why, and the statement to
//! run, after all others were done; `NotReady` when the server goes away in the middle; `Refused`
//! when the login is refused.

use std::{fmt::Write, time::Duration};

use anyhow::Context as _;
use futures::{StreamExt, TryStreamExt, stream};
use runbook::{
    Context, Error, Result, Run, State, aurora,
    aurora::EngineVersion,
    error::Then,
    postgres::{self, Login, query_failed, quote},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    major_upgrade::{
        inspection::{self, Inspection},
        statistics::WrittenBack,
    },
    shared::roles::{self, Of},
};

mod extensions;
mod look;
mod plan;
mod sessions;
mod work;

use extensions::{Left, Updated};
use look::Look;
use plan::Unit;
use sessions::Sessions;
use work::{Failure, Timed, Work};

/// Extensions of an answer, which Step Functions takes up to 262,144 bytes of.
const LISTED: usize = 200;
/// Databases whose extensions and tables are looked at at the same time.
const LOOKING: usize = 4;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RunAnalyze {
    /// The DB cluster identifier.
    pub cluster: String,
    /// The secret with `username` and `password`; RDS's own for the cluster when absent.
    pub secret_arn: Option<String>,
    /// The engine version that the cluster has now.
    #[schemars(with = "String")]
    pub target: EngineVersion,
    /// How many connections analyse at the same time; by default 8, or what half of
    /// `max_connections` allows.
    pub connections: Option<usize>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Analyzed {
    pub summary: String,
    /// Analysed by this run.
    pub tables: usize,
    /// Had statistics from after the upgrade already.
    pub already: usize,
    pub failed: usize,
    pub seconds: u64,
    /// Tables that had statistics to plan by before the first ANALYZE.
    pub planned_by_before: usize,
    /// What of them came from InspectDatabases' record, and when it was there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub written_back: Option<WrittenBack>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub written_back_after_seconds: Option<u64>,
    /// When they had rough statistics, where they got those first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rough_after_seconds: Option<u64>,
    /// When the tables that get nine tenths of the reads had their statistics.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hot_after_seconds: Option<u64>,
    /// Indexes that a changed collation has ordered: ReindexCollations builds them again.
    pub drifted: usize,
    /// At most 200 of each.
    pub extensions: Vec<Updated>,
    pub extensions_left: Vec<Left>,
}

impl State for RunAnalyze {
    const NAME: &'static str = "RunAnalyze";
    type Output = Analyzed;

    async fn reconcile(self, cx: &Context, run: &Run) -> Result<Analyzed> {
        let cluster = aurora::cluster(cx, &self.cluster).await?;
        let login = aurora::login(cx, &cluster, self.secret_arn.as_deref()).await?;
        let before: Option<Inspection> = cx.store.get_json(&inspection::key(&cluster)).await?;
        analyze(cx, run, &login, (before.as_ref(), &self.target, self.connections)).await
    }
}

/// Analyses a server, whether it is a cluster's or not: what was known of it before, the version
/// that it must have, and how many connections shall work.
pub async fn analyze(
    cx: &Context,
    run: &Run,
    login: &Login,
    (before, target, connections): (Option<&Inspection>, &EngineVersion, Option<usize>),
) -> Result<Analyzed> {
    let client = postgres::connect(cx, login, "postgres").await?;
    let (server, room) = server(&client).await?;
    if server < target.major() {
        return Err(Error::NotReady(format!("the server to run {target} (it runs {server})")));
    }
    client
        .batch_execute("SET search_path = pg_catalog; SET default_transaction_read_only = off")
        .await
        .map_err(|error| query_failed("set up a session", &error))?;
    roles::learn_system_roles(&client).await?;
    let memberships = roles::become_member(&client, Of::Owners).await?;
    let lacking = memberships.lacking.clone();
    let databases = postgres::databases(&client).await?;
    let connections = connections.unwrap_or(8).clamp(1, room);
    let sessions = Sessions::new(cx, login, server, room - connections);
    let place = Place { cx, run, login, databases, server, sessions };
    let done = place.analyze(before, connections, &lacking).await;
    memberships.give_back(&client).await?;
    done
}

/// Where the work is.
struct Place<'a> {
    cx: &'a Context,
    run: &'a Run,
    login: &'a Login,
    databases: Vec<String>,
    /// The server's major version.
    server: u32,
    sessions: Sessions<'a>,
}

impl Place<'_> {
    /// `lacking`: owners for whom the master user cannot act.
    async fn analyze(
        &self,
        before: Option<&Inspection>,
        connections: usize,
        lacking: &[String],
    ) -> Result<Analyzed> {
        let (cx, began) = (self.cx, self.cx.clock.now());
        let since = |then: jiff::Timestamp| Duration::try_from(then - began).unwrap_or_default().as_secs();
        let mut all = Look::default();
        let mut looks = stream::iter(self.databases.clone())
            .map(|database: String| look::look(&self.sessions, before, database))
            .buffered(LOOKING);
        while let Some(one) = looks.try_next().await? {
            all.add(one);
        }
        drop(looks);
        let Look { mut updated, mut left, tables, back, drifted } = all;
        let back = (back != WrittenBack::default()).then(|| (back, since(cx.clock.now())));

        let owned = || tables.iter().filter(|table| !table.catalog);
        let already = owned().filter(|table| table.done).count();
        let planned_by_before = owned().filter(|table| !table.bare).count();
        let units = plan::plan(&tables, self.server, connections);
        let planned: usize = units.iter().filter(|unit| unit.phase.counts()).map(Unit::covers).sum();
        let databases = self.databases.len();
        cx.progress
            .say(format!("{planned} tables in {databases} databases to analyse, {already} done already"));
        let outcome = Work::new(cx, &self.sessions, units).run(connections).await?;
        remember(cx, self.run, outcome.over).await?;
        if !outcome.failures.is_empty() {
            let mut text = failed(&outcome.failures, planned);
            text.push_str(&not_acting_for(lacking, &self.login.user));
            return Err(Error::failed(text)
                .changed("statistics and extensions as far as it came")
                .then(Then::Redrive));
        }

        let seconds = since(cx.clock.now());
        let mut summary = summary(planned, already, databases, seconds, &updated, &left);
        if let Some((back, after)) = &back {
            summary.push_str(&written_back(back, *after));
        }
        updated.truncate(LISTED);
        left.truncate(LISTED);
        Ok(Analyzed {
            summary,
            tables: planned,
            already,
            failed: 0,
            seconds,
            planned_by_before,
            written_back_after_seconds: back.as_ref().map(|(_, after)| *after),
            written_back: back.map(|(back, _)| back),
            rough_after_seconds: outcome.rough_done.map(since),
            hot_after_seconds: outcome.hot_done.map(since),
            drifted,
            extensions: updated,
            extensions_left: left,
        })
    }
}

/// For the run's report. A second attempt does only the rest, and must not forget what the first
/// one did.
async fn remember(cx: &Context, run: &Run, over: Vec<Timed>) -> Result<()> {
    let key = format!("{}/analyze.json", run.prefix());
    let mut all: Vec<Timed> = cx.store.get_json(&key).await?.unwrap_or_default();
    all.retain(|one| !over.iter().any(|new| new.database == one.database && new.tables == one.tables));
    all.extend(over);
    cx.store.put_json(&key, &all).await
}

/// Since 16 CREATEROLE reaches only roles that it has ADMIN OPTION on, and one that was made on an
/// older version has nobody who has it
/// (https://www.postgresql.org/docs/16/release-16.html, Migration).
fn not_acting_for(owners: &[String], user: &str) -> String {
    if owners.is_empty() {
        return String::new();
    }
    let grants: Vec<String> =
        owners.iter().map(|owner| format!("\n  GRANT {} TO {};", quote(owner), quote(user))).collect();
    format!(
        "\n\n{user} may not act for these owners. Who has ADMIN OPTION on them can let it:{}",
        grants.concat()
    )
}

/// The server's major version, and how many connections may be taken: half of what is free of
/// reserve.
async fn server(client: &tokio_postgres::Client) -> Result<(u32, usize)> {
    let sql = "SELECT current_setting('server_version_num')::int / 10000, \
    current_setting('max_connections')::int / 2";
    let row =
        client.query_one(sql, &[]).await.map_err(|error| query_failed("ask for the version", &error))?;
    let (version, room): (i32, i32) = (row.get(0), row.get(1));
    let version = u32::try_from(version).context("the server's version")?;
    Ok((version, usize::try_from(room).context("max_connections")?.max(1)))
}

fn summary(
    tables: usize,
    already: usize,
    databases: usize,
    seconds: u64,
    updated: &[Updated],
    left: &[Left],
) -> String {
    let mut text = format!("{tables} tables in {databases} databases analysed in {seconds} s");
    if already > 0 {
        let _ = write!(text, " ({already} had been done before)");
    }
    let _ = write!(text, "; {} extensions updated.", updated.len());
    for extension in left.iter().take(20) {
        let _ = write!(
            text,
            " Extension {} in {} stays at {}: {}. Run: {}",
            extension.name,
            extension.database,
            extension.from,
            extension.reason.trim_end_matches('.'),
            extension.statement
        );
    }
    text
}

fn written_back(back: &WrittenBack, after: u64) -> String {
    let mut text = format!(
        " The upgrade had lost the statistics of {} tables; those of {} columns were back after {after} s, \
        before the first ANALYZE.",
        back.tables, back.columns
    );
    for (reason, columns) in &back.left {
        let _ = write!(text, " {columns} were not: {reason}.");
    }
    text
}

fn failed(failures: &[Failure], planned: usize) -> String {
    let (number, others) = (failures.len(), planned.saturating_sub(failures.len()));
    let mut text = format!(
        "{number} of {planned} tables could not be analysed; the other {others} have their statistics. The \
        cluster is upgraded and in use."
    );
    for failure in failures {
        let _ = write!(
            text,
            "\n\n{}: {}\n  why: {}\n  do:  {};",
            failure.database, failure.statement, failure.reason, failure.statement
        );
    }
    text.push_str(
        "\n\nFix the cause and redrive the execution, or run the statements yourself (as the \
    table's owner): only these tables are tried again.",
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failed_tables_are_named_with_reason_and_statement() {
        let failure = Failure {
            database: "shop".into(),
            statement: "ANALYZE ONLY public.secret".into(),
            reason: "permission denied to analyze \"secret\", skipping it".into(),
        };
        let text = failed(&[failure], 40);
        for part in [
            "1 of 40 tables",
            "other 39",
            "shop: ANALYZE",
            "permission denied",
            "do:  ANALYZE ONLY public.secret;",
        ] {
            assert!(text.contains(part), "{part} is missing in {text}");
        }
    }

    #[test]
    fn owners_that_nobody_may_act_for_are_told_once_with_the_statements() {
        assert_eq!(not_acting_for(&[], "postgres"), "");
        let text = not_acting_for(&["old".into(), "Older".into()], "postgres");
        assert!(text.contains("GRANT \"old\" TO \"postgres\";\n  GRANT \"Older\" TO"), "{text}");
    }

    #[test]
    fn an_extension_that_stays_is_told_in_the_summary() {
        let left = Left {
            database: "shop".into(),
            name: "postgis".into(),
            from: "3.4".into(),
            to: "3.5".into(),
            reason: "PostGIS updates itself".into(),
            statement: "SELECT postgis_extensions_upgrade();".into(),
        };
        let text = summary(10, 2, 3, 4, &[], &[left]);
        assert!(
            text.contains("postgis in shop stays at 3.4") && text.contains("2 had been done before"),
            "{text}"
        );
    }
}
