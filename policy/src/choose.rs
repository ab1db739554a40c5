//! Which snapshot a run takes, and why not the others.

use std::collections::BTreeMap;

use jiff::{SignedDuration, SignedDurationRound, Timestamp, Unit, Zoned, tz::TimeZone};
use serde::Serialize;

use crate::types::{Otherwise, SnapshotKind, SnapshotRule};

/// A DB cluster snapshot, as far as the choice looks at it. The words are RDS's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Snapshot {
    /// DBClusterSnapshotIdentifier.
    pub id: String,
    pub arn: String,
    /// SnapshotCreateTime.
    pub taken: Timestamp,
    /// SnapshotType: automated, manual, awsbackup, …
    pub kind: String,
    pub tags: BTreeMap<String, String>,
    pub status: String,
    /// StorageEncrypted.
    pub encrypted: bool,
}

/// What a run does, with a sentence for each snapshot that was looked at, the newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Choice {
    pub chosen: Option<Snapshot>,
    pub because: Vec<String>,
    /// What the policy wants when none fits.
    pub otherwise: Otherwise,
}

impl SnapshotKind {
    /// RDS's word, SnapshotType.
    pub fn as_str(self) -> &'static str {
        match self {
            SnapshotKind::Automated => "automated",
            SnapshotKind::Manual => "manual",
        }
    }
}

impl SnapshotRule {
    /// The newest of the source cluster's snapshots that fits when a run starts at `at`. The window
    /// is of `time_zone`.
    pub fn choose(&self, snapshots: &[Snapshot], at: Timestamp, time_zone: &TimeZone) -> Choice {
        let mut newest_first: Vec<_> = snapshots.iter().collect();
        newest_first.sort_by(|a, b| b.taken.cmp(&a.taken).then_with(|| a.id.cmp(&b.id)));
        let mut chosen: Option<&Snapshot> = None;
        let mut because = Vec::new();
        for snapshot in newest_first {
            let taken = snapshot.taken.to_zoned(time_zone.clone());
            let objections = self.objections(snapshot, &taken, at);
            let verdict = match (objections.as_slice(), chosen) {
                ([], None) => {
                    chosen = Some(snapshot);
                    "chosen: it is the newest that fits".to_owned()
                }
                ([], Some(newer)) => format!("passed over: it fits, and {} is newer", newer.id),
                (objections, _) => format!("passed over: it {}", objections.join(", and ")),
            };
            because.push(format!("{} of {}: {verdict}", snapshot.id, taken.strftime("%Y-%m-%d %H:%M %Z")));
        }
        Choice { chosen: chosen.cloned(), because, otherwise: self.otherwise }
    }

    /// All that speaks against a snapshot.
    fn objections(&self, snapshot: &Snapshot, taken: &Zoned, at: Timestamp) -> Vec<String> {
        let mut objections = Vec::new();
        let mut object = |objection: String| objections.push(objection);
        // A run's own copy of a snapshot is manual too, and stays behind if production's role could
        // not delete it. What a run has sanitised is no copy.
        let is = |key: &str, value: &str| snapshot.tags.get(key).is_some_and(|found| found == value);
        if is("managed-by", "aurora-runbooks") && !is("role", "sanitized") {
            object("is a runbook's own copy".to_owned());
        }
        if snapshot.kind != self.kind.as_str() {
            object(format!("is {}, not {}", snapshot.kind, self.kind.as_str()));
        }
        if snapshot.status != "available" {
            object(format!("is {}, not available", snapshot.status));
        }
        // "If you specify the KmsKeyId parameter when you copy an unencrypted DB cluster snapshot,
        // an error is returned" (botocore's rds model, CopyDBClusterSnapshotMessage.KmsKeyId).
        if !snapshot.encrypted {
            object("is not encrypted, so that it cannot be copied under the customer key".to_owned());
        }
        let age = at.duration_since(snapshot.taken);
        if age.is_negative() {
            object(format!("was taken {} after the start of the run", rounded(-age)));
        } else if age > self.max_age {
            object(format!("is {} old, more than {}", rounded(age), rounded(self.max_age)));
        }
        if let Some(window) = self.window.filter(|window| !window.contains(taken.time())) {
            object(format!("was taken at {}, outside {window}", taken.strftime("%H:%M")));
        }
        for (key, wanted) in &self.tags {
            match snapshot.tags.get(key) {
                None => object(format!("has no tag {key}")),
                Some(found) if found != wanted => object(format!("has the tag {key}={found}, not {wanted}")),
                Some(_) => {}
            }
        }
        objections
    }
}

/// To the minute above, so that what is too old by a second does not look as old as allowed.
fn rounded(duration: SignedDuration) -> String {
    let minutes = SignedDurationRound::new().smallest(Unit::Minute).mode(jiff::RoundMode::Ceil);
    format!("{:#}", duration.round(minutes).unwrap_or(duration))
}
