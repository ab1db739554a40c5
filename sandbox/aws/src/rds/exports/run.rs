//! A task's life: STARTING, IN_PROGRESS, and COMPLETE, FAILED or CANCELED.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::bucket::{Bucket, Refused};
use super::model::Model;
use super::source::{Batch, Source, Table};
use super::{Task, file, metadata};
use crate::rds::Rds;

/// Why a task ends otherwise than COMPLETE.
enum Stop {
    Canceled,
    Failed(String),
}

impl From<anyhow::Error> for Stop {
    fn from(error: anyhow::Error) -> Self {
        tracing::error!(error = format!("{error:#}"), "export a snapshot");
        Self::Failed("An unknown internal error occurred.".to_owned())
    }
}

/// What was written so far.
#[derive(Default)]
struct Progress {
    entries: Vec<Value>,
    skipped: Vec<(String, String)>,
    general: Vec<&'static str>,
    bytes: u64,
}

impl Rds {
    pub(super) async fn run_export(self: Arc<Self>, task: Task) {
        let ended = self.export(&task).await;
        match ended {
            Ok(()) => self.end_export(&task, "COMPLETE", None),
            Err(Stop::Failed(cause)) => self.end_export(&task, "FAILED", Some(cause)),
            Err(Stop::Canceled) => {
                self.pause(self.behaviour().exports.canceling).await;
                self.end_export(&task, "CANCELED", None);
            }
        }
        self.release(&task.snapshot.volume);
    }

    async fn export(&self, task: &Task) -> Result<(), Stop> {
        let refused = |refused: Refused| Stop::Failed(refused.cause(&task.role, &task.bucket));
        Bucket { rds: self, task }.try_rights().await.map_err(refused)?;
        let opened = async {
            match &self.engine {
                Some(engine) => engine.open(&task.snapshot.volume).await,
                None => Ok(Box::new(Model(self.behaviour().exports.tables)) as Box<dyn Source>),
            }
        };
        let (waited, opened) = tokio::join!(self.wait_for(task, self.behaviour().exports.starting), opened);
        let source = opened?;
        let written = match waited {
            Ok(()) => self.extract(task, source.as_ref()).await,
            Err(stop) => Err(stop),
        };
        source.close().await?;
        let progress = written?;
        let task = self.change_export(task, |task| {
            // What the last file says is what the task is about to be.
            (task.status, task.percent, task.ended) = ("COMPLETE", 100, Some(self.clock.now()));
            task.bytes = progress.bytes;
        });
        let bucket = Bucket { rds: self, task: &task };
        let a_file = self.behaviour().exports.tables_a_file;
        let mut files = metadata::tables(&task, &progress.entries, a_file);
        files.push((metadata::info_name(&task), metadata::info(&task)));
        for (name, content) in files {
            bucket.put(&name, content.to_string()).await.map_err(refused)?;
        }
        let mut world = self.world();
        if let Some(known) = world.exports.get_mut(&task.id) {
            known.bytes = progress.bytes;
            known.warning = metadata::warning(&progress.skipped, &progress.general);
        }
        Ok(())
    }

    async fn extract(&self, task: &Task, source: &dyn Source) -> Result<Progress, Stop> {
        let mut progress = Progress::default();
        let tables = self.tables_of(task, source, &mut progress).await?;
        self.update_export(task, |task| {
            if task.status == "STARTING" {
                task.status = "IN_PROGRESS";
            }
            task.started = Some(self.clock.now());
        });
        let each = self.behaviour().exports.extracting / u32::try_from(tables.len().max(1)).unwrap_or(1);
        let half = tables.len() / 2;
        for (index, table) in tables.iter().enumerate() {
            if index == half {
                let mut cause = None;
                self.behave(|behaviour| cause = behaviour.exports.fail_next.take());
                if let Some(cause) = cause {
                    return Err(Stop::Failed(cause));
                }
            }
            self.wait_for(task, each).await?;
            self.export_table(task, source, table, &mut progress).await?;
            self.update_export(task, |task| {
                // 100 is said when all is done.
                task.percent = ((index + 1) * 100 / tables.len()).min(99);
                task.bytes = progress.bytes;
            });
        }
        Ok(progress)
    }

    /// The tables that the task is about, in order.
    async fn tables_of(
        &self,
        task: &Task,
        source: &dyn Source,
        progress: &mut Progress,
    ) -> Result<Vec<Table>, Stop> {
        let mut found = Vec::new();
        let databases = source.databases().await?;
        let named = |item: &String| databases.iter().any(|name| item.split('.').next() == Some(name));
        if !task.only.iter().all(named) {
            progress.general.push("FAILED_TO_EXTRACT_TABLES_LIST_FOR_DATABASE");
        }
        for database in &databases {
            let is_wanted = |item: &String| item.split('.').next() == Some(database);
            if !task.only.is_empty() && !task.only.iter().any(is_wanted) {
                continue;
            }
            let mut tables = source.tables(database).await?;
            if tables.is_empty() {
                progress.entries.push(metadata::left_out(database, "The database has no tables."));
            }
            tables.retain(|table| task.only.is_empty() || table.is_named(&task.only));
            found.extend(tables);
        }
        Ok(found)
    }

