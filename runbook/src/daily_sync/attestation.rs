//! The proof that a cluster holds no original value. No later state does anything without it.
//!
//! It is bound to the DbClusterResourceId, which a rename keeps and a restore changes, and to the
//! run: an attestation that was copied along with a snapshot, or left by yesterday's run, proves
//! nothing.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Arn, Context, Error, Result, Run, aurora::ResourceId, error::Then};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Attestation {
    /// The ARN of the execution that attested.
    pub execution: Arn,
    /// The DbClusterResourceId of the cluster that was looked at.
    pub resource_id: ResourceId,
    pub attested: Timestamp,
    /// What was counted: tables, columns, rows, live wires and so on, for people.
    #[serde(default)]
    pub counts: Value,
}

pub fn key(resource_id: &ResourceId) -> String {
    format!("attestations/{resource_id}.json")
}

/// The attestation of that cluster by this run, or `Refused`.
pub async fn check(cx: &Context, run: &Run, resource_id: &ResourceId) -> Result<Attestation> {
    let found = cx.store.get_json::<Attestation>(&key(resource_id)).await?;
    valid(found, run, resource_id).map_err(|why| {
        Error::refused(format!("{why}. What holds production's data must not become reachable"))
            .then(Then::StartAgain)
    })
}

fn valid(
    found: Option<Attestation>,
    run: &Run,
    resource_id: &ResourceId,
) -> std::result::Result<Attestation, String> {
    let found =
        found.ok_or_else(|| format!("there is no attestation for {resource_id} ({})", key(resource_id)))?;
    if found.resource_id != *resource_id {
        return Err(format!("{} is about {}, not about {resource_id}", key(resource_id), found.resource_id));
    }
    if found.execution != run.execution {
        return Err(format!("{} is of the execution {}, not of this one", key(resource_id), found.execution));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_runs_attestation_of_this_cluster_counts() {
        let run = |name: &str| {
            Run::of(&format!("arn:aws:states:eu-west-1:444455556666:execution:daily-sync:{name}"))
        };
        let id = |id: &str| ResourceId::try_from(id.to_owned()).unwrap();
        let good = |of: &Run| Attestation {
            execution: of.execution.clone(),
            resource_id: id("cluster-A"),
            attested: Timestamp::UNIX_EPOCH,
            counts: Value::Null,
        };
        let valid = |found, cluster: &str| super::valid(found, &run("one"), &id(cluster)).is_ok();
        assert!(valid(Some(good(&run("one"))), "cluster-A"));
        assert!(!valid(None, "cluster-A"));
        assert!(!valid(Some(good(&run("one"))), "cluster-B"), "a copy under another cluster's name");
        assert!(!valid(Some(good(&run("zero"))), "cluster-A"), "yesterday's");
    }
}
