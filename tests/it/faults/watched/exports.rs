//! Where readers of an export are led.

use jiff::Timestamp;
use runbook::snapshot_export::manifest::{Latest, Manifest};
use sandbox::exports::BUCKET;

use crate::faults::observer::{Breaches, Invariant, Places};

pub struct LatestExport {
    folder: Option<&'static str>,
    /// As of when the data is that readers were led to.
    newest: Option<Timestamp>,
}

impl LatestExport {
    pub fn of(folder: Option<&'static str>) -> Self {
        Self { folder, newest: None }
    }

    pub fn check(&mut self, places: &Places, breaches: &mut Breaches) {
        let Some(folder) = self.folder else { return };
        let Some(latest) = places.s3.get(BUCKET, &format!("{folder}latest.json")) else {
            if self.newest.is_some() {
                breaches.add(Invariant::LatestIsWhole, "latest.json is gone");
            }
            return;
        };
        match serde_json::from_slice::<Latest>(&latest) {
            Ok(latest) => {
                if self.newest.is_some_and(|newest| latest.snapshot_time < newest) {
                    let to = latest.snapshot_time;
                    breaches.add(Invariant::NeverLedBack, format!("from {:?} to {to}", self.newest));
                }
                self.newest = self.newest.max(Some(latest.snapshot_time));
                if let Err(saw) = is_whole(places, &latest) {
                    breaches.add(Invariant::LatestIsWhole, saw);
                }
            }
            Err(error) => breaches.add(Invariant::LatestIsWhole, format!("latest.json: {error}")),
        }
    }
}

/// The manifest is there, and of each table as many files as it says.
fn is_whole(places: &Places, latest: &Latest) -> Result<(), String> {
    let start = format!("s3://{BUCKET}/");
    let key = latest.manifest.strip_prefix(&start).ok_or("the manifest is in another bucket")?;
    let manifest = places.s3.get(BUCKET, key).ok_or_else(|| format!("there is no {key}"))?;
    let manifest: Manifest = serde_json::from_slice(&manifest).map_err(|error| format!("{key}: {error}"))?;
    let files = manifest.files.strip_prefix(&start).ok_or("the files are in another bucket")?;
    for table in &manifest.tables {
        let folder = table.folder.as_deref().unwrap_or_default();
        let keys = places.s3.list(BUCKET, &format!("{}/{folder}", files.trim_end_matches('/')));
        let there = keys.iter().filter(|key| key.ends_with(".parquet")).count();
        if u64::try_from(there) != Ok(table.files) {
            return Err(format!("{} has {there} of {} files", table.table, table.files));
        }
    }
    Ok(())
}
