//! What the states of an upgrade leave for each other in the run bucket, by cluster and not by
//! execution, so that a new execution finds what an earlier one learned.

use std::collections::BTreeMap;

use aws_sdk_rds::types::Tag;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{
    Run,
    aurora::{EngineVersion, ResourceId},
};

/// What is done about indexes that are in an order which their collation no longer has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Collations {
    #[default]
    Reindex,
    Tell,
}

/// How a cluster comes to its next version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// The cluster itself is upgraded, and is away while it is.
    #[default]
    InPlace,
    /// A copy is upgraded, follows the cluster and takes its place: a Blue/Green deployment.
    BlueGreen,
}

/// The only idempotency that CreateBlueGreenDeployment knows: 1 to 60 letters, digits and single
/// hyphens (botocore rds 2014-10-31, BlueGreenDeploymentName). Another one for each cluster, though
/// their names begin alike, and for each version.
pub fn deployment_name(cluster: &str, resource_id: &ResourceId, version: &EngineVersion) -> String {
    let digest = Sha256::digest(format!("{resource_id} {version}"));
    let end = format!("-{}-{}", version.to_string().replace('.', "-"), hex::encode(&digest[..4]));
    let cut = cluster.len().min(60 - end.len());
    format!("{}{end}", cluster[..cut].trim_end_matches('-')).to_lowercase()
}

/// The groups of the target family, chosen before the upgrade and attached during and after it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ParameterGroups {
    /// The engine versions between which they were chosen.
    pub from: EngineVersion,
    pub version: EngineVersion,
    pub cluster: String,
    /// DB instance identifier → its DB parameter group.
    pub instances: BTreeMap<String, String>,
    /// When RDS takes the youngest of them for good.
    #[serde(default)]
    pub usable: Option<Timestamp>,
    /// The groups that we made, for the owner's Terraform to import.
    pub made: Vec<String>,
    /// DB instance identifier → when a reboot into its groups was asked for.
    #[serde(default)]
    pub rebooted: BTreeMap<String, Timestamp>,
    /// When every member was seen in-sync after the upgrade. What is pending later is not ours.
    #[serde(default)]
    pub synced: Option<Timestamp>,
}

impl ParameterGroups {
    /// A new family, so new groups; a minor upgrade keeps those that the cluster has.
    pub fn are_new(&self) -> bool {
        self.from.major() != self.version.major()
    }
}

pub fn parameter_groups_key(resource_id: &ResourceId) -> String {
    format!("upgrades/{resource_id}/parameter-groups.json")
}

pub fn inspection_key(resource_id: &ResourceId) -> String {
    format!("upgrades/{resource_id}/inspection.json")
}

/// The token that answers AskApproval's question, and until when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Question {
    pub token: String,
    pub until: Timestamp,
}

impl Question {
    /// Nothing in it means something to a shell. A token has up to 2,048 characters (botocore
    /// stepfunctions, TaskToken); those that AWS shows are Base64.
    pub fn is_plain(&self) -> bool {
        let plain = |c: char| c.is_ascii_alphanumeric() || "+/=_-.:".contains(c);
        !self.token.is_empty() && self.token.len() <= 2048 && self.token.chars().all(plain)
    }
}

pub fn question_key(execution_name: &str) -> String {
    format!("runs/{execution_name}/question.json")
}

pub const MANAGED_BY: (&str, &str) = ("managed-by", "aurora-runbooks");

/// The tags of everything that a run makes.
pub fn tags(run: &Run) -> Vec<Tag> {
    [MANAGED_BY, ("runbook", "major-upgrade"), ("execution", run.name())]
        .map(|(key, value)| Tag::builder().key(key).value(value).build())
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_deployment_is_one_that_rds_takes_and_of_one_cluster_and_version() {
        let version: EngineVersion = "18.4".parse().unwrap();
        let id = |text: &str| ResourceId::try_from(text.to_owned()).unwrap();
        for length in 1..=63 {
            let name = deployment_name(&"c-".repeat(32)[..length], &id("cluster-A"), &version);
            assert!(name.len() <= 60 && !name.contains("--") && !name.ends_with('-'), "{name}");
        }
        let name = deployment_name("orders", &id("cluster-A"), &version);
        assert_eq!(name, deployment_name("orders", &id("cluster-A"), &version));
        assert_ne!(name, deployment_name("orders", &id("cluster-B"), &version));
        assert_ne!(name, deployment_name("orders", &id("cluster-A"), &"17.5".parse().unwrap()));
    }
}
