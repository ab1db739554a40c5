//! Removes what the checks made: by their tag, and by the names that they give, for AWS may have
//! dropped a tag (that is one of the questions). The cluster that is asked about stays: who made it
//! removes it.

use anyhow::{Result, ensure};
use runbook::aurora;

use crate::{
    check::Answer,
    subject::{Subject, TAG},
};

/// What was removed. Fails when something is left after an hour, naming it.
pub async fn all(subject: &Subject) -> Result<Vec<String>> {
    let mut removed = Vec::new();
    for _ in 0..360 {
        let left = left(subject).await?;
        if left.is_empty() {
            return Ok(removed);
        }
        for thing in &left {
            if thing.delete(subject).await && !removed.contains(&thing.name()) {
                removed.push(thing.name());
            }
        }
        subject.sleep(10).await;
    }
    let left: Vec<String> = left(subject).await?.iter().map(Thing::name).collect();
    ensure!(left.is_empty(), "left after an hour of removing: {}", left.join(", "));
    Ok(removed)
}

/// For the person who ran it.
pub fn said(cleaned: &Result<Vec<String>>) -> String {
    match cleaned {
        Ok(removed) if removed.is_empty() => "There was nothing to remove.".to_owned(),
        Ok(removed) => format!("Removed: {}.", removed.join(", ")),
        Err(error) => format!("{error:#}. Run again with --clean, or remove it by hand."),
    }
}

enum Thing {
    Instance(String),
    Cluster { id: String, protected: bool },
    Snapshot(String),
}

/// Everything of ours that is there now, in the order in which it can go.
async fn left(subject: &Subject) -> Result<Vec<Thing>> {
    let cx = &subject.cx;
    let of = &subject.named.cluster;
    let named = |id: &str| id.starts_with(&subject.prefix());
    let ours = |id: &str, tags: &aurora::Tags| id != of && (tags.is(TAG, of) || named(id));
    let clusters = aurora::clusters(cx).await?.into_iter().filter(|found| ours(&found.id, &found.tags));
    let clusters: Vec<aurora::Cluster> = clusters.collect();
    let members = aurora::instances(cx).await?.into_iter().filter(|found| {
        // Of the first cluster nothing is removed but what a check may have added.
        named(&found.id)
            || clusters.iter().any(|cluster| found.cluster.as_deref() == Some(cluster.id.as_str()))
    });
    let mut left: Vec<Thing> = members.map(|found| Thing::Instance(found.id)).collect();
    left.extend(clusters.into_iter().map(|found| Thing::Cluster {
        protected: found.shown.deletion_protection() == Some(true),
        id: found.id,
    }));
    // RDS's own snapshot before an upgrade carries no tag of ours.
    let before_upgrade = format!("preupgrade-{of}-");
    let snapshots = aurora::manual_snapshots(cx).await?.into_iter().filter(|found| {
        let of_ours = found.shown.db_cluster_identifier() == Some(of);
        ours(&found.id, &found.tags) || of_ours && found.id.starts_with(&before_upgrade)
    });
    left.extend(snapshots.map(|found| Thing::Snapshot(found.id)));
    Ok(left)
}

impl Thing {
    fn name(&self) -> String {
        match self {
            Self::Instance(id) => format!("instance {id}"),
            Self::Cluster { id, .. } => format!("cluster {id}"),
            Self::Snapshot(id) => format!("snapshot {id}"),
        }
    }

    /// Whether RDS has taken it on. What it refuses now is tried again at the next look.
    async fn delete(&self, subject: &Subject) -> bool {
        let rds = subject.rds();
        let answer = match self {
            Self::Instance(id) => {
                Answer::to(rds.delete_db_instance().db_instance_identifier(id).send().await)
            }
            Self::Cluster { id, protected } => {
                if *protected {
                    let modify = rds.modify_db_cluster().db_cluster_identifier(id);
                    // The deletion says whether it is off.
                    let _ = modify.deletion_protection(false).apply_immediately(true).send().await;
                }
                let delete = rds.delete_db_cluster().db_cluster_identifier(id);
                Answer::to(delete.skip_final_snapshot(true).send().await)
            }
            Self::Snapshot(id) => {
                let delete = rds.delete_db_cluster_snapshot().db_cluster_snapshot_identifier(id);
                Answer::to(delete.send().await)
            }
        };
        matches!(answer, Answer::Accepted(_))
    }
}
