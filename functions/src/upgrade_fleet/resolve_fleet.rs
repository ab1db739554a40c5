//! Finds the clusters of the fleet, leaves out those that an upgrade is not for, and puts the
//! others into waves.
//!
//! Changes: writes `fleet.json`, the list with what was left out and why, into the run's folder.
//! Nothing of any cluster. Again is harmless: it says the same again. Undo: none needed. Errors:
//! `Refused` (input, no such cluster, nothing to upgrade), `NotReady` (AWS does not answer).

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use futures::future::try_join_all;
use policy::Tell;
use runbook::{
    Context, Error, Result, Run, State,
    aurora::{Cluster, EngineVersion, ResourceId},
    error::Then,
    state::{self, friendly_duration, friendly_duration_or_none},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{
    account::Account,
    waves::{Size, default_waves, ends},
};
use crate::{
    major_upgrade::{
        path::{Targets, shortest},
        rehearsed,
        resolve_upgrade::{ResolveUpgrade, upgrade_targets},
    },
    rehearse_upgrade::resolve_rehearsal::ResolveRehearsal,
};

/// What a person gives: which clusters, by `tag` or by `clusters`, and where they go.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[schemars(title = "Input of upgrade-fleet", extend("oneOf" = json!([
    {"required": ["tag"]}, {"required": ["clusters"]}
])))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ResolveFleet {
    /// Every cluster with this tag, as `key=value`: those are upgraded in the order of their names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", regex(pattern = "^[^=]+=.*$"))]
    tag: Option<String>,
    /// DB cluster identifiers, in the order in which they are upgraded.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1, max = 500))]
    clusters: Vec<String>,
    /// A major version such as "18", or an exact one such as "18.4".
    #[schemars(with = "String", regex(pattern = r"^[0-9]+(\.[0-9]+)?$"))]
    target: EngineVersion,
    /// The clusters that come first, whatever their names.
    #[serde(default)]
    canary: Vec<String>,
    /// How many clusters each wave has: a number, or a percentage such as "10%". What is left is
    /// the last wave.
    #[serde(default = "default_waves")]
    #[schemars(with = "Vec<Value>", length(max = 20))]
    waves: Vec<Size>,
    /// How long nothing is begun between two waves, e.g. "1h".
    #[serde(default, skip_serializing_if = "Option::is_none", with = "friendly_duration_or_none")]
    #[schemars(with = "Option<String>")]
    soak: Option<Duration>,
    /// How many are rehearsed or upgraded at a time.
    #[serde(default = "default_at_once")]
    #[schemars(range(min = 1, max = 40))]
    at_once: usize,
    /// When so many have failed, no other is begun.
    #[serde(default = "default_stop_after")]
    #[schemars(range(min = 1, max = 500))]
    stop_after: usize,
    /// Whether every cluster is rehearsed before the first is upgraded.
    #[serde(default = "yes")]
    rehearse: bool,
    /// A rehearsal along the same path that is not older is not made again; "7d" by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(serialize_with = "friendly_duration_or_none::serialize", deserialize_with = "state::age")]
    #[schemars(with = "Option<String>")]
    rehearsed_within: Option<Duration>,
    /// What else each upgrade gets, as the input of major-upgrade has it: parameters, skip, window,
    /// changeCalendars, approval, collations, planRegression, deadline, ….
    #[serde(default)]
    upgrade: Map<String, Value>,
    /// What of the run is told in a message beside that it has succeeded or failed: "started".
    #[serde(default = "policy::default_tell", deserialize_with = "policy::tell")]
    tell: Vec<Tell>,
}

/// An Inline Map runs 40 iterations at once
/// (https://docs.aws.amazon.com/step-functions/latest/dg/state-map-inline.html).
const MOST_AT_ONCE: usize = 40;
/// Each takes 20 events, and each batch of rehearsals or upgrades 12, of a history of 25,000
/// (https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html); a test measures it.
const MOST_CLUSTERS: usize = 500;
/// Records that are read side by side.
const AT_A_TIME: usize = 8;

