//! Where the clients of a sync's targets are led: by name, by DNS, and by secret.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use runbook::daily_sync::{attestation::Attestation, tags};
use sandbox::{
    environments::{DEV, SUPPORT},
    rds::model::{Cluster, World},
    sandbox::BUCKET,
};
use serde_json::Value;

use crate::faults::{
    lineage::Lineage,
    observer::{Breaches, Invariant, Places, Seen, token},
};

/// The swap's own window (functions/src/daily_sync/swap.rs), and the rename that gives the name
/// back.
const LONGEST: SignedDuration = SignedDuration::from_mins(30);

pub struct Targets {
    watched: bool,
    /// What stood there before the run.
    yesterdays: BTreeSet<String>,
    /// The clusters that PrepareTarget has answered for.
    prepared: BTreeSet<String>,
    /// Since when a target that has led somewhere leads nowhere.
    empty: BTreeMap<&'static str, Timestamp>,
    has_led: BTreeSet<&'static str>,
}

impl Targets {
    pub fn of(places: &Places, there: bool) -> Self {
        let mut targets = Self {
            watched: places.rds.look(|world| world.subnet_groups.contains_key("dev")),
            yesterdays: BTreeSet::new(),
            prepared: BTreeSet::new(),
            empty: BTreeMap::new(),
            has_led: BTreeSet::new(),
        };
        if there {
            targets.yesterdays = leads(places).into_iter().filter_map(|(_, id)| id).collect();
            assert_eq!(targets.yesterdays.len(), 2, "yesterday's targets stand");
        }
        targets
    }

    pub fn prepared(&mut self, places: &Places, call: &Seen<'_>) {
        if call.principal != "prepare-target" || call.action != "SendTaskSuccess" {
            return;
        }
        let said = token(call.form);
        let tasks = places.ecs.tasks();
        let task = tasks.iter().find(|task| task.environment.get("TASK_TOKEN") == said.as_ref());
        let input = task.and_then(|task| task.environment.get("INPUT"));
        let input = input.and_then(|input| serde_json::from_str::<Value>(input).ok());
        self.prepared.extend(input.and_then(|input| input["resourceId"].as_str().map(str::to_owned)));
    }

    pub fn check(&mut self, places: &Places, lineage: &Lineage, now: Timestamp, breaches: &mut Breaches) {
        if !self.watched {
            return;
        }
        for (target, leads_to) in leads(places) {
            let Some(id) = leads_to else {
                if !self.has_led.contains(target) {
                    continue;
                }
                let since = *self.empty.entry(target).or_insert(now);
                if now.duration_since(since) > LONGEST {
                    breaches.add(Invariant::NameLeads, format!("{target} leads nowhere since {since}"));
                }
                continue;
            };
            self.empty.remove(target);
            self.has_led.insert(target);
            if lineage.is_raw(&id) {
                breaches.add(Invariant::StableName, format!("{target} leads to the raw cluster {id}"));
            } else if !self.yesterdays.contains(&id)
                && let Err(saw) = places.rds.look(|world| self.is_finished(places, world, &id))
            {
                breaches.add(Invariant::StableName, format!("{target} leads to {saw}"));
            }
        }
    }

    fn is_finished(&self, places: &Places, world: &World, id: &str) -> Result<(), String> {
        let cluster = world.clusters.get(id).ok_or_else(|| format!("{id}, which is gone"))?;
        let Cluster { id: name, tags, .. } = cluster;
        let attested = tags.get(tags::ATTESTED_RESOURCE).and_then(|resource| {
            let kept = places.s3.get(BUCKET, &format!("attestations/{resource}.json"))?;
            serde_json::from_slice::<Attestation>(&kept).ok()
        });
        let run = tags.get(tags::EXECUTION).cloned().unwrap_or_default();
        // What another account has attested, each run accepts again, and writes over what the
        // former one wrote.
        let by_its_run = attested.is_some_and(|kept| {
            kept.execution.as_str().ends_with(&format!(":{run}")) || kept.counts.get("accepted").is_some()
        });
        if !by_its_run {
            return Err(format!("{name}, which its run {run} has not attested"));
        }
        let members = world.members(id);
        if members.is_empty() || members.iter().any(|member| member.status == "creating") {
            return Err(format!("{name}, whose instance is not there"));
        }
        let own_password = cluster.secret.as_ref().is_some_and(|secret| secret.status == "active");
        if !own_password || cluster.pending.password {
            return Err(format!("{name}, which another's password opens"));
        }
        if !self.prepared.contains(id) {
            return Err(format!("{name}, which was not prepared"));
        }
        Ok(())
    }
}

/// Of each way in the cluster, by its resource id.
fn leads(places: &Places) -> [(&'static str, Option<String>); 3] {
    let named = places.rds.look(|world| {
        let is = |cluster: &&Cluster| cluster.id == DEV && !cluster.hidden;
        world.clusters.values().find(is).map(|cluster| cluster.resource_id.clone())
    });
    let secret = places.secrets.value("orders-support/connection").unwrap_or_default();
    let secret: Value = serde_json::from_str(&secret).unwrap_or_default();
    let by_secret = secret["host"].as_str().and_then(|host| places.rds.resolve(host));
    let own = places.secrets.value("orders-dev/app").unwrap_or_default();
    let own: Value = serde_json::from_str(&own).unwrap_or_default();
    let by_role = own["host"].as_str().and_then(|host| places.rds.resolve(host));
    [(DEV, named), (SUPPORT, by_secret), ("orders-dev's role app_dev", by_role)]
}
