//! Lets AWS export the snapshot to S3, and waits until it is done.
//!
//! Changes: one StartExportTask, named by the execution and its redrives. Again is harmless: a task
//! on this snapshot that writes what the policy asks for is waited for, or is done, whichever
//! execution of this export began it. Undo: none; the files stay, and nobody is led to them.
//! Errors: `NotReady` (with AWS's percentage; also while five tasks of the account are at work),
//! `Refused` (bucket, role, key, the policy's filter), `Conflict` (the name is someone else's),
//! `OperationFailed` (AWS says FAILED or CANCELED, and why).

use std::collections::BTreeSet;

use aws_sdk_rds::types::ExportTask;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use jiff::Timestamp;
use policy::Export;
use runbook::{
    Arn, Context, Error, Result, Run, State,
    aurora::{Fault, message},
    error::{Then, aws},
    snapshot_export::{self, names},
};
use serde::{Deserialize, Serialize};

/// In no model of RDS's; the field has met it: "You have reached the limit of 5 concurrent export
/// tasks" (it stands in the code of many who start tasks, and in their notes).
const LIMIT: &str = "ExportTaskLimitReachedFault";

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ExportSnapshot {
    export: String,
    snapshot: Arn,
    /// When it was taken.
    taken: Timestamp,
    /// Also when another execution has exported it.
    again: bool,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Exported {
    summary: String,
    /// The export task, and the name of the folder of its files.
    task: String,
}

/// What the tasks on the snapshot leave to do.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    Start,
    Wait(String),
    Done(String),
    /// This attempt's own has not come to its end: AWS's status, and its words.
    Failed(String, String),
}

impl State for ExportSnapshot {
    const NAME: &'static str = "ExportSnapshot";
    type Output = Exported;

    async fn reconcile(self, cx: &Context, run: &Run) -> Result<Exported> {
        let export = snapshot_export::policy(cx, run, &self.export).await?;
        let name = names::task(&self.export, self.taken, run);
        let describe = cx.rds.describe_export_tasks().source_arn(self.snapshot.as_str());
        let tasks = describe.into_paginator().items().send().try_collect().await;
        let tasks: Vec<ExportTask> = tasks.map_err(aws("rds:DescribeExportTasks"))?;
        match self.next(&tasks, &name, &export) {
            Next::Start => {
                self.start(cx, &export, &name).await?;
                Err(Error::NotReady(format!("export task {name}, which was begun now")))
            }
            Next::Wait(what) => Err(Error::NotReady(what)),
            Next::Failed(status, cause) => Err(failed(&name, &status, &cause, &export)),
            Next::Done(task) => {
                Ok(Exported { summary: format!("AWS has written {} as {task}", self.snapshot.name()), task })
            }
        }
    }
}

impl ExportSnapshot {
    fn next(&self, tasks: &[ExportTask], name: &str, export: &Export) -> Next {
        let is_own = |task: &&ExportTask| task.export_task_identifier() == Some(name);
        let is_ours = |task: &&ExportTask| {
            let id = task.export_task_identifier().unwrap_or_default();
            names::taken(&self.export, id).is_some() && is_as_asked(task, &self.export, export)
        };
        let is_complete = |task: &&ExportTask| task.status() == Some("COMPLETE");
        let id = |task: &ExportTask| task.export_task_identifier().unwrap_or_default().to_owned();
        if let Some(own) = tasks.iter().find(is_own) {
            return match own.status().unwrap_or("unknown") {
                "COMPLETE" => Next::Done(id(own)),
                status @ ("FAILED" | "CANCELED") => {
                    Next::Failed(status.to_owned(), own.failure_cause().unwrap_or_default().to_owned())
                }
                _ => Next::Wait(progress(own)),
            };
        }
        // RDS does not run two tasks on one snapshot (Aurora User Guide, "Considerations for DB
        // cluster snapshot exports"), so whoever's it is has to end first.
        let is_over = |task: &&ExportTask| matches!(task.status(), Some("COMPLETE" | "FAILED" | "CANCELED"));
        if let Some(other) = tasks.iter().find(|task| !is_over(task)) {
            return Next::Wait(progress(other));
        }
        let done = tasks.iter().filter(|task| !self.again && is_complete(task) && is_ours(task));
        match done.max_by_key(|task| task.task_end_time().map(|time| time.secs())) {
            Some(done) => Next::Done(id(done)),
            None => Next::Start,
        }
    }