fn default_at_once() -> usize {
    10
}

fn default_stop_after() -> usize {
    1
}

fn yes() -> bool {
    true
}

/// What SelectWave goes by.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Plan {
    pub summary: String,
    /// How long SelectWave may wait for AWS: as of the upgrades.
    #[serde(with = "friendly_duration")]
    pub deadline: Duration,
    pub tag: Option<String>,
    /// In the order in which they are upgraded.
    pub clusters: Vec<Member>,
    /// By their places in `clusters`: where each wave ends.
    pub waves: Vec<usize>,
    /// The places of those that are not rehearsed: a rehearsal is there, or they are at the target.
    pub rehearsed: BTreeSet<usize>,
    pub soak: u64,
    pub at_once: usize,
    pub stop_after: usize,
    /// The input of each rehearsal and of each upgrade, without the cluster.
    pub rehearsal: Map<String, Value>,
    pub upgrade: Map<String, Value>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Member {
    pub cluster: String,
    /// DbClusterResourceId: another cluster of that name is not meant.
    pub resource_id: ResourceId,
}

/// A line of `fleet.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Listed {
    pub cluster: String,
    pub version: Option<EngineVersion>,
    /// From 1; absent for one that is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wave: Option<usize>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left_out: Option<String>,
}

pub const FLEET: &str = "fleet.json";

impl State for ResolveFleet {
    const NAME: &'static str = "ResolveFleet";
    type Output = Plan;

    async fn reconcile(self, cx: &Context, run: &Run) -> Result<Plan> {
        self.check()?;
        let account = Account::look(cx).await?;
        let targets = upgrade_targets(cx).await?;
        let chosen = self.chosen(&account.clusters)?;
        let (mut due, mut there, mut listed) = (Vec::new(), Vec::new(), Vec::new());
        for cluster in chosen {
            let looked = account.fits(cluster).and_then(|()| self.path(&targets, cluster));
            match looked {
                Ok(path) if path.is_empty() => there.push((cluster, path)),
                Ok(path) => due.push((cluster, path)),
                Err(reason) => listed.push(Listed {
                    cluster: cluster.id.clone(),
                    version: Some(cluster.version.clone()),
                    wave: None,
                    left_out: Some(reason),
                }),
            }
        }
        due.sort_by_key(|(cluster, _)| {
            self.canary.iter().position(|canary| *canary == cluster.id).unwrap_or(usize::MAX)
        });
        self.check_canary(&due, &there)?;
        let mut waves = ends(&self.waves, due.len());
        // What stopped half-way may be at its target, and still lack its statistics: each is looked
        // at again, when nothing else is left to do.
        let upgraded = due.len();
        due.append(&mut there);
        if due.len() > upgraded {
            waves.push(due.len());
        }
        if due.is_empty() {
            return Err(nothing(&listed));
        }
        if due.len() > MOST_CLUSTERS {
            return Err(Error::refused(format!(
                "{} clusters are more than the {MOST_CLUSTERS} of one execution",
                due.len()
            ))
            .fix("give a tag that fewer have"));
        }
        let rehearsed = self.rehearsed(cx, run, &due).await?;
        let left_out = listed.len();
        listed.splice(
            0..0,
            due.iter().enumerate().map(|(place, (cluster, _))| Listed {
                cluster: cluster.id.clone(),
                version: Some(cluster.version.clone()),
                wave: waves.iter().position(|end| place < *end).map(|wave| wave + 1),
                left_out: None,
            }),
        );
        cx.store.put_json(&format!("{}/{FLEET}", run.prefix()), &listed).await?;
        let child = |more: &Map<String, Value>| {
            let mut input = more.clone();
            input.insert("target".into(), json!(self.target));
            input
        };
        let upgrade = child(&self.upgrade);
        let mut rehearsal = child(&self.upgrade);
        rehearsal.retain(|field, _| OF_REHEARSALS.contains(&field.as_str()));
        Ok(Plan {
            summary: self.summary(upgraded, due.len() - upgraded, left_out, &waves),
            deadline: self.of("a")?.deadline,
            tag: self.tag,
            clusters: due
                .into_iter()
                .map(|(cluster, _)| Member {
                    cluster: cluster.id.clone(),
                    resource_id: cluster.resource_id.clone(),
                })
                .collect(),
            waves,
            rehearsed,
            soak: self.soak.unwrap_or_default().as_secs(),
            at_once: self.at_once,
            stop_after: self.stop_after,
            rehearsal,
            upgrade,
        })
    }
}

