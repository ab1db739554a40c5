//! Production's account, as far as a sync goes there: it reads, and it changes nothing but our own
//! copies of snapshots.
//!
//! No other file assumes production's role, and the client stays in here: this is the one place to
//! look at for the promise that no production cluster is ever touched.

use aws_sdk_rds::{error::ProvideErrorMetadata, types::DbClusterSnapshot};
use policy::Sync;
use runbook::{
    Context, Error, Result, Run,
    daily_sync::{
        names,
        tags::{self, Role},
    },
    error::aws,
};

pub struct Source {
    cx: Context,
    name: String,
    account: String,
}

/// A snapshot that a run of this sync made. Only [`Source`] makes one, and only such a one is
/// changed.
pub struct OurCopy(DbClusterSnapshot);

impl OurCopy {
    /// By its ARN, which says account and name, and by its tags, which a copy never takes over from
    /// its source (CopyTags is false).
    fn check(snapshot: DbClusterSnapshot, sync: &str, account: &str) -> Option<Self> {
        let arn: Vec<&str> = snapshot.db_cluster_snapshot_arn().unwrap_or_default().split(':').collect();
        let named = matches!(arn[..], ["arn", _, "rds", _, owner, "cluster-snapshot", name] if owner == account && name.starts_with(&format!("sync-{sync}-")));
        let ours =
            tags::is_of_sync(snapshot.tag_list(), sync) && tags::has_role(snapshot.tag_list(), Role::Copy);
        (named && ours && snapshot.snapshot_type() == Some("manual")).then_some(Self(snapshot))
    }

    pub fn snapshot(&self) -> &DbClusterSnapshot {
        &self.0
    }

    pub fn id(&self) -> &str {
        self.0.db_cluster_snapshot_identifier().unwrap_or_default()
    }

    pub fn arn(&self) -> &str {
        self.0.db_cluster_snapshot_arn().unwrap_or_default()
    }
}

impl Source {
    pub async fn open(cx: &Context, name: &str, sync: &Sync) -> Self {
        Self {
            cx: cx.assume(&sync.source.role).await,
            name: name.to_owned(),
            account: sync.source.account.clone(),
        }
    }

    pub async fn snapshots(&self, cluster: &str, kind: &str) -> Result<Vec<DbClusterSnapshot>> {
        let pages =
            self.cx.rds.describe_db_cluster_snapshots().db_cluster_identifier(cluster).snapshot_type(kind);
        let pages = pages.into_paginator().items().send();
        pages.collect::<std::result::Result<_, _>>().await.map_err(aws("rds:DescribeDBClusterSnapshots"))
    }

    /// This run's copy. Someone else's snapshot under its name is a `Conflict`.
    pub async fn copy(&self, run: &Run) -> Result<Option<OurCopy>> {
        let name = names::copy(&self.name, run);
        let answer = match self
            .cx
            .rds
            .describe_db_cluster_snapshots()
            .db_cluster_snapshot_identifier(&name)
            .send()
            .await
        {
            Ok(answer) => answer,
            Err(error) if error.code() == Some("DBClusterSnapshotNotFoundFault") => return Ok(None),
            Err(error) => return Err(aws("rds:DescribeDBClusterSnapshots")(error)),
        };
        let Some(snapshot) = answer.db_cluster_snapshots.unwrap_or_default().into_iter().next() else {
            return Ok(None);
        };
        let of_run = tags::is_of_run(snapshot.tag_list(), &self.name, run);
        let copy = OurCopy::check(snapshot, &self.name, &self.account).filter(|_| of_run);
        copy.map(Some).ok_or_else(|| {
            Error::Conflict(format!(
                "a snapshot {name} exists in account {} and is not this run's. It was left alone. Rename or \
                delete it, then start a new execution.",
                self.account
            ))
        })
    }

    /// The copies of all runs of this sync.
    pub async fn copies(&self) -> Result<Vec<OurCopy>> {
        let pages = self
            .cx
            .rds
            .describe_db_cluster_snapshots()
            .snapshot_type("manual")
            .into_paginator()
            .items()
            .send();
        let all: Vec<_> = pages
            .collect::<std::result::Result<_, _>>()
            .await
            .map_err(aws("rds:DescribeDBClusterSnapshots"))?;
        Ok(all
            .into_iter()
            .filter_map(|snapshot| OurCopy::check(snapshot, &self.name, &self.account))
            .collect())
    }

