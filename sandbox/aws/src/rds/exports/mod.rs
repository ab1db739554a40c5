//! Exports of cluster snapshots to S3
//! (https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/aurora-export-snapshot.html).
//!
//! A task restores the snapshot, reads every table of every database and writes Parquet files and
//! what it knows of them into a bucket, with a role of the owner's. Tables that it cannot write it
//! leaves out, and ends `COMPLETE` all the same.

mod behaviour;
mod bucket;
mod file;
mod metadata;
mod model;
mod run;
mod source;
mod start;
#[cfg(test)]
mod tests;

use jiff::Timestamp;
use serde_json::{Value, json};

pub use behaviour::Exports;
pub use model::ModelTable;
pub use source::{Batch, Column, Kind, Part, Partitioning, Row, Source, Table};

use super::error::Fault;
use super::model::{Snapshot, World, stamp};
use super::paging::{Filters, page};
use super::query::Input;
use super::{Answer, Rds};

/// The service that must be trusted with the role.
pub const SERVICE: &str = "export.rds.amazonaws.com";

const GIGABYTE: u64 = 1 << 30;

#[derive(Debug, Clone)]
pub struct Task {
    pub id: String,
    pub snapshot: Snapshot,
    /// What is exported; all of it when empty.
    pub only: Vec<String>,
    pub bucket: String,
    pub prefix: String,
    pub role: String,
    /// The ARN of the key that encrypts the files.
    pub key: String,
    pub status: &'static str,
    pub percent: usize,
    /// Read so far.
    pub bytes: u64,
    pub started: Option<Timestamp>,
    pub ended: Option<Timestamp>,
    pub failure: Option<String>,
    pub warning: Option<String>,
}

impl Task {
    fn is_active(&self) -> bool {
        ["STARTING", "IN_PROGRESS", "CANCELING"].contains(&self.status)
    }

    fn describe(&self) -> Value {
        json!({
            "ExportTaskIdentifier": self.id,
            "SourceArn": self.snapshot.arn(),
            "ExportOnly": (!self.only.is_empty()).then_some(&self.only),
            "SnapshotTime": stamp(self.snapshot.created),
            "TaskStartTime": self.started.map(stamp),
            "TaskEndTime": self.ended.map(stamp),
            "S3Bucket": self.bucket,
            "S3Prefix": self.prefix,
            "IamRoleArn": self.role,
            "KmsKeyId": self.key,
            "Status": self.status,
            "PercentProgress": self.percent,
            "TotalExtractedDataInGB": self.bytes / GIGABYTE,
            "FailureCause": self.failure,
            "WarningMessage": self.warning,
            "SourceType": "SNAPSHOT",
        })
    }
}

impl World {
    fn export(&mut self, id: &str) -> Result<&mut Task, Fault> {
        let found = self.exports.get_mut(&id.to_lowercase());
        found.ok_or_else(|| Fault::new("ExportTaskNotFound", format!("Could not find export task {id}.")))
    }
}

impl Rds {
    pub(super) fn describe_export_tasks(&self, input: &Input) -> Answer {
        let filters = Filters::read(input, &["export-task-identifier", "s3-bucket", "source-arn", "status"])?;
        let mut world = self.world();
        if let Some(id) = input.text("ExportTaskIdentifier") {
            world.export(id)?;
        }
        let wanted = |name: &str, value: &str| input.text(name).is_none_or(|wanted| wanted == value);
        let tasks = world.exports.values().filter(|task| {
            let source = task.snapshot.arn();
            wanted("ExportTaskIdentifier", &task.id)
                && wanted("SourceArn", &source)
                && wanted("SourceType", "SNAPSHOT")
                && filters.allow("export-task-identifier", &task.id)
                && filters.allow("s3-bucket", &task.bucket)
                && filters.allow("source-arn", &source)
                // "The status of the export task. Must be lowercase." (botocore rds 2014-10-31)
                && filters.allow("status", &task.status.to_lowercase())
        });
        page("ExportTasks", tasks.map(Task::describe).collect(), input)
    }

    /// "Any data that has already been written to the S3 bucket isn't removed" (botocore rds
    /// 2014-10-31, CancelExportTask).
    pub(super) fn cancel_export_task(&self, input: &Input) -> Answer {
        let mut world = self.world();
        let task = world.export(input.required("ExportTaskIdentifier")?)?;
        if !task.is_active() {
            let message = format!("Export task {} can't be canceled: it is {}.", task.id, task.status);
            return Err(Fault::new("InvalidExportTaskStateFault", message));
        }
        task.status = "CANCELING";
        Ok(task.describe())
    }
}