/// The fields that an upgrade's input and a rehearsal's have in common.
const OF_REHEARSALS: [&str; 6] = ["target", "deadline", "parameters", "skip", "collations", "planRegression"];
/// What a fleet says itself, or what is one cluster's alone.
const NOT_OF_FLEETS: [&str; 5] =
    ["cluster", "target", "rehearse", "secretArn", "AWS_STEP_FUNCTIONS_STARTED_BY_EXECUTION_ID"];

impl ResolveFleet {
    fn check(&self) -> Result<()> {
        let refused = |found: String| Err(Error::refused(found));
        if self.tag.is_some() != self.clusters.is_empty() {
            return refused("the input has to have either tag or clusters".into());
        }
        if let Some(tag) = &self.tag
            && tag.split_once('=').is_none_or(|(key, _)| key.is_empty())
        {
            return refused(format!("tag {tag:?} is not such as \"upgrade=wave-1\""));
        }
        let mut seen = BTreeSet::new();
        if let Some(twice) = self.clusters.iter().find(|cluster| !seen.insert(*cluster)) {
            return refused(format!("clusters: {twice:?} stands there twice"));
        }
        for (field, value, most) in [
            ("atOnce", self.at_once, MOST_AT_ONCE),
            ("stopAfter", self.stop_after, MOST_CLUSTERS),
            ("the length of clusters", self.clusters.len().max(1), MOST_CLUSTERS),
            ("the length of waves", self.waves.len().max(1), 20),
        ] {
            if !(1..=most).contains(&value) {
                return refused(format!("{field} is {value}; it is from 1 to {most}"));
            }
        }
        if self.soak.is_some_and(|soak| soak > Duration::from_hours(7 * 24)) {
            return refused("soak is longer than a week".into());
        }
        // Blue/Green is for a master password that RDS does not manage, a fleet for those that it
        // does.
        if self.upgrade.get("method").is_some_and(|method| *method != json!("in-place")) {
            return refused("upgrade.method: a fleet upgrades in place".into());
        }
        if let Some(field) = NOT_OF_FLEETS.iter().find(|field| self.upgrade.contains_key(**field)) {
            return refused(format!("upgrade.{field} is not for a fleet"));
        }
        for cluster in self.clusters.iter().map(String::as_str).chain(["a"]) {
            self.of(cluster)?.check()?;
        }
        let mut rehearsal = self.upgrade.clone();
        rehearsal.retain(|field, _| OF_REHEARSALS.contains(&field.as_str()));
        rehearsal.extend([("cluster".into(), json!("a")), ("target".into(), json!(self.target))]);
        state::read::<ResolveRehearsal>(Value::Object(rehearsal))
            .map(|_| ())
            .map_err(|why| Error::refused(format!("upgrade: {why}")))
    }

    /// The upgrade of one of the clusters: what it would refuse is refused before the first.
    fn of(&self, cluster: &str) -> Result<ResolveUpgrade> {
        let mut input = self.upgrade.clone();
        input.extend([("cluster".into(), json!(cluster)), ("target".into(), json!(self.target))]);
        state::read(Value::Object(input)).map_err(|why| Error::refused(format!("upgrade: {why}")))
    }