    /// Begins this run's copy. Tags are ours alone: production's would let IAM conditions on tags
    /// take the copy for production.
    pub async fn begin_copy(&self, run: &Run, snapshot_arn: &str, kms_key: &str) -> Result<()> {
        let name = names::copy(&self.name, run);
        let copy = self.cx.rds.copy_db_cluster_snapshot().source_db_cluster_snapshot_identifier(snapshot_arn);
        let copy = copy.target_db_cluster_snapshot_identifier(&name).kms_key_id(kms_key).copy_tags(false);
        match copy.set_tags(Some(tags::of(run, &self.name, Role::Copy))).send().await {
            Ok(_) => Ok(()),
            // Another attempt of this state was faster; who owns the name is seen at the next look.
            Err(error) if error.code() == Some("DBClusterSnapshotAlreadyExistsFault") => Ok(()),
            Err(error) => Err(copy_refused(
                error.code().unwrap_or_default(),
                error.message().unwrap_or_default(),
                snapshot_arn,
                kms_key,
            )
            .unwrap_or_else(|| aws("rds:CopyDBClusterSnapshot")(error))),
        }
    }

    pub async fn is_shared_with(&self, copy: &OurCopy, account: &str) -> Result<bool> {
        Ok(self.shared_with(copy).await?.iter().any(|other| other == account))
    }

    /// The accounts that may restore it (the attribute `restore`).
    pub async fn shared_with(&self, copy: &OurCopy) -> Result<Vec<String>> {
        let describe =
            self.cx.rds.describe_db_cluster_snapshot_attributes().db_cluster_snapshot_identifier(copy.id());
        let answer = describe.send().await.map_err(aws("rds:DescribeDBClusterSnapshotAttributes"))?;
        let attributes = answer
            .db_cluster_snapshot_attributes_result
            .and_then(|result| result.db_cluster_snapshot_attributes);
        let restore = attributes
            .unwrap_or_default()
            .into_iter()
            .find(|attribute| attribute.attribute_name() == Some("restore"));
        Ok(restore.and_then(|attribute| attribute.attribute_values).unwrap_or_default())
    }

    pub async fn share(&self, copy: &OurCopy, account: &str) -> Result<()> {
        let modify =
            self.cx.rds.modify_db_cluster_snapshot_attribute().db_cluster_snapshot_identifier(copy.id());
        match modify.attribute_name("restore").values_to_add(account).send().await {
            Ok(_) => Ok(()),
            Err(error) if error.code() == Some("InvalidDBClusterSnapshotStateFault") => Err(Error::NotReady(
                format!("snapshot {} to be shared ({})", copy.id(), error.message().unwrap_or_default()),
            )),
            Err(error) if error.code() == Some("SharedSnapshotQuotaExceeded") => {
                Err(Error::Refused(format!(
                    "RDS shares no further snapshot ({}). It was not shared; raise the quota or unshare old \
                    ones.",
                    error.message().unwrap_or_default()
                )))
            }
            Err(error) => Err(aws("rds:ModifyDBClusterSnapshotAttribute")(error)),
        }
    }

    async fn is_gone(&self, copy: &OurCopy) -> Result<bool> {
        Ok(!self.copies().await?.iter().any(|other| other.arn() == copy.arn()))
    }

