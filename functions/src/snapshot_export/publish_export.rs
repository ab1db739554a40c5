//! Leads readers to a reconciled export, and deletes old ones.
//!
//! Changes, a step a look: writes the manifest and what people paste beside the files; then
//! `latest.json`, on the condition that nobody else has changed it, and never to older data; then
//! deletes what the policy does not keep, never what `latest.json` or the policy pins; last our
//! copy of a shared snapshot. Again is harmless: what is there stays. Undo: `latest.json` can be
//! led back to any export whose files are there. Errors: `NotReady`, `Conflict` (what
//! ReconcileExport wrote is gone), `Refused` (the bucket).

use jiff::{SignedDuration, Timestamp};
use policy::Export;
use runbook::{
    Arn, Context, Error, Result, Run, State,
    aurora::{self, Fault, message},
    daily_sync::tags::Maker,
    error::{Then, aws},
    snapshot_export::{
        self,
        manifest::{Latest, Manifest, VERSION, latest_key, manifest_key},
        names,
        reconciliation::{self, Reconciliation, Totals},
    },
    store::{Store, When},
};
use serde::{Deserialize, Serialize};

use super::{queries, retention::doomed};

/// Objects that one look deletes.
const AT_ONCE: usize = 500;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PublishExport {
    export: String,
    task: String,
    /// The one that the policy chose; the export may be of our copy.
    snapshot: Arn,
    taken: Timestamp,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Published {
    summary: String,
    export: String,
    task: String,
    snapshot: Arn,
    snapshot_time: Timestamp,
    #[serde(flatten)]
    totals: Totals,
    verified: String,
    /// Whether readers are led to it now.
    is_latest: bool,
    latest: String,
    manifest: String,
    /// For DuckDB.
    query: Option<String>,
}

impl State for PublishExport {
    const NAME: &'static str = "PublishExport";
    type Output = Published;

    async fn reconcile(self, cx: &Context, run: &Run) -> Result<Published> {
        let export = snapshot_export::policy(cx, run, &self.export).await?;
        let bucket = snapshot_export::bucket(cx, &export);
        let reconciliation = self.reconciliation(cx, run).await?;
        let folder = export.folder(&self.export);
        let files = format!("s3://{}/{folder}{}/", export.bucket, self.task);
        let manifest = self.manifest(cx, run, &export, reconciliation, files);
        self.describe(&bucket, &folder, &manifest).await?;
        let latest = self.lead(&bucket, &folder, &manifest).await?;
        self.retire(cx, &bucket, &folder, &export, &latest).await?;
        self.remove_copy(cx, run).await?;

        let totals = manifest.totals;
        let is_latest = latest.task == self.task;
        let leads = match is_latest {
            true => "latest.json leads to it".to_owned(),
            false => format!("latest.json stays with {}, which is newer", latest.task),
        };
        let skipped = match totals.skipped {
            0 => String::new(),
            skipped => format!(", {skipped} left out as the policy accepts"),
        };
        Ok(Published {
            summary: format!(
                "{}: {} tables, {} rows, {} in {} files{skipped}; {}; {leads}",
                self.task,
                totals.tables,
                totals.rows,
                reconciliation::bytes(totals.bytes),
                totals.files,
                manifest.verified
            ),
            latest: format!("s3://{}/{}", export.bucket, latest_key(&folder)),
            manifest: format!("s3://{}/{}", export.bucket, manifest_key(&folder, &self.task)),
            query: queries::example(&manifest.files, &manifest.tables),
            export: self.export,
            task: self.task,
            snapshot: self.snapshot,
            snapshot_time: self.taken,
            totals,
            verified: manifest.verified,
            is_latest,
        })
    }
}

impl PublishExport {
    /// What ReconcileExport has found, and nothing that it would have stopped at.
    async fn reconciliation(&self, cx: &Context, run: &Run) -> Result<Reconciliation> {
        let key = reconciliation::key(run);
        let found: Option<Reconciliation> = cx.store.get_json(&key).await?;
        let accepted = found.filter(|found| {
            let mut differences = found.tables.iter().flat_map(|table| &table.differences);
            found.task == self.task && differences.all(|difference| difference.accepted.is_some())
        });
        accepted.ok_or_else(|| {
            Error::conflict(format!(
                "s3://{}/{key} is not what ReconcileExport wrote of {}",
                cx.store.bucket, self.task
            ))
            .then(Then::StartAgain)
        })
    }

    fn manifest(
        &self,
        cx: &Context,
        run: &Run,
        export: &Export,
        reconciliation: Reconciliation,
        files: String,
    ) -> Manifest {
        let published = cx.clock.now();
        Manifest {
            version: VERSION,
            export: self.export.clone(),
            task: self.task.clone(),
            files,
            snapshot: self.snapshot.clone(),
            snapshot_time: self.taken,
            published,
            data_age_seconds: published.duration_since(self.taken).as_secs(),
            raw: export.source.accept_raw.clone(),
            execution: run.execution.clone(),
            verified: reconciliation.verified.clone(),
            totals: reconciliation.totals(),
            warnings: reconciliation.warnings,
            tables: reconciliation.tables,
        }
    }

    /// What stands beside the files. The first attempt's stays: nobody reads it before
    /// `latest.json` leads to it.
    async fn describe(&self, bucket: &Store, folder: &str, manifest: &Manifest) -> Result<()> {
        let key = |name: &str| format!("{folder}{}/{name}", self.task);
        for (name, text) in [
            ("athena.sql", queries::athena(&manifest.files, &manifest.tables)),
            ("duckdb.sql", queries::duckdb(&manifest.files, &manifest.tables)),
        ] {
            bucket.put_when(&key(name), "application/sql", text.into_bytes(), When::Absent).await?;
        }
        bucket.put_json_when(&manifest_key(folder, &self.task), manifest, When::Absent).await?;
        Ok(())
    }

    /// Moves `latest.json` unless it leads to newer data; answers where it leads.
    async fn lead(&self, bucket: &Store, folder: &str, manifest: &Manifest) -> Result<Latest> {
        let key = latest_key(folder);
        let ours = Latest {
            version: VERSION,
            export: self.export.clone(),
            task: self.task.clone(),
            manifest: format!("s3://{}/{}", bucket.bucket, manifest_key(folder, &self.task)),
            snapshot: self.snapshot.clone(),
            snapshot_time: self.taken,
            published: manifest.published,
        };
        let present = bucket.get_json_tagged::<Latest>(&key).await?;
        let when = match &present {
            None => When::Absent,
            Some((latest, _)) if !moves(latest, &ours) => return Ok(latest.clone()),
            Some((_, etag)) => When::Unchanged(etag),
        };
        match bucket.put_json_when(&key, &ours, when).await? {
            true => Ok(ours),
            false => Err(Error::NotReady(format!("{key}, which another execution writes at this moment"))),
        }
    }

    /// Deletes a piece of the oldest export that is not kept; done when there is none.
    async fn retire(
        &self,
        cx: &Context,
        bucket: &Store,
        folder: &str,
        export: &Export,
        latest: &Latest,
    ) -> Result<()> {
        let folders = bucket.folders(folder).await?;
        let latest = (latest.task.as_str(), latest.snapshot_time);
        let now = cx.clock.now();
        let doomed = doomed(&self.export, &folders, latest, &export.pinned, &export.keep, now);
        // What this run has published stays until the next one, however old its data is.
        let Some(oldest) = doomed.iter().find(|name| **name != self.task) else { return Ok(()) };
        let objects = bucket.list(&format!("{folder}{oldest}/")).await?;
        let (now, later) = objects.split_at(objects.len().min(AT_ONCE));
        for object in now {
            bucket.delete(&object.key).await?;
        }
        Err(Error::NotReady(format!(
            "the old export {oldest} to be gone ({} objects are left; {} old ones in all)",
            later.len(),
            doomed.len()
        )))
    }

    /// Our copy of a shared snapshot has served: it holds production's data, and costs.
    async fn remove_copy(&self, cx: &Context, run: &Run) -> Result<()> {
        if self.snapshot.account() == run.account() {
            return Ok(());
        }
        let name = names::copy(&self.export, run);
        let Some(copy) = aurora::find_snapshot(cx, &name).await? else { return Ok(()) };
        if !Maker::Export(&self.export).made_in(&copy.tags, run) {
            return Ok(());
        }
        let delete = cx.rds.delete_db_cluster_snapshot().db_cluster_snapshot_identifier(&name);
        match delete.send().await {
            Ok(_) => Err(Error::NotReady(format!("our copy {name} to be gone"))),
            Err(error) => match Fault::of(&error) {
                Some(Fault::DBClusterSnapshotNotFoundFault) => Ok(()),
                Some(Fault::InvalidDBClusterSnapshotStateFault) => {
                    Err(Error::NotReady(format!("our copy {name} to be deletable ({})", message(&error))))
                }
                _ => Err(aws("rds:DeleteDBClusterSnapshot")(error)),
            },
        }
    }
}

/// Whether readers go from one to the other: never to older data.
fn moves(latest: &Latest, ours: &Latest) -> bool {
    let age: SignedDuration = ours.snapshot_time.duration_since(latest.snapshot_time);
    latest.task != ours.task && !age.is_negative()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readers_are_never_led_to_older_data() {
        let latest = |task: &str, time: &str| Latest {
            version: VERSION,
            export: "orders".into(),
            task: task.into(),
            manifest: String::new(),
            snapshot: "arn:aws:rds:eu-west-1:444455556666:cluster-snapshot:s".to_owned().try_into().unwrap(),
            snapshot_time: time.parse().unwrap(),
            published: time.parse().unwrap(),
        };
        let ours = latest("b", "2026-01-05T02:00:00Z");
        assert!(moves(&latest("a", "2026-01-04T02:00:00Z"), &ours));
        assert!(moves(&latest("a", "2026-01-05T02:00:00Z"), &ours), "the same data, exported again");
        assert!(!moves(&latest("a", "2026-01-06T02:00:00Z"), &ours));
        assert!(!moves(&ours.clone(), &ours));
    }
}
