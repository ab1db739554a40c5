//! Snapshots of the cluster: their names, tags, and who may have them.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use aws_sdk_rds::types::Tag;

use crate::{
    check::{Answer, Check, Expected},
    local,
    subject::{Subject, TAG},
};

pub const CHECKS: &[Check] = &[
    Check {
        name: "snapshot-name-of-63",
        expected: Expected::Holds("a snapshot may be called by 63 characters"),
        source: "botocore rds 2014-10-31, CreateDBClusterSnapshot: 1 to 63 characters",
        local: local!("src/rds/snapshots.rs", "identifier(\"DBClusterSnapshotIdentifier\", name, 63)"),
        ask: |on| {
            Box::pin(async move {
                Ok(match named(on, 63).await? {
                    Answer::Accepted(seen) => Answer::So(seen),
                    other => other,
                })
            })
        },
    },
    Check {
        name: "snapshot-name-of-64",
        expected: Expected::Refused { code: "InvalidParameterValue", words: "" },
        source: "botocore rds 2014-10-31, CreateDBClusterSnapshot: 1 to 63 characters",
        local: local!("src/rds/snapshots.rs", "1 to 63 characters, though a final snapshot's"),
        ask: |on| Box::pin(async move { named(on, 64).await }),
    },
    Check {
        name: "tags-of-the-request",
        expected: Expected::Holds(
            "with CopyTagsToSnapshot, a snapshot for which tags are given has these alone",
        ),
        source: "AuroraUserGuide, USER_Tagging; getmoto/moto",
        local: local!("src/rds/snapshots.rs", "cluster.copy_tags && tags.is_empty()"),
        ask: |on| {
            Box::pin(async move {
                let name = on.snapshot().await?;
                copied_tags(on, &name, [(TAG.to_owned(), on.named.cluster.clone())].into()).await
            })
        },
    },
    Check {
        name: "tags-of-the-cluster",
        expected: Expected::Holds("with CopyTagsToSnapshot, a snapshot without tags has its cluster's"),
        source: "botocore rds 2014-10-31, CreateDBCluster.CopyTagsToSnapshot",
        local: local!("src/rds/snapshots.rs", "tags.extend(cluster.tags.clone())"),
        ask: |on| {
            Box::pin(async move {
                let name = on.name("untagged");
                taken(on, &name, None).await?;
                copied_tags(on, &name, shown(on.cluster().await?.shown.tag_list())).await
            })
        },
    },
    Check {
        name: "sharing-under-the-default-key",
        expected: Expected::Refused { code: "InvalidDBClusterSnapshotStateFault", words: "" },
        source: "AuroraUserGuide, aurora-share-snapshot: not with the account's default key",
        local: local!("src/rds/sharing.rs", "encrypted with the account's default key can't be shared"),
        ask: |on| Box::pin(shared(on, &on.named.account)),
    },
    Check {
        name: "sharing-with-everybody",
        expected: Expected::Refused { code: "InvalidDBClusterSnapshotStateFault", words: "" },
        source: "AuroraUserGuide, aurora-share-snapshot: an encrypted snapshot is not public",
        local: local!("src/rds/sharing.rs", "An encrypted snapshot can't be made public"),
        ask: |on| Box::pin(shared(on, "all")),
    },
    Check {
        name: "snapshot-whose-name-is-taken",
        expected: Expected::Refused { code: "DBClusterSnapshotAlreadyExistsFault", words: "already exists" },
        source: "botocore rds 2014-10-31, CreateDBClusterSnapshot",
        local: local!("src/rds/snapshots.rs", "snapshot because one with the identifier {id} already"),
        ask: |on| {
            Box::pin(async move {
                let name = on.snapshot().await?;
                let create = on.rds().create_db_cluster_snapshot().db_cluster_identifier(&on.named.cluster);
                Ok(Answer::to(create.db_cluster_snapshot_identifier(name).tags(on.tag()).send().await))
            })
        },
    },
];

async fn named(on: &Subject, length: usize) -> Result<Answer> {
    let name = format!("{:a<length$}", on.name("long"));
    // A cluster whose snapshot is being taken refuses another for that.
    on.available(&on.cluster().await?.resource_id).await?;
    let create = on.rds().create_db_cluster_snapshot().db_cluster_identifier(&on.named.cluster);
    let answer = Answer::to(create.db_cluster_snapshot_identifier(&name).tags(on.tag()).send().await);
    if matches!(answer, Answer::Accepted(_)) {
        on.snapshot_available(&name).await?;
    }
    Ok(answer)
}

async fn taken(on: &Subject, name: &str, tags: Option<Vec<Tag>>) -> Result<()> {
    let create = on.rds().create_db_cluster_snapshot().db_cluster_identifier(&on.named.cluster);
    let create = create.db_cluster_snapshot_identifier(name).set_tags(tags);
    create.send().await.context("take a snapshot")?;
    on.snapshot_available(name).await
}

async fn copied_tags(on: &Subject, name: &str, expected: BTreeMap<String, String>) -> Result<Answer> {
    if on.cluster().await?.shown.copy_tags_to_snapshot() != Some(true) {
        return Ok(Answer::Unknown("the cluster has no CopyTagsToSnapshot".to_owned()));
    }
    let snapshot = runbook::aurora::find_snapshot(&on.cx, name).await?.context("the snapshot is gone")?;
    let found = shown(snapshot.shown.tag_list());
    Ok(Answer::of(found == expected, format!("its tags are {found:?}")))
}

/// AWS's own tags aside, which a CloudFormation stack leaves.
fn shown(tags: &[Tag]) -> BTreeMap<String, String> {
    let tags = tags.iter().filter_map(|tag| Some((tag.key()?.to_owned(), tag.value()?.to_owned())));
    tags.filter(|(key, _)| !key.starts_with("aws:")).collect()
}

async fn shared(on: &Subject, with: &str) -> Result<Answer> {
    let cluster = on.cluster().await?;
    if cluster.shown.storage_encrypted() != Some(true) {
        return Ok(Answer::Unknown("the cluster is not encrypted".to_owned()));
    }
    let share = on.rds().modify_db_cluster_snapshot_attribute();
    let share = share.db_cluster_snapshot_identifier(on.snapshot().await?).attribute_name("restore");
    Ok(Answer::to(share.values_to_add(with).send().await))
}