    async fn export_table(
        &self,
        task: &Task,
        source: &dyn Source,
        table: &Table,
        progress: &mut Progress,
    ) -> Result<(), Stop> {
        let exports = self.behaviour().exports;
        let target = table.target();
        let told = exports.skip.get(&target).map(String::as_str);
        let skip = |progress: &mut Progress, reason: &str| {
            progress.entries.push(metadata::left_out(&target, reason));
            progress.skipped.push((target.clone(), reason.to_owned()));
        };
        if let Some(reason) = told.or(table.unsupported()) {
            skip(progress, reason);
            return Ok(());
        }
        let start = self.clock.now();
        let mut batches = source.read(table, exports.rows_a_part).await?;
        lose(&mut batches, exports.lose.get(&target).copied().unwrap_or_default());
        let rows = || batches.iter().flat_map(|batch| &batch.parts).flat_map(|part| &part.rows);
        let sizes = || rows().map(|row| row.iter().flatten().map(String::len));
        if sizes().any(|mut row| row.any(|length| length >= exports.largest_value)) {
            let message = format!(
                "Export task {}: Table extraction failed for table {target} due to a value that is too large.",
                task.id
            );
            self.event(&mut self.world(), &task.snapshot, "0489", message);
            return Err(Stop::Failed("An unknown internal error occurred.".to_owned()));
        }
        if sizes().any(|row| row.sum::<usize>() >= exports.largest_row) {
            skip(progress, "ROW_TOO_LARGE");
            return Ok(());
        }
        let bytes: usize = sizes().flatten().sum();
        self.write(task, table, &batches).await?;
        progress.bytes += bytes as u64;
        progress.entries.push(metadata::entry(table, &batches, (start, self.clock.now()), bytes as u64));
        Ok(())
    }

    /// Every batch ends with an empty `_SUCCESS`, an empty table has no other file.
    async fn write(&self, task: &Task, table: &Table, batches: &[Batch]) -> Result<(), Stop> {
        let bucket = Bucket { rds: self, task };
        let refused = |refused: Refused| Stop::Failed(refused.cause(&task.role, &task.bucket));
        for (number, batch) in (1..).zip(batches) {
            let folder = metadata::of_batch(table, number);
            for part in &batch.parts {
                let uuid = self.world().random_uuid();
                let name = format!("{folder}{}", metadata::part(part.index, &uuid));
                bucket.put(&name, file::encode(&table.columns, &part.rows)?).await.map_err(refused)?;
            }
            bucket.put(&format!("{folder}_SUCCESS"), "").await.map_err(refused)?;
        }
        Ok(())
    }

    /// Lets time pass, unless the task is canceled.
    async fn wait_for(&self, task: &Task, duration: Duration) -> Result<(), Stop> {
        const STEPS: u32 = 10;
        for _ in 0..STEPS {
            self.pause(duration / STEPS).await;
            let world = self.world();
            if world.exports.get(&task.id).is_none_or(|task| task.status == "CANCELING") {
                return Err(Stop::Canceled);
            }
        }
        Ok(())
    }

    fn update_export(&self, task: &Task, change: impl FnOnce(&mut Task)) {
        if let Some(task) = self.world().exports.get_mut(&task.id) {
            change(task);
        }
    }

    /// The task as it is now, changed; what is known of it stays.
    fn change_export(&self, task: &Task, change: impl FnOnce(&mut Task)) -> Task {
        let mut changed = self.world().exports.get(&task.id).unwrap_or(task).clone();
        change(&mut changed);
        changed
    }

    fn end_export(&self, task: &Task, status: &'static str, failure: Option<String>) {
        let (id, message) = match status {
            "COMPLETE" => ("0164", "The cluster snapshot export task completed."),
            "CANCELED" => ("0163", "The cluster snapshot export task was canceled."),
            _ => ("0162", "The cluster snapshot export task failed."),
        };
        let mut world = self.world();
        if let Some(task) = world.exports.get_mut(&task.id) {
            (task.status, task.failure, task.ended) = (status, failure, Some(self.clock.now()));
            if status == "COMPLETE" {
                task.percent = 100;
            }
        }
        self.event(&mut world, &task.snapshot, id, message);
    }
}

/// Takes so many of the last rows away.
fn lose(batches: &mut [Batch], mut count: usize) {
    for part in batches.iter_mut().rev().flat_map(|batch| batch.parts.iter_mut().rev()) {
        let lost = count.min(part.rows.len());
        part.rows.truncate(part.rows.len() - lost);
        count -= lost;
    }
}
