//! What a sync and an export read is as it was: every field of the cluster, of its instances, and
//! of each snapshot that is not ours.

use std::collections::{BTreeMap, BTreeSet};

use sandbox::{aws::ACCOUNTS, rds::model::World};

use crate::faults::observer::{Breaches, Invariant, Places};

pub struct ReadOnly {
    clusters: Vec<Cluster>,
    /// By account and identifier, once they are there.
    snapshots: BTreeMap<(&'static str, String), String>,
}

struct Cluster {
    account: &'static str,
    resource_id: String,
    as_it_was: String,
}

impl ReadOnly {
    pub fn of(places: &Places, clusters: &[(&'static str, &str)]) -> Self {
        let clusters = clusters.iter().map(|(account, name)| {
            places.service(account).look(|world| {
                let resource_id = world.cluster(name).expect("it stands").resource_id.clone();
                Cluster { account, as_it_was: written(world, &resource_id), resource_id }
            })
        });
        let mut found = Self { clusters: clusters.collect(), snapshots: BTreeMap::new() };
        found.keep(places, true);
        found
    }

    pub fn resource_ids(&self) -> BTreeSet<String> {
        self.clusters.iter().map(|cluster| cluster.resource_id.clone()).collect()
    }

    /// Remembers the snapshots that are there and not ours.
    fn keep(&mut self, places: &Places, at_the_start: bool) {
        for account in ACCOUNTS.into_iter().filter(|_| !self.clusters.is_empty()) {
            places.service(account).look(|world| {
                for snapshot in world.snapshots.values().filter(|snapshot| snapshot.status == "available") {
                    let ours = snapshot.tags.contains_key("managed-by");
                    let key = (account, snapshot.id.clone());
                    if (at_the_start || !ours) && !self.snapshots.contains_key(&key) {
                        self.snapshots.insert(key, format!("{snapshot:?}"));
                    }
                }
            });
        }
    }

    pub fn check(&mut self, places: &Places, breaches: &mut Breaches) {
        for Cluster { account, resource_id, as_it_was } in &self.clusters {
            let now = places.service(account).look(|world| written(world, resource_id));
            if now != *as_it_was {
                let saw = difference(as_it_was, &now);
                breaches.add(Invariant::ReadOnly, format!("the cluster of {account} was …{saw}"));
            }
        }
        for ((account, id), as_it_was) in &self.snapshots {
            let now = places.service(account).look(|world| format!("{:?}", world.snapshots.get(id)));
            if now != format!("Some({as_it_was})") {
                breaches.add(Invariant::ReadOnly, format!("snapshot {id} of {account}: {now}"));
            }
        }
        self.keep(places, false);
    }
}

/// The cluster and its instances, whole.
fn written(world: &World, resource_id: &str) -> String {
    format!("{:?} {:?}", world.clusters.get(resource_id), world.members(resource_id))
}

/// From where two texts are no more the same.
fn difference(before: &str, now: &str) -> String {
    let same = before.chars().zip(now.chars()).take_while(|(a, b)| a == b).count().saturating_sub(20);
    let part = |text: &str| text.chars().skip(same).take(80).collect::<String>();
    format!("{}… and is …{}…", part(before), part(now))
}
