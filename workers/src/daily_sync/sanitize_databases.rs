//! Cuts every live wire of the quarantined copy and makes its databases again with every value
//! replaced that the policy does not keep.
//!
//! Changes the copy, and nothing else; writes under the run's prefix `wires.json` (what was cut),
//! `masking.json` (rules and counts, for the report) and `databases/` (of each database what was
//! replaced, with keyed fingerprints; sealed).
//!
//! Again is harmless: what is cut is not found again; a database that is not whole is begun again;
//! one that is whole only gets its name.
//!
//! Nothing undoes it: the copy is thrown away.
//!
//! Errors: `Refused` (no cluster of this run), `Blocked` (what the policy does not say, or says and
//! cannot be done: all of it, with the lines to paste), `OperationFailed` (a wire that cannot be
//! cut, an object that cannot be made again), `NotReady` while the server does not answer.

use std::collections::{BTreeMap, BTreeSet};

use policy::Masking;
use runbook::{
    Context, Error, Finding, Level, Result, Run, State,
    aurora::ResourceId,
    daily_sync::{self, tags::Maker},
    postgres::{self, query_failed, said},
    store::When,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio_postgres::Client;

mod copy_text;
pub mod cut;
mod dump;
mod emptied;
mod expressions;
mod links;
mod lock;
mod masked;
pub mod plan;
mod problems;
pub mod rebuild;
pub mod record;
mod rows;
pub mod schema;
pub mod tables;

use super::replace::Key;
use crate::shared::{
    quarantine::Quarantined,
    seal::{Seal, masking_key},
    sessions::{self, FEWEST_SESSIONS, Lanes, Sessions},
};
use lock::Lock;
use plan::Plan;
use problems::Problems;
use rebuild::{Rebuild, names_again};
use record::{Record, Records};
use schema::Schema;

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
    pub rows: u64,
    pub seconds: u64,
}

impl State for SanitizeDatabases {
    const NAME: &'static str = "SanitizeDatabases";
    type Output = Sanitized;

    async fn reconcile(self, cx: &Context, run: &Run) -> Result<Sanitized> {
        let began = cx.clock.now();
        let maker = Maker::Sync(&self.sync);
        let copy = Quarantined { cluster: &self.cluster, maker, resource_id: &self.resource_id };
        let login = copy.login(cx, run).await?;
        let policy = daily_sync::policy(cx, run, &self.sync).await?;
        let (_, masking) = daily_sync::sanitizing(&policy)?;
        let key = masking_key(cx, masking).await?;
        let sessions = Sessions { cx, login: &login };
        let seal = Seal::new(&key, run, &self.resource_id);
        names_again(&sessions, &seal).await?;
        let lock = Lock::take(&sessions, &seal).await?;

        let exceptions = &masking.exceptions;
        // Before any is cut, too: where an attempt dies in between, the next one must not believe
        // that exceptions of the policy are about nothing.
        remember_wires(cx, run, cut::find_all(&sessions, exceptions).await?).await?;
        let all = remember_wires(cx, run, cut::cut(&sessions, exceptions).await?).await?;
        let wires = counts(&all);
        let records = Records { cx, run, seal: &seal };
        let unknown = cut::unknown(exceptions, &all);
        let lanes = sessions.lanes().await?;
        let done = sanitize(&sessions, masking, unknown, &key, &records, lanes).await?;
        let masked = masked::masked(masking, &done);
        cx.store.put_json(&format!("{}/masking.json", run.prefix()), &masked).await?;
        lock.give_back(&sessions).await?;

        let tables: Vec<_> = done.iter().flat_map(|record| &record.tables).collect();
        let masked = tables.iter().filter(|table| table.masked).count();
        let rows = tables.iter().map(|table| table.rows).sum();
        let seconds = u64::try_from((cx.clock.now() - began).get_seconds()).unwrap_or_default();
        let cut: usize = wires.values().sum();
        let lost: Vec<&str> = done.iter().flat_map(|record| &record.lost).map(String::as_str).collect();
        let lost = if lost.is_empty() {
            String::new()
        } else {
            let first = lost[..lost.len().min(3)].join("; ");
            let more = match lost.len().saturating_sub(3) {
                0 => String::new(),
                more => format!("; and {more} more, in {}/databases", run.prefix()),
            };
            format!("; what the master user may not set is lost: {first}{more}")
        };
        Ok(Sanitized {
            summary: format!(
                "{cut} live wires cut; {} databases with {rows} rows made again, {masked} of their tables \
                 masked{lost}",
                done.len(),
            ),
            wires,
            tables: masked,
            rows,
            seconds,
        })
    }
}

