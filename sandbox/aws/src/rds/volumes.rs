//! The engine's copies behind snapshots. Copies of one snapshot share one, across accounts; it goes
//! with the last of them.

use std::collections::BTreeMap;

use parking_lot::MutexGuard;

use super::Rds;

/// How many hold each.
pub type Volumes = BTreeMap<String, usize>;

impl Rds {
    fn volumes(&self) -> MutexGuard<'_, Volumes> {
        self.shared.volumes.lock()
    }

    pub(super) fn hold(&self, volume: &str) {
        *self.volumes().entry(volume.to_owned()).or_default() += 1;
    }

    pub(super) fn release(&self, volume: &str) {
        let mut volumes = self.volumes();
        let Some(holders) = volumes.get_mut(volume) else { return };
        *holders -= 1;
        if *holders > 0 {
            return;
        }
        volumes.remove(volume);
        drop(volumes);
        let volume = volume.to_owned();
        self.background(|rds| async move {
            let Some(engine) = &rds.engine else { return };
            if let Err(error) = engine.delete_snapshot(&volume).await {
                tracing::error!(volume, error = format!("{error:#}"), "delete the snapshot");
            }
        });
    }
}
