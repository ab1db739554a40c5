//! A task's life: STARTING, IN_PROGRESS, and COMPLETE, FAILED or CANCELED.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::bucket::{Bucket, Refused};
use super::model::Model;
use super::source::{Batch, Source, Table};
use super::{Exports, Task, file, metadata};
use crate::rds::Rds;

const UNKNOWN: &str = "An unknown internal error occurred.";

/// Why a task ends otherwise than COMPLETE.
enum Stop {
    Canceled,
    Failed(String),
}

impl From<anyhow::Error> for Stop {
    fn from(error: anyhow::Error) -> Self {
        tracing::error!(error = format!("{error:#}"), "export a snapshot");
        Self::Failed(UNKNOWN.to_owned())
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

impl Progress {
    fn skip(&mut self, target: String, reason: &str) {
        self.entries.push(metadata::left_out(&target, reason));
        self.skipped.push((target, reason.to_owned()));
    }
}

impl Rds {
    pub(super) async fn run_export(self: Arc<Self>, task: Task) {
        let run = Run { rds: &self, task: &task, exports: self.behaviour().exports };
        match run.to_the_end().await {
            Ok(()) => run.end("COMPLETE", None),
            Err(Stop::Failed(cause)) => run.end("FAILED", Some(cause)),
            Err(Stop::Canceled) => {
                self.pause(run.exports.canceling).await;
                run.end("CANCELED", None);
            }
        }
        self.release(&task.snapshot.volume);
    }
}

struct Run<'a> {
    rds: &'a Rds,
    task: &'a Task,
    exports: Exports,
}

impl Run<'_> {
    fn bucket(&self) -> Bucket<'_> {
        Bucket { rds: self.rds, task: self.task }
    }

    fn refused(&self, refused: Refused) -> Stop {
        Stop::Failed(refused.cause(&self.task.role, &self.task.bucket))
    }

    async fn to_the_end(&self) -> Result<(), Stop> {
        self.bucket().try_rights().await.map_err(|refused| self.refused(refused))?;
        let opened = async {
            match &self.rds.engine {
                Some(engine) => engine.open(&self.task.snapshot.volume).await,
                None => Ok(Box::new(Model(self.exports.tables.clone())) as Box<dyn Source>),
            }
        };
        let (waited, opened) = tokio::join!(self.wait(self.exports.starting), opened);
        let source = opened?;
        let extracted = match waited {
            Ok(()) => self.extract(source.as_ref()).await,
            Err(stop) => Err(stop),
        };
        source.close().await?;
        self.write_metadata(&extracted?).await
    }

    async fn extract(&self, source: &dyn Source) -> Result<Progress, Stop> {
        let mut progress = Progress::default();
        let tables = self.tables(source, &mut progress).await?;
        self.update(|task| {
            if task.status == "STARTING" {
                task.status = "IN_PROGRESS";
            }
            task.started = Some(self.rds.clock.now());
        });
        let each = self.exports.extracting / u32::try_from(tables.len().max(1)).unwrap_or(1);
        for (index, table) in tables.iter().enumerate() {
            if index == tables.len() / 2 {
                self.fail_if_told()?;
            }
            self.wait(each).await?;
            self.extract_table(source, table, &mut progress).await?;
            self.update(|task| {
                // 100 is said when all is done.
                task.percent = ((index + 1) * 100 / tables.len()).min(99);
                task.bytes = progress.bytes;
            });
        }
        Ok(progress)
    }

    fn fail_if_told(&self) -> Result<(), Stop> {
        let mut cause = None;
        self.rds.behave(|behaviour| cause = behaviour.exports.fail_next.take());
        cause.map_or(Ok(()), |cause| Err(Stop::Failed(cause)))
    }

    /// The tables that the task is about, in order.
    async fn tables(&self, source: &dyn Source, progress: &mut Progress) -> Result<Vec<Table>, Stop> {
        let only = &self.task.only;
        let databases = source.databases().await?;
        let is_of = |item: &String, database: &String| item.split('.').next() == Some(database);
        if !only.iter().all(|item| databases.iter().any(|database| is_of(item, database))) {
            progress.general.push("FAILED_TO_EXTRACT_TABLES_LIST_FOR_DATABASE");
        }
        let mut found = Vec::new();
        for database in &databases {
            if !only.is_empty() && !only.iter().any(|item| is_of(item, database)) {
                continue;
            }
            let mut tables = source.tables(database).await?;
            if tables.is_empty() {
                progress.entries.push(metadata::left_out(database, "The database has no tables."));
            }
            tables.retain(|table| only.is_empty() || table.is_named(only));
            found.extend(tables);
        }
        Ok(found)
    }

    async fn extract_table(
        &self,
        source: &dyn Source,
        table: &Table,
        progress: &mut Progress,
    ) -> Result<(), Stop> {
        let Self { rds, task, exports } = self;
        let target = table.target();
        let told = exports.skip.get(&target).map(String::as_str);
        if let Some(reason) = told.or(table.unsupported()) {
            progress.skip(target, reason);
            return Ok(());
        }
        let start = rds.clock.now();
        let mut batches = source.read(table, exports.rows_a_part).await?;
        lose(&mut batches, exports.lose.get(&target).copied().unwrap_or_default());
        let (mut bytes, mut longest_value, mut longest_row) = (0, 0, 0);
        for row in batches.iter().flat_map(|batch| &batch.parts).flat_map(|part| &part.rows) {
            let length = row.iter().flatten().map(String::len).sum::<usize>();
            longest_value = longest_value.max(row.iter().flatten().map(String::len).max().unwrap_or(0));
            longest_row = longest_row.max(length);
            bytes += length as u64;
        }
        if longest_value >= exports.largest_value {
            let message = format!(
                "Export task {}: Table extraction failed for table {target} due to a value that is too \
                 large.",
                task.id
            );
            rds.event(&mut rds.world(), &task.snapshot, "0489", message);
            return Err(Stop::Failed(UNKNOWN.to_owned()));
        }
        if longest_row >= exports.largest_row {
            progress.skip(target, "ROW_TOO_LARGE");
            return Ok(());
        }
        self.write(table, &batches).await?;
        progress.bytes += bytes;
        progress.entries.push(metadata::entry(table, &batches, (start, rds.clock.now()), bytes));
        Ok(())
    }

    /// Every batch ends with an empty `_SUCCESS`, an empty table has no other file.
    async fn write(&self, table: &Table, batches: &[Batch]) -> Result<(), Stop> {
        for (number, batch) in (1..).zip(batches) {
            let folder = metadata::of_batch(table, number);
            for part in &batch.parts {
                let uuid = self.rds.world().random_uuid();
                let name = format!("{folder}{}", metadata::part(part.index, &uuid));
                self.put(&name, file::encode(&table.columns, &part.rows)?).await?;
            }
            self.put(&format!("{folder}_SUCCESS"), Vec::new()).await?;
        }
        Ok(())
    }

    async fn write_metadata(&self, progress: &Progress) -> Result<(), Stop> {
        let mut task = self.rds.world().exports.get(&self.task.id).unwrap_or(self.task).clone();
        // What the file says is what the task is about to be.
        (task.status, task.percent, task.bytes) = ("COMPLETE", 100, progress.bytes);
        task.ended = Some(self.rds.clock.now());
        let mut files = metadata::tables(&task, &progress.entries, self.exports.tables_a_file);
        files.push((metadata::info_name(&task), metadata::info(&task)));
        for (name, content) in files {
            self.put(&name, content.to_string().into_bytes()).await?;
        }
        self.update(|known| {
            known.bytes = progress.bytes;
            known.warning = metadata::warning(&progress.skipped, &progress.general);
        });
        Ok(())
    }

    async fn put(&self, path: &str, body: Vec<u8>) -> Result<(), Stop> {
        self.bucket().put(path, body).await.map_err(|refused| self.refused(refused))
    }

    /// Lets time pass, unless the task is canceled.
    async fn wait(&self, duration: Duration) -> Result<(), Stop> {
        const STEPS: u32 = 10;
        for _ in 0..STEPS {
            self.rds.pause(duration / STEPS).await;
            if self.rds.world().exports.get(&self.task.id).is_none_or(|task| task.status == "CANCELING") {
                return Err(Stop::Canceled);
            }
        }
        Ok(())
    }

    fn update(&self, change: impl FnOnce(&mut Task)) {
        if let Some(task) = self.rds.world().exports.get_mut(&self.task.id) {
            change(task);
        }
    }

    fn end(&self, status: &'static str, failure: Option<String>) {
        let (id, message) = match status {
            "COMPLETE" => ("0164", "The cluster snapshot export task completed."),
            "CANCELED" => ("0163", "The cluster snapshot export task was canceled."),
            _ => ("0162", "The cluster snapshot export task failed."),
        };
        self.update(|task| {
            (task.status, task.failure, task.ended) = (status, failure, Some(self.rds.clock.now()));
            if status == "COMPLETE" {
                task.percent = 100;
            }
        });
        self.rds.event(&mut self.rds.world(), &self.task.snapshot, id, message);
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
