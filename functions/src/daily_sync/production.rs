//! Production's account, as far as a sync goes there: it reads, and it changes nothing but our own
//! copies of snapshots. For a sync of what another account has sanitised, that account.
//!
//! No other file assumes production's role, and the client stays in here: this is the one place to
//! look at for the promise that no production cluster is ever touched.

use std::collections::BTreeMap;

use policy::{Policy, Sync};
use runbook::{
    Arn, Context, Error, Result, Run,
    aurora::{self, Fault, ResourceId, Snapshot, Tags, is_denied, message},
    daily_sync::{
        names,
        tags::{self, Role},
    },
    error::{Then, aws},
};

pub struct Source {
    cx: Context,
    name: String,
    account: String,
}

/// What a sync of another account says of its snapshot, and what our copy of it carries.
pub struct Accepted {
    /// The run over there.
    pub run: String,
    /// The DbClusterResourceId of the cluster that it looked at.
    pub resource_id: ResourceId,
}

impl Accepted {
    /// A sanitised snapshot of that sync, by the tags that only its own run gives it.
    fn of(snapshot: &Snapshot, sync: &str, account: &str) -> Option<Self> {
        let Snapshot { arn, tags, shown, .. } = snapshot;
        let theirs = arn.account() == account
            && shown.snapshot_type() == Some("manual")
            && tags::is_of_sync(tags, sync)
            && tags::has_role(tags, Role::Sanitized)
            && tags.get(tags::ATTESTED_RUN) == tags.get(tags::EXECUTION);
        let found = Self::carried(tags).filter(|_| theirs)?;
        shown.db_cluster_resource_id().is_none_or(|of| of == found.resource_id.as_str()).then_some(found)
    }

    fn carried(tags: &Tags) -> Option<Self> {
        Some(Self {
            run: tags.get(tags::ATTESTED_RUN)?.to_owned(),
            resource_id: tags.get(tags::ATTESTED_RESOURCE)?.to_owned().try_into().ok()?,
        })
    }
}

/// A snapshot that a run of this sync made. Only [`Source`] makes one, and only such a one is
/// changed.
pub struct OurCopy(Snapshot);

impl OurCopy {
    /// By its ARN, which says account and name, and by its tags, which a copy never takes over from
    /// its source (CopyTags is false).
    fn check(snapshot: Snapshot, sync: &str, account: &str) -> Option<Self> {
        Self::is_one(&snapshot, sync, account).then_some(Self(snapshot))
    }

    fn is_one(snapshot: &Snapshot, sync: &str, account: &str) -> bool {
        let Snapshot { arn, tags, shown, .. } = snapshot;
        let named = arn.service() == "rds"
            && arn.account() == account
            && arn.kind() == "cluster-snapshot"
            && arn.name().starts_with(&format!("sync-{sync}-"));
        let ours = tags::is_of_sync(tags, sync) && tags::has_role(tags, Role::Copy);
        named && ours && shown.snapshot_type() == Some("manual")
    }

    /// The copies of all syncs. Those of one role are listed together, for they are many and their
    /// sources few.
    pub async fn of_all(cx: &Context, policy: &Policy) -> Result<Vec<Self>> {
        let mut sources: BTreeMap<_, Vec<(&str, &Sync)>> = BTreeMap::new();
        for (name, sync) in &policy.syncs {
            let way = (&sync.source.role, &sync.source.external_id);
            sources.entry(way).or_default().push((name, sync));
        }
        let mut found = Vec::new();
        for syncs in sources.into_values() {
            let Some((name, first)) = syncs.first() else { continue };
            let all = aurora::manual_snapshots(&Source::open(cx, name, first).await.cx).await?;
            let ours = all.into_iter().filter(|snapshot| {
                syncs.iter().any(|(name, sync)| Self::is_one(snapshot, name, &sync.source.account))
            });
            found.extend(ours.map(Self));
        }
        Ok(found)
    }

    pub fn snapshot(&self) -> &Snapshot {
        &self.0
    }

    pub fn id(&self) -> &str {
        &self.0.id
    }

    /// The attestation that it was made with.
    pub fn accepted(&self) -> Option<Accepted> {
        Accepted::carried(&self.0.tags)
    }
}

impl Source {
    pub async fn open(cx: &Context, name: &str, sync: &Sync) -> Self {
        Self {
            cx: cx.assume(&sync.source.role, &sync.source.external_id).await,
            name: name.to_owned(),
            account: sync.source.account.clone(),
        }
    }

