//! An upgrade is begun once, with a snapshot to go back to, and when it may be.

use std::collections::BTreeSet;

use jiff::Timestamp;
use sandbox::{
    orders,
    rds::model::{Cluster, World},
};

use crate::faults::observer::{Breaches, Invariant, Places, Seen, Subject};

/// What users feel, and what is taken before it.
const FELT: [&str; 4] =
    ["ApplyPendingMaintenanceAction", "CreateDBClusterSnapshot", "ModifyDBCluster", "RebootDBInstance"];

pub struct Upgrades {
    watched: bool,
    under_way: bool,
    /// The versions to which one was begun.
    begun: BTreeSet<String>,
    not_before: Option<Timestamp>,
    /// Somebody without a worker's part has answered a token.
    said_yes: bool,
}

impl Upgrades {
    pub fn of(subject: &Subject) -> Self {
        Self {
            watched: subject.upgraded,
            under_way: false,
            begun: BTreeSet::new(),
            not_before: subject.not_before,
            said_yes: false,
        }
    }

    /// What has begun is finished, even after the window.
    pub fn felt(&mut self, call: &Seen<'_>, breaches: &mut Breaches) {
        let is_done = call.status < 300 || call.status == 504;
        self.said_yes |= is_done && call.principal == "owner" && call.action == "SendTaskSuccess";
        let Some(opens) = self.not_before else { return };
        if is_done && FELT.contains(&call.action) && !(self.said_yes && call.at >= opens) {
            let said = if self.said_yes { "a yes" } else { "no yes" };
            breaches.add(Invariant::Guarded, format!("{} at {} with {said}", call.action, call.at));
        }
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