/// All but the wires: every database with anything of people's own in it is made again. What was
/// found before is among all that a person must decide.
pub async fn sanitize(
    sessions: &Sessions<'_>,
    masking: &Masking,
    found: Vec<Finding>,
    key: &str,
    records: &Records<'_>,
    lanes: Lanes,
) -> Result<Vec<Record>> {
    let (key, exceptions) = (Key::new(key), masking.exceptions.as_slice());
    let rebuild = Rebuild { sessions, seal: records.seal, key: &key, exceptions, lanes };
    let mut done = finished(&rebuild, masking, records).await?;
    let before: BTreeSet<String> = done.iter().map(|record| record.database.clone()).collect();
    let plans = with(found, look(sessions, masking).await)?;
    let mut findings = Vec::new();
    for plan in plans.iter().filter(|plan| !before.contains(&plan.database)) {
        match rebuild.make(plan).await? {
            Ok(record) => {
                records.put(&record).await?;
                rebuild.take_over(&plan.database).await?;
                done.push(record.without_marks());
            }
            Err(found) => findings.extend(found),
        }
    }
    if !findings.is_empty() {
        return Err(Error::Blocked(findings));
    }
    for empty in ["postgres", "template1"] {
        if !done.iter().any(|record| record.database == empty) {
            rebuild.make_empty(empty).await?;
        }
    }
    Ok(done)
}

/// The databases that an earlier attempt has made again; one that was whole gets its name now.
async fn finished(rebuild: &Rebuild<'_>, masking: &Masking, records: &Records<'_>) -> Result<Vec<Record>> {
    let client = rebuild.sessions.open("template1").await?;
    let there = sessions::texts(&client, "list databases", "SELECT datname::text FROM pg_database").await?;
    drop(client);
    // One whose name is free for a moment is known from the policy, or every server has it.
    let always = ["postgres".to_owned(), "template1".to_owned()];
    let known: BTreeSet<&String> = masking.databases.keys().chain(&there).chain(&always).collect();
    let mut done = Vec::new();
    for database in known {
        let Some(record) = records.get(database).await? else {
            if !there.contains(database) && there.contains(&rebuild.whole_name(database)) {
                rebuild.take_over(database).await?;
            } else {
                rebuild.begin_again(database).await?;
            }
            continue;
        };
        if there.contains(&rebuild.whole_name(database)) {
            rebuild.take_over(database).await?;
        }
        done.push(record.without_marks());
    }
    Ok(done)
}

