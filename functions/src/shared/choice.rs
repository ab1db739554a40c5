//! Snapshots as the policy chooses among them.

use jiff::Timestamp;
use runbook::aurora::Snapshot;

/// As the policy looks at it; one in the making has no time yet.
pub fn snapshot(described: &Snapshot) -> Option<policy::Snapshot> {
    let shown = &described.shown;
    Some(policy::Snapshot {
        id: described.id.clone(),
        arn: described.arn.to_string(),
        taken: Timestamp::from_millisecond(shown.snapshot_create_time()?.to_millis().ok()?).ok()?,
        kind: shown.snapshot_type()?.to_owned(),
        tags: described.tags.iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect(),
        status: described.status.to_string(),
        encrypted: shown.storage_encrypted() == Some(true),
    })
}

pub fn because(cluster: &str, sentences: &[String]) -> String {
    if sentences.is_empty() {
        format!("{cluster} has no snapshot of that type.")
    } else {
        format!("Looked at:\n- {}", sentences.join("\n- "))
    }
}