    /// One step of its removal; what is waited for, or `None` when it is gone.
    pub async fn remove(&self, copy: &OurCopy) -> Result<Option<String>> {
        let shared = self.shared_with(copy).await?;
        if !shared.is_empty() {
            let modify =
                self.cx.rds.modify_db_cluster_snapshot_attribute().db_cluster_snapshot_identifier(copy.id());
            let modify = modify.attribute_name("restore").set_values_to_remove(Some(shared));
            modify.send().await.map_err(aws("rds:ModifyDBClusterSnapshotAttribute"))?;
            return Ok(Some(format!(
                "snapshot {} in account {}, which was unshared now",
                copy.id(),
                self.account
            )));
        }
        // Deleting a copy that is still `copying` cancels it (DeleteDBClusterSnapshot, botocore rds
        // 2014-10-31).
        match self.cx.rds.delete_db_cluster_snapshot().db_cluster_snapshot_identifier(copy.id()).send().await
        {
            Ok(_) => Ok(Some(format!("snapshot {} in account {} to be gone", copy.id(), self.account))),
            Err(error) if error.code() == Some("DBClusterSnapshotNotFoundFault") => Ok(None),
            // What is gone has no tags, so that the role may not delete it.
            Err(error) if error.code() == Some("AccessDenied") && self.is_gone(copy).await? => Ok(None),
            Err(error) if error.code() == Some("InvalidDBClusterSnapshotStateFault") => Ok(Some(format!(
                "snapshot {} in account {} to be deletable ({})",
                copy.id(),
                self.account,
                error.message().unwrap_or_default()
            ))),
            Err(error) => Err(aws("rds:DeleteDBClusterSnapshot")(error)),
        }
    }
}

/// What a person can do about a copy that RDS does not make.
fn copy_refused(code: &str, message: &str, snapshot: &str, kms_key: &str) -> Option<Error> {
    Some(match code {
        "DBClusterSnapshotNotFoundFault" => Error::OperationFailed(format!(
            "the snapshot {snapshot} is gone; automated ones go with the retention period. Nothing was \
            copied. Start a new execution: it chooses another."
        )),
        "KMSKeyNotAccessibleFault" => Error::Refused(format!(
            "RDS may not use the key {kms_key}: {message} It must be a customer key in production's account \
            whose policy lets the source role use it \
             (the default key aws/rds cannot be shared). Nothing was copied."
        )),
        "SnapshotQuotaExceeded" => Error::Refused(format!(
            "production's account has no room for another manual snapshot ({message}). Delete old ones or \
            raise the quota. Nothing was copied."
        )),
        "InvalidDBClusterSnapshotStateFault" => {
            Error::NotReady(format!("snapshot {snapshot} to be copyable ({message})"))
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use aws_sdk_rds::types::Tag;

    use super::*;

    const ACCOUNT: &str = "111122223333";

    fn snapshot(account: &str, name: &str, tags: Vec<Tag>) -> DbClusterSnapshot {
        let arn = format!("arn:aws:rds:eu-west-1:{account}:cluster-snapshot:{name}");
        DbClusterSnapshot::builder()
            .db_cluster_snapshot_arn(arn)
            .snapshot_type("manual")
            .set_tag_list(Some(tags))
            .build()
    }

    #[test]
    fn only_our_own_copy_in_productions_account_is_ours_to_change() {
        let run = Run::of("arn:aws:states:eu-west-1:444455556666:execution:daily-sync:one");
        let tags = || tags::of(&run, "orders", Role::Copy);
        let ours = |snapshot| OurCopy::check(snapshot, "orders", ACCOUNT).is_some();
        assert!(ours(snapshot(ACCOUNT, "sync-orders-01234567", tags())));
        assert!(!ours(snapshot(ACCOUNT, "sync-orders-01234567", vec![])), "without our tags");
        assert!(!ours(snapshot(ACCOUNT, "before-release", tags())), "production's own, whoever tagged it");
        assert!(!ours(snapshot("444455556666", "sync-orders-01234567", tags())), "of another account");
        assert!(
            OurCopy::check(snapshot(ACCOUNT, "sync-orders-01234567", tags()), "customers", ACCOUNT).is_none(),
            "of another sync"
        );
        let cluster = DbClusterSnapshot::builder()
            .db_cluster_snapshot_arn(format!("arn:aws:rds:eu-west-1:{ACCOUNT}:cluster:sync-orders-1"));
        assert!(!ours(cluster.snapshot_type("manual").set_tag_list(Some(tags())).build()), "a cluster");
    }

    #[test]
    fn a_refused_copy_tells_what_to_do() {
        assert_eq!(
            copy_refused("KMSKeyNotAccessibleFault", "no", "s", "alias/sync").unwrap().name(),
            "Refused"
        );
        assert_eq!(
            copy_refused("DBClusterSnapshotNotFoundFault", "no", "s", "alias/sync").unwrap().name(),
            "OperationFailed"
        );
        assert!(copy_refused("Throttling", "slow", "s", "k").is_none());
    }
}
