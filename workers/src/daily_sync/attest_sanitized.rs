//! Checks that the quarantined copy holds no original value and no live wire, and attests it.
//!
//! Changes nothing in the copy. Writes `attestations/<DbClusterResourceId>.json`, bound to this
//! run, and tags the cluster with the run that attested it. It shares no query with the state that
//! masks: a mistake there does not prove itself right.
//!
//! Again is harmless: it looks again.
//!
//! Nothing to undo; an attestation is only worth something for this run.
//!
//! Errors: `OperationFailed` with every place where something is left; `Refused` (no cluster of
//! this run, or it was not sanitised); `NotReady` while the server does not answer.

use policy::Masking;
use runbook::{
    Context, Error, Result, Run, State,
    aurora::{self, ResourceId},
    daily_sync::{
        self,
        attestation::{self, Attestation},
        tags::{self, Maker},
    },
    error::{Then, aws},
    postgres::{self, Login, query_failed},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

pub mod cluster;
pub mod coverage;
mod heaps;
mod marks;
mod password;
pub mod places;
pub mod survivors;
pub mod wires;

use cluster::Quarantine;

use super::sanitize_databases::record::{Record, Records};
use crate::shared::{
    quarantine::Quarantined,
    seal::{Seal, masking_key},
    sessions::{Lanes, Sessions, texts},
};
use marks::Marker;
use survivors::Search;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AttestSanitized {
    /// The quarantined cluster.
    pub cluster: String,
    /// The sync, as the policy names it.
    pub sync: String,
    /// Its DbClusterResourceId.
    #[schemars(with = "String")]
    pub resource_id: ResourceId,
    /// The security groups that the workers have, and nobody else.
    pub worker_security_groups: Vec<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Attested {
    pub summary: String,
    /// The attestation's key in the run bucket.
    pub attestation: String,
    /// What was counted, as the attestation has it.
    pub counts: Value,
}

impl State for AttestSanitized {
    const NAME: &'static str = "AttestSanitized";
    type Output = Attested;

    async fn reconcile(self, cx: &Context, run: &Run) -> Result<Attested> {
        let maker = Maker::Sync(&self.sync);
        let copy = Quarantined { cluster: &self.cluster, maker, resource_id: &self.resource_id };
        let login = copy.login(cx, run).await?;
        let policy = daily_sync::policy(cx, run, &self.sync).await?;
        let (quarantine, masking) = daily_sync::sanitizing(&policy)?;
        let key = masking_key(cx, masking).await?;
        let seal = Seal::new(&key, run, &self.resource_id);
        let records = Records { cx, run, seal: &seal };
        let found = aurora::cluster(cx, &self.cluster).await?;
        let quarantine = Quarantine { policy: quarantine, workers: &self.worker_security_groups };
        let mut wrong = quarantine.look(cx, run, &found, &login).await?;
        let lanes = Sessions { cx, login: &login }.lanes().await?;
        let seen = look(cx, &login, masking, &records, &key, lanes).await?;
        wrong.extend(seen.wrong);
        if !wrong.is_empty() {
            return Err(Error::failed(format!(
                "the copy is not sanitised, so nothing is made of it; {} things are wrong:\n- {}",
                wrong.len(),
                wrong.join("\n- ")
            ))
            .changed("nothing; CleanUp deletes the copy")
            .fix("let the policy cover what is named, or set the quarantine up as it says")
            .then(Then::StartAgain));
        }
        let attestation = Attestation {
            execution: run.execution.clone(),
            resource_id: self.resource_id.clone(),
            attested: cx.clock.now(),
            counts: seen.counts.clone(),
        };
        cx.store.put_json(&attestation::key(&self.resource_id), &attestation).await?;
        let tag = tags::tag(tags::ATTESTED_RUN, run.name());
        let add = cx.rds.add_tags_to_resource().resource_name(found.arn.as_str()).tags(tag);
        add.send().await.map_err(aws("rds:AddTagsToResource"))?;
        let attestation = attestation::key(&self.resource_id);
        Ok(Attested { summary: seen.summary, attestation, counts: seen.counts })
    }
}

pub struct Seen {
    pub summary: String,
    pub wrong: Vec<String>,
    pub counts: Value,
}

/// Everything that the databases themselves show.
pub async fn look(
    cx: &Context,
    login: &Login,
    masking: &Masking,
    records: &Records<'_>,
    key: &str,
    lanes: Lanes,
) -> Result<Seen> {
    let sessions = Sessions { cx, login };
    let databases = postgres::databases(&sessions.open("template1").await?).await?;
    let lanes = lanes.within(least_connections(&sessions).await?);
    let coverage = coverage::check(&sessions, masking, &databases).await?;
    let (mut made, strange) = made_by_this_run(&sessions, &databases, records).await?;
    let all = made.iter().flat_map(|record| record.fingerprints.iter().chain(&record.emptied));
    let looked_for: usize = all.map(|fingerprint| fingerprint.marks.len()).sum();
    let mut places = Vec::new();
    for record in &mut made {
        places.extend(places::places(&sessions, masking, record).await?);
    }
    places.sort_by(|one, other| one.taken.place.cmp(&other.taken.place));
    let telling = survivors::telling(&places, &made);
    let (cx, login, marker) = (cx.clone(), login.clone(), Marker::new(key));
    let search = Search { cx, login, marker, places, telling };
    let survivors = search.everywhere(&databases, lanes).await?;
    // Last: whatever ran until now can have made one.
    let wires = wires::find(&sessions, &databases, &masking.exceptions).await?;
    let live: usize = wires.values().map(Vec::len).sum();
    let wrong = wires
        .into_iter()
        .flat_map(|(kind, objects)| {
            objects.into_iter().map(move |object| format!("a live wire, {kind}: {object}"))
        })
        .chain(coverage.wrong)
        .chain(strange)
        .chain(survivors.found)
        .collect();
    let summary = format!(
        "0 of {} original values found again in {} looked-at values, {live} live wires, all {} columns have \
        a rule",
        looked_for, survivors.values, coverage.columns
    );
    let counts = json!({
        "databases": databases.len(),
        "columns": coverage.columns,
        "fingerprints": looked_for,
        "values": survivors.values,
        "liveWires": live,
    });
    Ok(Seen { summary, wrong, counts })
}

/// The least CONNECTION LIMIT of all databases, or -1.
async fn least_connections(sessions: &Sessions<'_>) -> Result<i32> {
    let ask = "SELECT coalesce(min(datconnlimit) FILTER (WHERE datconnlimit > 0), -1) FROM pg_database";
    let row = sessions.open("template1").await?.query_one(ask, &[]).await;
    Ok(row.map_err(|error| query_failed("ask for the databases' connections", &error))?.get(0))
}

/// The records of all databases; one that holds anything and was not made by this run is wrong, and
/// so is what only an older table can have.
async fn made_by_this_run(
    sessions: &Sessions<'_>,
    databases: &[String],
    records: &Records<'_>,
) -> Result<(Vec<Record>, Vec<String>)> {
    let (mut made, mut wrong) = (Vec::new(), Vec::new());
    for database in databases {
        let client = sessions.open(database).await?;
        let ask = "SELECT oid FROM pg_database WHERE datname = current_database()";
        let row =
            client.query_one(ask, &[]).await.map_err(|error| query_failed("ask for a database", &error))?;
        let oid: u32 = row.get(0);
        match records.get(database).await? {
            Some(record) if record.oid == oid && record.database == *database => {
                let theirs = include_str!("sql/attest/of-extensions.sql");
                let now = texts(&client, "look for tables of extensions", theirs).await?;
                let strange = now.into_iter().filter(|table| !record.of_extensions.contains(table));
                let said = |table| format!("{database}: {table} hides in an extension that did not make it");
                wrong.extend(strange.map(said));
                made.push(record);
            }
            _ => {
                let any = include_str!("sql/attest/anything.sql");
                let there = texts(&client, "look for objects", any).await?;
                if !there.is_empty() {
                    wrong.push(format!("database {database} was not made again by this run"));
                }
            }
        }
        let left = texts(&client, "look for leftovers", include_str!("sql/attest/leftovers.sql")).await?;
        wrong.extend(left.into_iter().map(|left| format!("{database}: {left}")));
    }
    Ok((made, wrong))
}