    async fn start(&self, cx: &Context, export: &Export, name: &str) -> Result<()> {
        let start = cx.rds.start_export_task().export_task_identifier(name);
        let start = start.source_arn(self.snapshot.as_str()).s3_bucket_name(&export.bucket);
        let start = start.s3_prefix(snapshot_export::prefix(export, &self.export));
        let start = start.iam_role_arn(&export.role).kms_key_id(&export.kms_key);
        let start = start.set_export_only((!export.only.is_empty()).then(|| export.only.clone()));
        let Err(error) = start.send().await else { return Ok(()) };
        let said = message(&error);
        let refused = |fix: &str| {
            Error::refused(format!("RDS does not begin the export {name}: {said}"))
                .fix(fix)
                .then(Then::Redrive)
        };
        Err(match Fault::of(&error) {
            _ if error.code() == Some(LIMIT) => {
                Error::NotReady(format!("a place among the account's export tasks ({said})"))
            }
            Some(Fault::ExportTaskAlreadyExists) => self.whose(cx, name).await,
            Some(Fault::InvalidExportSourceState) => {
                Error::Busy(format!("snapshot {} to be exportable ({said})", self.snapshot))
            }
            Some(Fault::DBClusterSnapshotNotFoundFault) => Error::failed(format!(
                "the snapshot {} is gone; automated ones go with the retention period",
                self.snapshot
            ))
            .changed("nothing")
            .then(Then::StartAgain),
            Some(Fault::IamRoleNotFound | Fault::IamRoleMissingPermissions) => refused(&format!(
                "let export.rds.amazonaws.com assume {} and let that role s3:PutObject*, s3:GetObject*, \
                 s3:ListBucket, s3:DeleteObject* and s3:GetBucketLocation on {}",
                export.role, export.bucket
            )),
            Some(Fault::InvalidS3BucketFault) => {
                refused(&format!("make the bucket {} in the snapshot's Region", export.bucket))
            }
            Some(Fault::KMSKeyNotAccessibleFault) => refused(&format!(
                "let the policy of {} allow this function's role kms:CreateGrant and kms:DescribeKey",
                export.kms_key
            )),
            Some(Fault::InvalidExportOnly | Fault::InvalidParameterValue) => {
                refused("change the export in the policy").then(Then::StartAgain)
            }
            _ => aws("rds:StartExportTask")(error),
        })
    }

    /// Somebody has a task of that name: we, a moment ago, or somebody else.
    async fn whose(&self, cx: &Context, name: &str) -> Error {
        let described = cx.rds.describe_export_tasks().export_task_identifier(name).send().await;
        let task = match described.map_err(aws("rds:DescribeExportTasks")) {
            Ok(answer) => answer.export_tasks.unwrap_or_default().into_iter().next(),
            Err(error) => return error,
        };
        match task.as_ref().and_then(|task| task.source_arn()) {
            Some(source) if source != self.snapshot.as_str() => {
                Error::conflict(format!("an export task {name} exists, of {source}, and is not this run's"))
                    .then(Then::Redrive)
            }
            _ => Error::NotReady(format!("export task {name} to show")),
        }
    }
}

/// It writes where and what the policy says.
fn is_as_asked(task: &ExportTask, name: &str, export: &Export) -> bool {
    let asked: BTreeSet<&str> = export.only.iter().map(String::as_str).collect();
    let only: BTreeSet<&str> = task.export_only().iter().map(String::as_str).collect();
    task.s3_bucket() == Some(&export.bucket)
        && task.s3_prefix() == Some(&snapshot_export::prefix(export, name))
        && only == asked
}

fn progress(task: &ExportTask) -> String {
    let id = task.export_task_identifier().unwrap_or("without a name");
    match task.status().unwrap_or("unknown") {
        "STARTING" => format!("export task {id} (STARTING: AWS restores the whole snapshot first)"),
        status => format!(
            "export task {id} ({status}, {} %, {} GB read)",
            task.percent_progress().unwrap_or_default(),
            task.total_extracted_data_in_gb().unwrap_or_default()
        ),
    }
}

