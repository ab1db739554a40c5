//! An upgrade is begun once, and with a snapshot to go back to.

use std::collections::BTreeSet;

use sandbox::{
    orders,
    rds::model::{Cluster, World},
};

use crate::faults::observer::{Breaches, Invariant, Places};

pub struct Upgrades {
    watched: bool,
    under_way: bool,
    /// The versions to which one was begun.
    begun: BTreeSet<String>,
}

impl Upgrades {
    pub fn of(watched: bool) -> Self {
        Self { watched, under_way: false, begun: BTreeSet::new() }
    }

    pub fn check(&mut self, places: &Places, breaches: &mut Breaches) {
        if !self.watched {
            return;
        }
        places.rds.look(|world| {
            let Some(cluster) = world.clusters.values().find(|cluster| cluster.id == orders::CLUSTER) else {
                return;
            };
            let version = cluster.pending.engine_version.as_ref();
            let begins = version.filter(|_| !self.under_way);
            self.under_way = version.is_some() || cluster.upgrade_accepted;
            let Some(version) = begins else { return };
            if !self.begun.insert(version.clone()) {
                breaches.add(Invariant::UpgradedOnce, format!("to {version} a second time"));
            }
            if !has_snapshot(world, cluster) {
                let from = &cluster.engine_version;
                let saw = format!("to {version}, and no snapshot at {from} is available");
                breaches.add(Invariant::SnapshotFirst, saw);
            }
        });
    }
}

/// One that we took: RDS takes its own only after it was asked.
fn has_snapshot(world: &World, cluster: &Cluster) -> bool {
    world.snapshots.values().any(|snapshot| {
        snapshot.of.resource_id == cluster.resource_id
            && snapshot.of.engine_version == cluster.engine_version
            && snapshot.status == "available"
            && snapshot.kind == "manual"
    })
}
