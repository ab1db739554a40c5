//! What the states of an upgrade leave for each other in the run bucket, by cluster and not by
//! execution, so that a new execution finds what an earlier one learned.

use std::collections::BTreeMap;

use aws_sdk_rds::types::Tag;
use serde::{Deserialize, Serialize};

use crate::{
    Run,
    aurora::{EngineVersion, ResourceId},
};

/// The groups of the target family, chosen before the upgrade and attached during and after it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ParameterGroups {
    /// The engine version that they are for.
    pub version: EngineVersion,
    pub cluster: String,
    /// DB instance identifier → its DB parameter group.
    pub instances: BTreeMap<String, String>,
    /// The groups that we made, for the owner's Terraform to import.
    pub made: Vec<String>,
}

pub fn parameter_groups_key(resource_id: &ResourceId) -> String {
    format!("upgrades/{resource_id}/parameter-groups.json")
}

pub fn inspection_key(resource_id: &ResourceId) -> String {
    format!("upgrades/{resource_id}/inspection.json")
}

pub const MANAGED_BY: (&str, &str) = ("managed-by", "aurora-runbooks");

/// The tags of everything that a run makes.
pub fn tags(run: &Run) -> Vec<Tag> {
    [MANAGED_BY, ("runbook", "major-upgrade"), ("execution", run.name())]
        .map(|(key, value)| Tag::builder().key(key).value(value).build())
        .into()
}