    /// Among which a run chooses: the cluster's, or what the sync of that account has sanitised.
    pub async fn snapshots(&self, source: &policy::Source) -> Result<Vec<Snapshot>> {
        if let Some(sync) = &source.sync {
            let mut found = aurora::manual_snapshots(&self.cx).await?;
            found.retain(|snapshot| Accepted::of(snapshot, sync, &self.account).is_some());
            return Ok(found);
        }
        let request = self.cx.rds.describe_db_cluster_snapshots();
        let request = request.set_db_cluster_identifier(source.cluster.clone());
        let request = request.snapshot_type(source.snapshot.kind.as_str());
        let all = request.into_paginator().items().send().try_collect().await;
        all.map_err(aws("rds:DescribeDBClusterSnapshots"))?.into_iter().map(Snapshot::parse).collect()
    }

    /// This run's copy. Someone else's snapshot under its name is a `Conflict`.
    pub async fn copy(&self, run: &Run) -> Result<Option<OurCopy>> {
        let name = names::copy(&self.name, run);
        let Some(snapshot) = aurora::find_snapshot(&self.cx, &name).await? else { return Ok(None) };
        let of_run = tags::is_of_run(&snapshot.tags, &self.name, run);
        let copy = OurCopy::check(snapshot, &self.name, &self.account).filter(|_| of_run);
        copy.map(Some).ok_or_else(|| {
            Error::conflict(format!(
                "a snapshot {name} exists in account {} and is not this run's",
                self.account
            ))
            .fix("rename or delete it")
            .then(Then::StartAgain)
        })
    }

    /// The copies of all runs of this sync.
    pub async fn copies(&self) -> Result<Vec<OurCopy>> {
        let all = aurora::manual_snapshots(&self.cx).await?;
        Ok(all
            .into_iter()
            .filter_map(|snapshot| OurCopy::check(snapshot, &self.name, &self.account))
            .collect())
    }

    /// What the chosen snapshot of a sync is attested with; none of a cluster's.
    pub async fn accepted(&self, source: &policy::Source, chosen: &Arn) -> Result<Option<Accepted>> {
        let Some(sync) = &source.sync else { return Ok(None) };
        let snapshot = aurora::find_snapshot(&self.cx, chosen.name()).await?;
        let found = snapshot.as_ref().and_then(|snapshot| Accepted::of(snapshot, sync, &self.account));
        found.map(Some).ok_or_else(|| {
            Error::failed(format!("{chosen} is gone, or is no sanitised snapshot of {sync} any more"))
                .changed("nothing")
                .then(Then::StartAgain)
        })
    }

    /// Begins this run's copy. Tags are ours alone: production's would let IAM conditions on tags
    /// take the copy for production.
    pub async fn begin_copy(
        &self,
        run: &Run,
        snapshot_arn: &str,
        kms_key: &str,
        accepted: Option<&Accepted>,
    ) -> Result<()> {
        let mut all = tags::of(run, &self.name, Role::Copy);
        all.extend(accepted.into_iter().flat_map(|it| tags::attested(&it.run, &it.resource_id)));
        let copy = self.cx.rds.copy_db_cluster_snapshot().source_db_cluster_snapshot_identifier(snapshot_arn);
        let copy = copy
            .target_db_cluster_snapshot_identifier(names::copy(&self.name, run))
            .kms_key_id(kms_key)
            .copy_tags(false)
            .set_tags(Some(all));
        let Err(error) = copy.send().await else { return Ok(()) };
        Err(match Fault::of(&error) {
            // Another attempt of this state was faster; who owns the name is seen at the next look.
            Some(Fault::DBClusterSnapshotAlreadyExistsFault) => return Ok(()),
            Some(Fault::InvalidDBClusterSnapshotStateFault) => {
                Error::NotReady(format!("snapshot {snapshot_arn} to be copyable ({})", message(&error)))
            }
            Some(Fault::DBClusterSnapshotNotFoundFault) => Error::failed(format!(
                "the snapshot {snapshot_arn} is gone; automated ones go with the retention period"
            ))
            .changed("nothing")
            .then(Then::StartAgain),
            Some(Fault::KMSKeyNotAccessibleFault) => {
                Error::refused(format!("RDS may not use the key {kms_key}: {}", message(&error)))
                    .fix(
                        "name a customer key in production's account whose policy lets the source role use \
                         it (the default key aws/rds cannot be shared)",
                    )
                    .then(Then::StartAgain)
            }
            Some(Fault::SnapshotQuotaExceeded) => Error::refused(format!(
                "production's account has no room for another manual snapshot: {}",
                message(&error)
            ))
            .fix("delete old ones or raise the quota")
            .then(Then::StartAgain),
            _ => aws("rds:CopyDBClusterSnapshot")(error),
        })
    }