/// A second attempt finds less, and must not forget what the first one cut.
async fn remember_wires(cx: &Context, run: &Run, cut: Vec<cut::Wire>) -> Result<Vec<cut::Wire>> {
    let key = format!("{}/wires.json", run.prefix());
    let mut all: Vec<cut::Wire> = cx.store.get_json(&key).await?.unwrap_or_default();
    let mut known: BTreeSet<cut::Wire> = all.iter().cloned().collect();
    all.extend(cut.into_iter().filter(|wire| known.insert(wire.clone())));
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

/// The plan of every database that has anything of people's own, or everything that a person must
/// decide first.
pub async fn look(sessions: &Sessions<'_>, masking: &Masking) -> Result<Vec<Plan>> {
    let client = sessions.open("template1").await?;
    let names = postgres::databases(&client).await?;
    let mut findings = unreachable(&client, &names, masking).await?;
    drop(client);
    let mut plans = Vec::new();
    for database in &names {
        sessions.cx.progress.say(format!("reading the schema of database {database}"));
        let client = sessions.open(database).await?;
        let rules = masking.databases.get(database);
        let row = client.query_one(include_str!("sql/rebuild/holds-objects.sql"), &[]).await;
        let holds: bool = row.map_err(|error| query_failed("look for objects", &error))?.get(0);
        if !holds && rules.is_none() {
            continue;
        }
        if database == "template1" {
            findings.extend(holds.then(in_template));
            continue;
        }
        match plan::plan(database, &Schema::read(&client).await?, rules, &masking.exceptions) {
            Ok(plan) => {
                let mut problems = Problems::new(database);
                expressions::check(&client, &plan, &mut problems).await?;
                match problems.end() {
                    Ok(()) => plans.push(plan),
                    Err(found) => findings.extend(found),
                }
            }
            Err(found) => findings.extend(found),
        }
    }
    if findings.is_empty() { Ok(plans) } else { Err(Error::Blocked(findings)) }
}

fn in_template() -> Finding {
    Finding {
        check: "objects-in-template".into(),
        level: Level::Block,
        database: Some("template1".into()),
        object: "template1".into(),
        reason: "every new database of an environment would begin with what production put there".into(),
        remedy: "Drop it from template1 in production.".into(),
    }
}

/// Databases that nobody can look into, and names in the policy that no database has.
async fn unreachable(client: &Client, names: &[String], masking: &Masking) -> Result<Vec<Finding>> {
    let sql = "SELECT datname::text, datconnlimit FROM pg_database
               WHERE datname NOT IN ('template0', 'rdsadmin')";
    let rows = client.query(sql, &[]).await.map_err(|error| query_failed("list databases", &error))?;
    let all: BTreeMap<String, i32> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    let closed = all.iter().filter_map(|(name, limit)| {
        let (reason, way) = if (0..FEWEST_SESSIONS).contains(limit) {
            (
                format!("its CONNECTION LIMIT of {limit} lets in fewer sessions than this work has"),
                format!("ALTER DATABASE … CONNECTION LIMIT {FEWEST_SESSIONS} or more"),
            )
        } else if !names.contains(name) {
            ("it refuses connections".to_owned(), "ALTER DATABASE … ALLOW_CONNECTIONS true".to_owned())
        } else {
            return None;
        };
        Some(Finding {
            check: "unreachable-database".into(),
            level: Level::Block,
            database: None,
            object: name.clone(),
            reason: format!("{reason}, so nobody can tell what it holds; every target would have it"),
            remedy: format!("Let it accept connections ({way}) or drop it, in production."),
        })
    });
    let gone = masking.databases.keys().filter(|name| !all.contains_key(*name)).map(|name| Finding {
        check: "unknown-database".into(),
        level: Level::Block,
        database: None,
        object: name.clone(),
        reason: "the policy names a database that does not exist".into(),
        remedy: "Remove it from the policy, or spell it as the cluster does.".into(),
    });
    Ok(closed.chain(gone).collect())
}

/// Texts of statements are in the memory and the files of one instance; a snapshot does not carry
/// them. So it is no failure when nobody may reset them.
async fn forget_statements(client: &Client) {
    let function = "SELECT format('SELECT %I.pg_stat_statements_reset()', n.nspname)
                    FROM pg_extension AS e JOIN pg_namespace AS n ON n.oid = e.extnamespace
                    WHERE extname = 'pg_stat_statements'";
    for reset in sessions::texts(client, "look for pg_stat_statements", function).await.unwrap_or_default() {
        if let Err(error) = client.batch_execute(&reset).await {
            tracing::warn!(error = said(&error), "the texts of statements were not reset");
        }
    }
}
