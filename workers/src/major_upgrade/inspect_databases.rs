//! Looks in every database for what would stop the upgrade, before anything is changed.
//!
//! Every session that looks is read-only. Writes `runs/<execution>/findings.json` and, when nothing
//! stands in the way, what the upgrade forgets (size, scans and rows of every table) to
//! `upgrades/<resource id>/inspection.json`. Then, for a target of 18 or later, it changes one
//! thing in each database: the schema `aurora_runbooks_statistics`, a copy of what the planner
//! knows ([`statistics`](super::statistics)), which RunAnalyze drops. While it copies, the master
//! user is a member of the owners whose rights it lacks; a killed run may leave such a membership.
//! It stands here, long before ModifyClusterVersion, because statistics age slowly and a state
//! between would be one more that can stop an upgrade; a database without a copy stops nothing.
//!
//! Again is harmless: it looks and copies again. After a hop it keeps the workload and, where the
//! hop has forgotten them, the statistics that were recorded before.
//!
//! Undo, when no upgrade follows: in each database `DROP SCHEMA aurora_runbooks_statistics
//! CASCADE`.
//!
//! Errors: `Blocked` with every finding that a person must fix or skip with a reason; `Refused`
//! when the login is refused; `NotReady` while the server does not answer.

use futures::{StreamExt, TryStreamExt, stream};
use runbook::{
    Context, Error, Finding, Level, Result, Run, SkippedFinding, State,
    aurora::{self, EngineVersion},
    error::judge,
    major_upgrade::Method,
    postgres::{self, Login, query_failed},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio_postgres::Client;

use crate::major_upgrade::{
    inspection::{self, Inspection, open, server_version},
    statistics,
};

mod blue_green;
mod check;
mod checks;
mod target_lacks;

use check::{Hop, Scope};
use checks::CHECKS;
use target_lacks::Lacks;

/// Databases that are looked at at the same time: enough to hide round trips, too few to be felt.
const CONNECTIONS: usize = 4;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct InspectDatabases {
    /// The DB cluster identifier.
    pub cluster: String,
    /// The secret with `username` and `password`; RDS's own for the cluster when absent.
    pub secret_arn: Option<String>,
    /// The engine version that the cluster has.
    #[schemars(with = "String")]
    pub from: EngineVersion,
    /// The engine version that it shall get, in the end.
    #[schemars(with = "String")]
    pub target: EngineVersion,
    /// Findings that shall not block, each with a reason.
    #[serde(default)]
    pub skip: Vec<SkippedFinding>,
    /// By Blue/Green, more must be in order, and nothing is written: a new schema is a change that
    /// green would not follow.
    #[serde(default)]
    pub method: Method,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Inspected {
    pub summary: String,
    pub databases: usize,
    pub tables: usize,
    pub warnings: usize,
    /// Databases that keep the planner's statistics for RunAnalyze.
    pub statistics_kept: usize,
    /// Keys in the run bucket.
    pub findings: String,
    pub inspection: String,
}

impl State for InspectDatabases {
    const NAME: &'static str = "InspectDatabases";
    type Output = Inspected;

    async fn reconcile(self, cx: &Context, run: &Run) -> Result<Inspected> {
        let cluster = aurora::cluster(cx, &self.cluster).await?;
        let login = aurora::login(cx, &cluster, self.secret_arn.as_deref()).await?;
        let client = open(cx, &login, "postgres").await?;
        let version = server_version(&client).await?;
        let blue_green = self.method == Method::BlueGreen;
        let hop = Hop { from: version.major(), to: self.target.major(), blue_green };
        let databases = postgres::databases(&client).await?;

        let found = match hop.from < hop.to || blue_green {
            true => find(cx, &login, &client, &databases, hop).await?,
            false => Vec::new(),
        };
        let (findings, blocking) = judge(found, &self.skip);
        let findings_key = format!("{}/findings.json", run.prefix());
        cx.store.put_json(&findings_key, &findings).await?;
        if !blocking.is_empty() {
            return Err(Error::Blocked(blocking));
        }

        let looked = record(cx, &login, &databases).await?;
        let key = inspection::key(&cluster);
        let fresh = Inspection {
            source_version: version,
            target: self.target.clone(),
            inspected: cx.clock.now(),
            databases: looked,
        };
        let kept = fresh.merge(cx.store.get_json(&key).await?);
        cx.store.put_json(&key, &kept).await?;

        let carried = hop.from < hop.to && hop.to >= statistics::SINCE && !blue_green;
        let without = match carried {
            true => keep_statistics(cx, &login, &databases).await?,
            false => Vec::new(),
        };
        let warnings = findings.iter().filter(|finding| finding.level == Level::Warn).count();
        let mut summary = summary(&self, &findings, databases.len(), kept.tables());
        summary.push_str(&not_kept(&without));
        Ok(Inspected {
            summary,
            databases: databases.len(),
            tables: kept.tables(),
            warnings,
            statistics_kept: if carried { databases.len() - without.len() } else { 0 },
            findings: findings_key,
            inspection: key,
        })
    }
}

/// Everything that every check finds, in the order of the table of checks.
async fn find(
    cx: &Context,
    login: &Login,
    client: &Client,
    databases: &[String],
    hop: Hop,
) -> Result<Vec<Finding>> {
    let lacks = Lacks::of(hop.to);
    let of_upgrade: &[check::Check] = if hop.from < hop.to { CHECKS } else { &[] };
    let all = || of_upgrade.iter().chain(blue_green::CHECKS);
    let applying = || all().filter(move |check| (check.applies)(hop));
    let mut found = Vec::from_iter(beyond(hop));
    for check in applying().filter(|check| check.scope == Scope::Cluster) {
        found.extend(check.run(client, "postgres", &lacks).await?);
    }
    let in_databases: Vec<Vec<Finding>> = stream::iter(databases.iter().cloned().enumerate())
        .map(|(index, database): (usize, String)| {
            let lacks = &lacks;
            async move {
                cx.progress.say(format!(
                    "checking database {database} ({} of {})",
                    index + 1,
                    databases.len()
                ));
                let client = open(cx, login, &database).await?;
                let mut found = Vec::new();
                for check in applying().filter(|check| check.scope == Scope::Database) {
                    found.extend(check.run(&client, &database, lacks).await?);
                }
                Ok::<_, Error>(found)
            }
        })
        .buffered(CONNECTIONS)
        .try_collect()
        .await?;
    found.extend(in_databases.into_iter().flatten());
    found.retain(|finding| !hop.blue_green || !blue_green::is_of_rds(finding));
    let place = |finding: &Finding| all().position(|check| check.slug == finding.check);
    found.sort_by_key(place);
    Ok(found)
}

/// Nothing is known of what a version lacks that came after the lists.
fn beyond(hop: Hop) -> Option<Finding> {
    (hop.to > target_lacks::NEWEST).then(|| Finding {
        check: "newer-than-known".to_owned(),
        level: Level::Warn,
        database: None,
        object: format!("PostgreSQL {}", hop.to),
        reason: format!(
            "what it no longer has (catalog columns, parameters, extensions) is known here up to {} only",
            target_lacks::NEWEST
        ),
        remedy: "upgrade a clone first, and read its release notes".to_owned(),
    })
}

async fn record(
    cx: &Context,
    login: &Login,
    databases: &[String],
) -> Result<std::collections::BTreeMap<String, inspection::Database>> {
    stream::iter(databases.iter().cloned().enumerate())
        .map(|(index, database): (usize, String)| async move {
            cx.progress.say(format!(
                "recording tables of database {database} ({} of {})",
                index + 1,
                databases.len()
            ));
            let client = open(cx, login, &database).await?;
            client
                .batch_execute(inspection::QUICK)
                .await
                .map_err(|error| query_failed("set up a session", &error))?;
            let looked =
                inspection::look(&client, cx.clock, inspection::counting(databases.len()), &database).await?;
            Ok((database, looked))
        })
        .buffered(CONNECTIONS)
        .try_collect()
        .await
}

/// The databases whose statistics are not kept, and why.
async fn keep_statistics(cx: &Context, login: &Login, databases: &[String]) -> Result<Vec<(String, String)>> {
    let keep = stream::iter(databases.iter().cloned().enumerate())
        .map(|(index, database): (usize, String)| async move {
            let number = databases.len();
            cx.progress.say(format!("keeping statistics of database {database} ({} of {number})", index + 1));
            let why_not = statistics::keep(cx, login, &database).await?;
            Ok::<_, Error>(why_not.map(|reason| (database, reason)))
        })
        .buffered(CONNECTIONS)
        .try_collect::<Vec<_>>();
    let kept = statistics::acting_for_owners(cx, login, keep).await?;
    Ok(kept.into_iter().flatten().collect())
}

fn not_kept(without: &[(String, String)]) -> String {
    if without.is_empty() {
        return String::new();
    }
    let reasons: Vec<String> =
        without.iter().take(5).map(|(database, reason)| format!("{database} ({reason})")).collect();
    format!(
        " The planner's statistics are not kept, but gathered after the upgrade, in {} databases: {}.",
        without.len(),
        reasons.join(", ")
    )
}

fn summary(input: &InspectDatabases, findings: &[Finding], databases: usize, tables: usize) -> String {
    let warnings = findings.iter().filter(|finding| finding.level == Level::Warn).count();
    let mut text = format!(
        "Nothing stands in the way from {} to {}: {databases} databases with {tables} tables inspected, \
        {warnings} warnings.",
        input.from, input.target
    );
    let unused: Vec<&str> = input
        .skip
        .iter()
        .filter(|skip| !findings.iter().any(|finding| skip.names(finding)))
        .map(|skip| skip.finding.as_str())
        .collect();
    if !unused.is_empty() {
        text.push_str(&format!(" Not found, though to be skipped: {}.", unused.join(", ")));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hop(from: u32, to: u32) -> Hop {
        Hop { from, to, blue_green: false }
    }

    fn skip(finding: &str) -> SkippedFinding {
        SkippedFinding { finding: finding.to_owned(), reason: "the consumer starts again".to_owned() }
    }

    #[test]
    fn a_target_that_the_lists_do_not_know_is_told() {
        assert!(beyond(hop(16, 18)).is_none());
        assert_eq!(beyond(hop(17, 19)).unwrap().level, Level::Warn);
    }

    #[test]
    fn a_database_whose_statistics_are_not_kept_is_told_with_the_reason() {
        assert_eq!(not_kept(&[]), "");
        let text = not_kept(&[("shop".into(), "somebody else has a schema of that name".into())]);
        assert!(text.contains("in 1 databases: shop (somebody else"), "{text}");
    }

    #[test]
    fn a_skip_that_matches_nothing_is_told() {
        let input = InspectDatabases {
            cluster: "orders".into(),
            secret_arn: None,
            from: "16.14".parse().unwrap(),
            target: "18.4".parse().unwrap(),
            skip: vec![skip("logical-slot:shop/gone")],
            method: Method::InPlace,
        };
        assert!(summary(&input, &[], 2, 20).contains("logical-slot:shop/gone"));
    }
}