/// What to do about it stands in the guide's "Troubleshooting PostgreSQL permissions errors" and
/// "Failure messages" (Aurora User Guide, aurora-export-snapshot.Troubleshooting).
fn failed(name: &str, status: &str, cause: &str, export: &Export) -> Error {
    if status == "CANCELED" {
        return Error::failed(format!("somebody has canceled the export task {name}"))
            .changed(format!("files that nobody is led to, in s3://{}", export.bucket))
            .then(Then::Redrive);
    }
    let cause = if cause.is_empty() { "RDS gives no cause" } else { cause };
    let about = |words: &[&str]| words.iter().any(|word| cause.contains(word));
    let fix = if about(&["PERMISSIONS_DO_NOT_EXIST", "permission"]) {
        "let the cluster's master user read every table (GRANT SELECT …), and take a new snapshot"
    } else if about(&["KMS", "kms"]) {
        "let the role and this function use the key: kms:Encrypt, Decrypt, GenerateDataKey*, DescribeKey"
    } else if about(&["S3", "s3:", "IAM role", "assume"]) {
        "let the role write to the bucket, and RDS assume the role"
    } else {
        "change what it names"
    };
    Error::failed(format!("the export task {name} has failed: {cause}"))
        .changed(format!("files that nobody is led to, in s3://{}", export.bucket))
        .fix(fix)
        .then(Then::Redrive)
}

#[cfg(test)]
mod tests {
    use aws_sdk_rds::types::builders::ExportTaskBuilder;

    use super::*;

    const OWN: &str = "orders-20260105t0200-0a1b2c3d";
    const OTHER: &str = "orders-20260105t0200-99999999";

    fn export() -> Export {
        let text = "exports: {orders: {source: {cluster: o, snapshot: {type: manual, max-age: 1d}, \
                    accept-raw: x}, bucket: abc, role: 'arn:aws:iam::444455556666:role/x', kms-key: alias/x, \
                    verify: aws, keep: {count: 1, age: 1d}}}";
        policy::Policy::parse(text).unwrap().exports.remove("orders").unwrap()
    }

    fn task(id: &str, status: &str) -> ExportTaskBuilder {
        let task = ExportTask::builder().export_task_identifier(id).status(status);
        task.s3_bucket("abc").s3_prefix("orders")
    }

    fn next(again: bool, tasks: &[ExportTask]) -> Next {
        let snapshot = "arn:aws:rds:eu-west-1:444455556666:cluster-snapshot:s".to_owned();
        let state = ExportSnapshot {
            export: "orders".into(),
            snapshot: snapshot.try_into().unwrap(),
            taken: "2026-01-05T02:00:00Z".parse().unwrap(),
            again,
        };
        state.next(tasks, OWN, &export())
    }

    #[test]
    fn a_task_that_does_what_is_asked_is_used_and_no_other_is_begun() {
        assert_eq!(next(false, &[]), Next::Start);
        assert_eq!(next(false, &[task(OWN, "COMPLETE").build()]), Next::Done(OWN.into()));
        assert_eq!(next(false, &[task(OTHER, "COMPLETE").build()]), Next::Done(OTHER.into()));
        assert_eq!(next(true, &[task(OTHER, "COMPLETE").build()]), Next::Start, "asked for again");
        let elsewhere = task(OTHER, "COMPLETE").s3_bucket("other").build();
        assert_eq!(next(false, &[elsewhere]), Next::Start);
        let partial = task(OTHER, "COMPLETE").export_only("shop").build();
        assert_eq!(next(false, &[partial]), Next::Start);
        let of_somebody = task("nightly", "COMPLETE").build();
        assert_eq!(next(false, &[of_somebody]), Next::Start);
        assert_eq!(next(false, &[task(OTHER, "FAILED").build()]), Next::Start, "of an earlier attempt");
    }

    #[test]
    fn whoever_exports_the_snapshot_is_waited_for_with_its_progress() {
        let running = task("nightly", "IN_PROGRESS").percent_progress(42).build();
        assert_eq!(
            next(false, &[running]),
            Next::Wait("export task nightly (IN_PROGRESS, 42 %, 0 GB read)".into())
        );
        assert!(matches!(next(false, &[task(OWN, "STARTING").build()]), Next::Wait(_)));
        assert!(matches!(next(false, &[task(OWN, "CANCELING").build()]), Next::Wait(_)));
        assert!(matches!(next(false, &[task(OWN, "PAUSED").build()]), Next::Wait(_)), "an unknown status");
    }

    #[test]
    fn a_failure_tells_aws_cause_and_a_remedy() {
        let failed = task(OWN, "FAILED").failure_cause("[PERMISSIONS_DO_NOT_EXIST] shop").build();
        let Next::Failed(status, cause) = next(false, &[failed]) else { panic!("it has failed") };
        let text = super::failed(OWN, &status, &cause, &export()).to_string();
        for part in [OWN, "PERMISSIONS_DO_NOT_EXIST", "GRANT SELECT", "redrive"] {
            assert!(text.contains(part), "{part}: {text}");
        }
        let canceled = super::failed(OWN, "CANCELED", "", &export()).to_string();
        assert!(canceled.contains("canceled") && canceled.contains("redrive"), "{canceled}");
    }
}
