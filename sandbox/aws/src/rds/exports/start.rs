//! StartExportTask: what is refused at once, and what a new task is.

use super::bucket::Bucket;
use super::{SERVICE, Task};
use crate::aws;
use crate::rds::error::Fault;
use crate::rds::model::{Snapshot, identifier};
use crate::rds::query::Input;
use crate::rds::{Answer, Rds};

/// Per account; one of a snapshot at a time
/// (https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/aurora-export-snapshot.Considerations.html).
const MOST_TASKS: usize = 5;
/// Same page: "the ExportOnly list has a maximum size of 200 KB".
const LONGEST_LIST: usize = 200 << 10;
/// wellcomecollection/catalogue-pipeline#3227
const LONGEST_IDENTIFIER: usize = 60;

impl Rds {
    pub(in crate::rds) async fn start_export_task(&self, input: &Input) -> Answer {
        let parameter = "ExportTaskIdentifier";
        let id = identifier(parameter, input.required(parameter)?, LONGEST_IDENTIFIER)?;
        let snapshot = self.source_of_export(input.required("SourceArn")?)?;
        let only = checked(input.texts("ExportOnly"))?;
        let prefix = input.text("S3Prefix").unwrap_or_default();
        if prefix.contains(':') {
            return Err(Fault::value("The parameter S3Prefix must not contain a colon."));
        }
        let key = self.usable_key(input.required("KmsKeyId")?)?;
        let task = Task {
            id,
            snapshot,
            only,
            bucket: input.required("S3BucketName")?.to_owned(),
            prefix: prefix.to_owned(),
            role: input.required("IamRoleArn")?.to_owned(),
            key,
            status: "STARTING",
            percent: 0,
            bytes: 0,
            started: None,
            ended: None,
            failure: None,
            warning: None,
        };
        self.check_room(&task)?;
        Bucket { rds: self, task: &task }.check_role().await?;
        // Another may have come while the bucket was looked at.
        self.check_room(&task)?;
        let answer = task.describe();
        // "You can delete a snapshot while you're exporting its data" (same page).
        self.hold(&task.snapshot.volume);
        self.world().exports.insert(task.id.clone(), task.clone());
        self.background(|rds| async move { rds.run_export(task).await });
        Ok(answer)
    }

    /// Of this account: another's shared snapshot has to be copied first.
    fn source_of_export(&self, arn: &str) -> Result<Snapshot, Fault> {
        let resource = arn.strip_prefix("arn:").and_then(|_| arn.splitn(6, ':').nth(5)).unwrap_or_default();
        let (kind, name) = resource.split_once(':').unwrap_or_default();
        match kind {
            "cluster-snapshot" => {}
            // AWS's words: aws-samples/rds-snapshot-export-to-s3-pipeline#10.
            "snapshot" => {
                let message = format!("Could not find snapshot with name {name}");
                return Err(Fault::new("DBSnapshotNotFound", message));
            }
            "cluster" => {
                return Err(Fault::new("InvalidExportSourceState", "The sandbox exports snapshots only."));
            }
            _ => return Err(Fault::value(format!("Invalid source ARN: {arn}"))),
        }
        let snapshot = self.world().snapshot(arn)?.clone();
        if snapshot.status != "available" {
            let message = format!("The snapshot {} is {}, not available.", snapshot.id, snapshot.status);
            return Err(Fault::new("InvalidExportSourceState", message));
        }
        self.readable(snapshot.kms_key.as_deref())?;
        Ok(snapshot)
    }

    fn check_room(&self, task: &Task) -> Result<(), Fault> {
        let world = self.world();
        if world.exports.contains_key(&task.id) {
            let message = format!("The export task with the ID {} already exists.", task.id);
            return Err(Fault::new("ExportTaskAlreadyExists", message));
        }
        let active = || world.exports.values().filter(|other| other.is_active());
        if active().count() >= MOST_TASKS {
            // Not in the API's model; several catch it by this name, and one quotes the text.
            let message = format!("You have reached the limit of {MOST_TASKS} concurrent export tasks");
            return Err(Fault::new("ExportTaskLimitReachedFault", message));
        }
        if let Some(other) = active().find(|other| other.snapshot.arn() == task.snapshot.arn()) {
            let message = format!("The snapshot is being exported by the task {}.", other.id);
            return Err(Fault::new("InvalidExportSourceState", message));
        }
        Ok(())
    }
}

/// "If a database, schema, or table has characters in its name other than the following, partial
/// export isn't supported": Latin letters, digits, `$`, `_` (same page).
fn checked(only: Vec<String>) -> Result<Vec<String>, Fault> {
    let is_name = |name: &str| {
        !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '$' || c == '_')
    };
    for item in &only {
        if !(1..=3).contains(&item.split('.').count()) || !item.split('.').all(is_name) {
            return Err(Fault::new("InvalidExportOnly", format!("Invalid ExportOnly value: {item}")));
        }
    }
    if only.iter().map(String::len).sum::<usize>() > LONGEST_LIST {
        return Err(Fault::new("InvalidExportOnly", "The ExportOnly list is larger than 200 KB."));
    }
    Ok(only)
}

impl Bucket<'_> {
    /// Whether the role can be assumed and sees the bucket.
    async fn check_role(&self) -> Result<(), Fault> {
        let Task { role, bucket, .. } = self.task;
        if aws::account_of(role).is_none() || !role.contains(":role/") {
            return Err(Fault::value(format!("Invalid IAM role ARN: {role}")));
        }
        let refused = match self.look().await {
            Ok(()) => return Ok(()),
            Err(refused) => refused,
        };
        Err(match refused.action.as_str() {
            "sts:AssumeRole" => {
                let message = format!("The IAM role {role} doesn't exist or doesn't trust {SERVICE}.");
                Fault::new("IamRoleNotFound", message)
            }
            "" => Fault::new("InvalidS3BucketFault", refused.cause(role, bucket)),
            _ => Fault::new("IamRoleMissingPermissions", refused.cause(role, bucket)),
        })
    }
}
