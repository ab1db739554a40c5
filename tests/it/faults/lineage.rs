//! Which clusters and snapshots hold production's own values, told by what they were made from.

use std::collections::{BTreeMap, BTreeSet};

use runbook::daily_sync::tags;
use sandbox::{
    aws::{ACCOUNT, ACCOUNTS},
    rds::model::{Cluster, Snapshot, World},
    sandbox::BUCKET,
};

use super::observer::{Breaches, Invariant, Places, Seen};

/// What the policies of the worlds call it.
const QUARANTINE: (&str, &str) = ("quarantine", "sg-quarantine");

pub struct Lineage {
    /// The clusters that hold production's values because they are production's.
    sources: BTreeSet<String>,
    /// Clusters by resource id that were restored from a raw snapshot.
    raw: BTreeSet<String>,
    /// Whether a snapshot is raw, by the volume that all copies of it share.
    volumes: BTreeMap<String, bool>,
}

impl Lineage {
    pub fn of(places: &Places, sources: &BTreeSet<String>) -> Self {
        let mut lineage = Self { sources: sources.clone(), raw: BTreeSet::new(), volumes: BTreeMap::new() };
        for account in ACCOUNTS {
            places.service(account).look(|world| {
                for snapshot in world.snapshots.values() {
                    // What another account's sync has attested before.
                    let attested = snapshot.tags.contains_key(tags::ATTESTED_RUN);
                    let raw = lineage.sources.contains(&snapshot.of.resource_id) && !attested;
                    lineage.volumes.insert(snapshot.volume.clone(), raw);
                }
            });
        }
        lineage
    }

    pub fn is_raw(&self, resource_id: &str) -> bool {
        self.raw.contains(resource_id) || self.sources.contains(resource_id)
    }

    pub fn learn(&mut self, places: &Places, call: &Seen<'_>) {
        for account in ACCOUNTS {
            places.service(account).look(|world| {
                for snapshot in world.snapshots.values() {
                    if !self.volumes.contains_key(&snapshot.volume) {
                        let raw = self.is_raw_now(places, snapshot);
                        self.volumes.insert(snapshot.volume.clone(), raw);
                    }
                }
            });
        }
        if call.action == "RestoreDBClusterFromSnapshot" {
            self.learn_restored(places, call.form);
        }
    }

    /// A snapshot of a raw cluster is clean only when the cluster was attested before.
    fn is_raw_now(&self, places: &Places, snapshot: &Snapshot) -> bool {
        let of = &snapshot.of.resource_id;
        let attested = || places.s3.get(BUCKET, &format!("attestations/{of}.json")).is_some();
        self.sources.contains(of) || self.raw.contains(of) && !attested()
    }

    fn learn_restored(&mut self, places: &Places, form: &str) {
        let (Some(cluster), Some(snapshot)) =
            (field(form, "DBClusterIdentifier"), field(form, "SnapshotIdentifier"))
        else {
            return;
        };
        let name = snapshot.rsplit_once(":cluster-snapshot:").map_or(&*snapshot, |(_, name)| name);
        let volume = ACCOUNTS.iter().find_map(|account| {
            places.service(account).look(|world| Some(world.snapshots.get(name)?.volume.clone()))
        });
        // One that was not seen is taken for raw.
        let raw = volume.is_none_or(|volume| self.volumes.get(&volume).copied().unwrap_or(true));
        let id = places.rds.look(|world| Some(world.cluster(&cluster).ok()?.resource_id.clone()));
        self.raw.extend(id.filter(|_| raw));
    }

    pub fn check(&self, places: &Places, breaches: &mut Breaches) {
        places.rds.look(|world| {
            for cluster in self.raw.iter().filter_map(|id| world.clusters.get(id)) {
                check_copy(world, cluster, breaches);
            }
        });
        for account in ACCOUNTS {
            places.service(account).look(|world| {
                for snapshot in world.snapshots.values() {
                    let raw = self.volumes.get(&snapshot.volume).copied().unwrap_or(true);
                    let ours = snapshot.tags.get("managed-by").is_some_and(|by| by == "aurora-runbooks");
                    let strangers = snapshot.shared_with.iter().any(|account| account != ACCOUNT);
                    if raw && ours && strangers {
                        let with = &snapshot.shared_with;
                        breaches
                            .add(Invariant::RawIsShared, format!("{} is shared with {with:?}", snapshot.id));
                    }
                }
            });
        }
    }
}

fn check_copy(world: &World, cluster: &Cluster, breaches: &mut Breaches) {
    let name = &cluster.id;
    let (subnets, group) = QUARANTINE;
    if cluster.subnet_group != subnets || cluster.security_groups != [group] {
        let where_it_is = format!("{name} is in {}, {:?}", cluster.subnet_group, cluster.security_groups);
        breaches.add(Invariant::Quarantine, where_it_is);
    }
    let dead = cluster.secret.as_ref().is_some_and(|secret| secret.status == "active");
    for member in world.members(&cluster.resource_id) {
        if member.publicly_accessible {
            breaches.add(Invariant::Quarantine, format!("{} is publicly accessible", member.id));
        }
        if !dead || cluster.pending.password {
            let saw = format!("{name} has the instance {}, and {:?}", member.id, cluster.secret);
            breaches.add(Invariant::PasswordFirst, saw);
        }
    }
}

/// A field of a form. Names and ARNs have nothing in them that is escaped but colons.
pub fn field(form: &str, name: &str) -> Option<String> {
    let mut fields = form.split('&').filter_map(|field| field.split_once('='));
    fields.find(|(field, _)| *field == name).map(|(_, value)| value.replace("%3A", ":"))
}
