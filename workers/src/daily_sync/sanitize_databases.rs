//! Cuts every live wire of the quarantined copy and masks every value that the policy does not
//! keep.
//!
//! Changes the copy, and nothing else; writes under the run's prefix `wires.json` (what was cut),
//! `fingerprints.json` (keyed, taken before masking) and `masked.json` (what was masked, which also
//! says that it was).
//!
//! Again is harmless: what is cut is not found again; every table's masking is one transaction with
//! a line in a journal of the database; once `masked.json` is written no table is touched.
//!
//! Nothing undoes it: the copy is thrown away.
//!
//! Errors: `Refused` (no cluster of this run), `Blocked` (the policy does not say what becomes of a
//! column, a table, a database; with the lines to paste), `OperationFailed` (a wire or a table that
//! cannot be done), `NotReady` while the server does not answer.

use std::collections::{BTreeMap, BTreeSet};

use policy::Masking;
use runbook::{
    Context, Error, Finding, Level, Result, Run, State,
    aurora::ResourceId,
    daily_sync,
    postgres::{self, query_failed},
    store::When,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub mod benchmark;
pub mod cut;
pub mod finish;
mod foreign_keys;
mod links;
pub mod mask;
mod nested;
pub mod plan;
mod problems;
mod rules;
pub mod schema;
pub mod sessions;
mod table;
pub mod take_fingerprints;

use super::{
    fingerprints::{self, Fingerprints},
    quarantine::{Quarantined, masking_key},
};
use mask::MaskedTable;
use plan::Plan;
use schema::Schema;
use sessions::Sessions;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SanitizeDatabases {
    /// The quarantined cluster.
    pub cluster: String,
    /// The sync, as the policy names it.
    pub sync: String,
    /// Its DbClusterResourceId.
    #[schemars(with = "String")]
    pub resource_id: ResourceId,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Sanitized {
    pub summary: String,
    /// How many live wires of each kind were cut.
    pub wires: BTreeMap<String, usize>,
    pub tables: usize,
    pub rows: i64,
    pub seconds: u64,
}

/// What `masked.json` holds.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Masked {
    pub resource_id: ResourceId,
    pub tables: Vec<MaskedTable>,
}

impl State for SanitizeDatabases {
    const NAME: &'static str = "SanitizeDatabases";
    type Output = Sanitized;

    async fn reconcile(self, cx: &Context, run: &Run) -> Result<Sanitized> {
        let began = cx.clock.now();
        let copy = Quarantined { cluster: &self.cluster, sync: &self.sync, resource_id: &self.resource_id };
        let login = copy.login(cx, run).await?;
        let policy = daily_sync::policy(cx, run, &self.sync).await?;
        let key = masking_key(cx, &policy.masking).await?;
        let sessions = Sessions { cx, login: &login };
        let _lock = lock(&sessions).await?;

        let exceptions = &policy.masking.exceptions;
        let cut = cut::cut(&sessions, exceptions).await?;
        let all = remember_wires(cx, run, cut).await?;
        let wires = counts(&all);
        let looked = look(&sessions, &policy.masking).await;
        let (plans, databases) = with(cut::unknown(exceptions, &all), looked)?;
        let masked = self.mask_once(&sessions, run, &plans, &key).await?;
        for database in &databases {
            mask::drop_journal(&sessions.open(database).await?).await?;
        }
        let views = finish::finish(&sessions, &databases).await?;

        let rows = masked.iter().map(|table| table.rows).sum();
        let seconds = u64::try_from((cx.clock.now() - began).get_seconds()).unwrap_or_default();
        let cut: usize = wires.values().sum();
        Ok(Sanitized {
            summary: format!(
                "{cut} live wires cut; {} tables with {rows} rows masked, {views} materialised views filled \
                again",
                masked.len()
            ),
            wires,
            tables: masked.len(),
            rows,
            seconds,
        })
    }
}

impl SanitizeDatabases {
    /// Masks, unless `masked.json` says that it was done.
    async fn mask_once(
        &self,
        sessions: &Sessions<'_>,
        run: &Run,
        plans: &[Plan],
        key: &str,
    ) -> Result<Vec<MaskedTable>> {
        let (cx, report) = (sessions.cx, format!("{}/masked.json", run.prefix()));
        if let Some(masked) = cx
            .store
            .get_json::<Masked>(&report)
            .await?
            .filter(|masked| masked.resource_id == self.resource_id)
        {
            return Ok(masked.tables);
        }
        let fingerprints = fingerprints::key(run);
        let taken = cx
            .store
            .get_json::<Fingerprints>(&fingerprints)
            .await?
            .is_some_and(|taken| taken.resource_id == self.resource_id);
        if !taken {
            let fresh = take_fingerprints::take(sessions, plans, key, &self.resource_id).await?;
            cx.store.put_json(&fingerprints, &fresh).await?;
        }
        let tables = mask::mask(sessions, plans, key).await?;
        cx.store
            .put_json(&report, &Masked { resource_id: self.resource_id.clone(), tables: tables.clone() })
            .await?;
        Ok(tables)
    }
}

/// A worker that was given up may still be at work: its session holds this lock until it ends.
async fn lock(sessions: &Sessions<'_>) -> Result<tokio_postgres::Client> {
    let client = sessions.open("postgres").await?;
    let sql = "SELECT pg_try_advisory_lock(hashtext('aurora-runbooks sanitize-databases'))";
    let row = client.query_one(sql, &[]).await.map_err(|error| query_failed("take the lock", &error))?;
    if row.get(0) {
        Ok(client)
    } else {
        Err(Error::NotReady("a former worker to let go of the databases".into()))
    }
}

/// A second attempt finds less, and must not forget what the first one cut.
async fn remember_wires(cx: &Context, run: &Run, cut: Vec<cut::Wire>) -> Result<Vec<cut::Wire>> {
    let key = format!("{}/wires.json", run.prefix());
    let mut all: Vec<cut::Wire> = cx.store.get_json(&key).await?.unwrap_or_default();
    for wire in cut {
        if !all.contains(&wire) {
            all.push(wire);
        }
    }
    cx.store.put_json_when(&key, &all, When::Always).await?;
    Ok(all)
}

/// How many of each kind were cut.
fn counts(wires: &[cut::Wire]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for wire in wires.iter().filter(|wire| wire.kept.is_none()) {
        *counts.entry(wire.kind.as_str().to_owned()).or_default() += 1;
    }
    counts
}

/// What was found before, beside what else a person must decide.
fn with<T>(mut found: Vec<Finding>, looked: Result<T>) -> Result<T> {
    match looked {
        Err(Error::Blocked(others)) => {
            found.extend(others);
            Err(Error::Blocked(found))
        }
        Ok(_) if !found.is_empty() => Err(Error::Blocked(found)),
        looked => looked,
    }
}

/// The plan of every database and all their names, or everything that a person must decide first.
pub async fn look(sessions: &Sessions<'_>, masking: &Masking) -> Result<(Vec<Plan>, Vec<String>)> {
    let client = sessions.open("postgres").await?;
    let names = postgres::databases(&client).await?;
    let mut findings = unreachable(&client, &names, masking).await?;
    let mut plans = Vec::new();
    for database in &names {
        sessions.cx.progress.say(format!("reading the schema of database {database}"));
        let schema = Schema::read(&sessions.open(database).await?).await?;
        match plan::plan(database, &schema, masking.databases.get(database), &masking.exceptions) {
            Ok(plan) => plans.push(plan),
            Err(found) => findings.extend(found),
        }
    }
    if findings.is_empty() { Ok((plans, names)) } else { Err(Error::Blocked(findings)) }
}

/// Databases that nobody can look into, and names in the policy that no database has.
async fn unreachable(
    client: &tokio_postgres::Client,
    names: &[String],
    masking: &Masking,
) -> Result<Vec<Finding>> {
    let all = sessions::texts(
        client,
        "list databases",
        "SELECT datname::text FROM pg_database WHERE datname NOT IN ('template0', 'rdsadmin')",
    )
    .await?;
    let reachable: BTreeSet<&String> = names.iter().collect();
    let closed = all.iter().filter(|name| !reachable.contains(name)).map(|name| Finding {
        check: "unreachable-database".into(),
        level: Level::Block,
        database: None,
        object: name.clone(),
        reason: "it refuses connections, so nobody can tell what it holds; every target would have it".into(),
        remedy:
            "Let it accept connections (ALTER DATABASE … ALLOW_CONNECTIONS true) or drop it, in production."
                .into(),
    });
    let gone = masking.databases.keys().filter(|name| !all.contains(name)).map(|name| Finding {
        check: "unknown-database".into(),
        level: Level::Block,
        database: None,
        object: name.clone(),
        reason: "the policy names a database that does not exist".into(),
        remedy: "Remove it from the policy, or spell it as the cluster does.".into(),
    });
    Ok(closed.chain(gone).collect())
}