    /// The accounts that may restore it (the attribute `restore`).
    pub async fn shared_with(&self, copy: &OurCopy) -> Result<Vec<String>> {
        let describe = self.cx.rds.describe_db_cluster_snapshot_attributes();
        let answer = describe.db_cluster_snapshot_identifier(copy.id()).send().await;
        let answer = answer.map_err(|error| match Fault::of(&error) {
            // A list of a moment ago may still show one that is gone.
            Some(Fault::DBClusterSnapshotNotFoundFault) => {
                Error::NotReady(format!("snapshot {} to be listed as it is ({})", copy.id(), message(&error)))
            }
            _ => aws("rds:DescribeDBClusterSnapshotAttributes")(error),
        })?;
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
        let modify = self.cx.rds.modify_db_cluster_snapshot_attribute();
        let modify = modify.db_cluster_snapshot_identifier(copy.id()).attribute_name("restore");
        let Err(error) = modify.values_to_add(account).send().await else { return Ok(()) };
        Err(match Fault::of(&error) {
            Some(Fault::InvalidDBClusterSnapshotStateFault) => {
                Error::NotReady(format!("snapshot {} to be shared ({})", copy.id(), message(&error)))
            }
            Some(Fault::SharedSnapshotQuotaExceeded) => {
                Error::refused(format!("RDS shares no further snapshot: {}", message(&error)))
                    .changed("nothing by this state")
                    .fix("raise the quota or unshare old ones")
                    .then(Then::StartAgain)
            }
            _ => aws("rds:ModifyDBClusterSnapshotAttribute")(error),
        })
    }

    async fn is_gone(&self, copy: &OurCopy) -> Result<bool> {
        Ok(!self.copies().await?.iter().any(|other| other.id() == copy.id()))
    }

    /// One step of its removal; done when it is gone.
    pub async fn remove(&self, copy: &OurCopy) -> Result<()> {
        let (id, account) = (copy.id(), &self.account);
        let shared = self.shared_with(copy).await?;
        if !shared.is_empty() {
            let modify = self.cx.rds.modify_db_cluster_snapshot_attribute();
            let modify = modify.db_cluster_snapshot_identifier(id).attribute_name("restore");
            if let Err(error) = modify.set_values_to_remove(Some(shared)).send().await {
                let gone = is_denied(&error) && self.is_gone(copy).await?;
                return if gone { Ok(()) } else { Err(aws("rds:ModifyDBClusterSnapshotAttribute")(error)) };
            }
            return Err(Error::NotReady(format!(
                "snapshot {id} in account {account}, which was unshared now"
            )));
        }
        // Deleting a copy that is still `copying` cancels it (DeleteDBClusterSnapshot, botocore rds
        // 2014-10-31).
        let delete = self.cx.rds.delete_db_cluster_snapshot().db_cluster_snapshot_identifier(id);
        match delete.send().await {
            Ok(_) => Err(Error::NotReady(format!("snapshot {id} in account {account} to be gone"))),
            Err(error) => match Fault::of(&error) {
                Some(Fault::DBClusterSnapshotNotFoundFault) => Ok(()),
                // What is gone has no tags, so that the role may not delete it.
                None if is_denied(&error) && self.is_gone(copy).await? => Ok(()),
                Some(Fault::InvalidDBClusterSnapshotStateFault) => Err(Error::NotReady(format!(
                    "snapshot {id} in account {account} to be deletable ({})",
                    message(&error)
                ))),
                _ => Err(aws("rds:DeleteDBClusterSnapshot")(error)),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_rds::types::Tag;

    use super::*;
    use crate::testing::{self, Parse};

    const ACCOUNT: &str = "111122223333";

    fn snapshot(account: &str, name: &str, tags: Vec<Tag>) -> Snapshot {
        let arn = format!("arn:aws:rds:eu-west-1:{account}:cluster-snapshot:{name}");
        testing::snapshot(name, tags).db_cluster_snapshot_arn(arn).snapshot_type("manual").parse()
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
        let cluster = testing::snapshot("sync-orders-1", tags()).snapshot_type("manual");
        let arn = format!("arn:aws:rds:eu-west-1:{ACCOUNT}:cluster:sync-orders-1");
        assert!(!ours(cluster.db_cluster_snapshot_arn(arn).parse()), "a cluster");
    }
}