    fn chosen<'a>(&self, all: &'a [Cluster]) -> Result<Vec<&'a Cluster>> {
        if let Some((key, value)) = self.tag.as_ref().and_then(|tag| tag.split_once('=')) {
            let mut chosen: Vec<&Cluster> =
                all.iter().filter(|cluster| cluster.tags.is(key, value)).collect();
            chosen.sort_by(|a, b| a.id.cmp(&b.id));
            return Ok(chosen);
        }
        let by_name: BTreeMap<&str, &Cluster> =
            all.iter().map(|cluster| (cluster.id.as_str(), cluster)).collect();
        let missing: Vec<&str> =
            self.clusters.iter().map(String::as_str).filter(|name| !by_name.contains_key(name)).collect();
        if !missing.is_empty() {
            return Err(Error::refused(format!(
                "clusters: in this account and Region there is no {}",
                missing.join(", ")
            ))
            .fix("give DB cluster identifiers as the RDS console shows them")
            .then(Then::StartAgain));
        }
        Ok(self.clusters.iter().filter_map(|name| by_name.get(name.as_str()).copied()).collect())
    }

    fn path(&self, targets: &Targets, cluster: &Cluster) -> std::result::Result<Vec<EngineVersion>, String> {
        shortest(targets, &cluster.version, &self.target)
            .ok_or_else(|| format!("RDS offers no way from {} to {}", cluster.version, self.target))
    }

    fn check_canary(
        &self,
        due: &[(&Cluster, Vec<EngineVersion>)],
        there: &[(&Cluster, Vec<EngineVersion>)],
    ) -> Result<()> {
        let is_in = |name: &String| due.iter().chain(there).any(|(cluster, _)| cluster.id == *name);
        match self.canary.iter().find(|name| !is_in(name)) {
            Some(name) => Err(Error::refused(format!("canary: {name:?} is none of the fleet's clusters"))
                .fix("name clusters that have the tag, or are in the list, and are not left out")),
            None => Ok(()),
        }
    }

    async fn rehearsed(
        &self,
        cx: &Context,
        run: &Run,
        due: &[(&Cluster, Vec<EngineVersion>)],
    ) -> Result<BTreeSet<usize>> {
        let mut rehearsed = BTreeSet::new();
        for (chunk, few) in due.chunks(AT_A_TIME).enumerate() {
            let looks = few.iter().map(|(cluster, path)| self.is_rehearsed(cx, run, cluster, path));
            let looked = try_join_all(looks).await?;
            let places = looked.into_iter().enumerate().filter(|(_, is_rehearsed)| *is_rehearsed);
            rehearsed.extend(places.map(|(place, _)| chunk * AT_A_TIME + place));
        }
        Ok(rehearsed)
    }

    async fn is_rehearsed(
        &self,
        cx: &Context,
        run: &Run,
        cluster: &Cluster,
        path: &[EngineVersion],
    ) -> Result<bool> {
        if !self.rehearse || path.is_empty() {
            return Ok(true);
        }
        let last = rehearsed::last(cx, run, cluster, path).await?;
        let within = self.rehearsed_within.unwrap_or(Duration::from_hours(7 * 24));
        let age = last.map(|last| cx.clock.now().duration_since(last.rehearsed));
        Ok(age.is_some_and(|age| Duration::try_from(age).unwrap_or_default() <= within))
    }

    fn summary(&self, due: usize, there: usize, left_out: usize, waves: &[usize]) -> String {
        let clusters = |number| match number {
            1 => "1 cluster".to_owned(),
            number => format!("{number} clusters"),
        };
        let waves = waves.iter().filter(|end| **end <= due).count();
        let there = match there {
            0 => String::new(),
            number => format!("; {} looked at that are there", clusters(number)),
        };
        let left_out = match left_out {
            0 => String::new(),
            number => format!("; {number} left out"),
        };
        format!("{} in {waves} waves to {}{there}{left_out}", clusters(due), self.target)
    }
}

fn nothing(left_out: &[Listed]) -> Error {
    let reasons = left_out
        .iter()
        .take(10)
        .map(|one| format!("\n  {}: {}", one.cluster, one.left_out.as_deref().unwrap_or("left out")));
    let found = match left_out.len() {
        0 => "no cluster has the tag".to_owned(),
        number => format!("nothing is left of {number} chosen:{}", reasons.collect::<String>()),
    };
    Error::refused(found).fix("choose clusters that an upgrade is for").then(Then::StartAgain)
}
