//! What RDS answers about clusters, instances and snapshots, parsed once: what identifies a thing
//! is there or the answer is an error, and an unknown status is kept as it is.

use std::{
    collections::BTreeMap,
    fmt::{self, Display},
};

use aws_sdk_rds::types::{DbCluster, DbClusterSnapshot, DbInstance, Tag};
use serde::{Deserialize, Serialize};

use super::EngineVersion;
use crate::{Arn, Error, Result};

/// DbClusterResourceId: it survives a rename and changes with a restore. It names objects in the
/// run bucket, so it is letters, digits and hyphens only.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ResourceId(String);

impl ResourceId {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for ResourceId {
    type Error = String;

    fn try_from(text: String) -> std::result::Result<Self, String> {
        let plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        if plain && !text.is_empty() { Ok(Self(text)) } else { Err(format!("{text:?} is not a resource id")) }
    }
}

impl From<ResourceId> for String {
    fn from(id: ResourceId) -> Self {
        id.0
    }
}

impl Display for ResourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/accessing-monitoring.html#Aurora.Status
/// and Overview.DBInstance.Status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Status {
    Available,
    Deleting,
    Failed,
    Renaming,
    Starting,
    Stopped,
    Stopping,
    Other(String),
}

impl Status {
    fn parse(text: Option<&str>) -> Self {
        match text.unwrap_or("unknown") {
            "available" => Self::Available,
            "deleting" => Self::Deleting,
            "failed" => Self::Failed,
            "renaming" => Self::Renaming,
            "starting" => Self::Starting,
            "stopped" => Self::Stopped,
            "stopping" => Self::Stopping,
            other => Self::Other(other.to_owned()),
        }
    }

    /// No waiting ends it.
    pub fn is_lost(&self) -> bool {
        match self {
            Self::Failed | Self::Deleting => true,
            Self::Other(other) => {
                other.contains("failed")
                    || other.starts_with("incompatible-")
                    || other.starts_with("inaccessible-")
                    || other == "storage-full"
            }
            _ => false,
        }
    }
}

impl Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Available => "available",
            Self::Deleting => "deleting",
            Self::Failed => "failed",
            Self::Renaming => "renaming",
            Self::Starting => "starting",
            Self::Stopped => "stopped",
            Self::Stopping => "stopping",
            Self::Other(other) => other,
        })
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tags(BTreeMap<String, String>);

impl Tags {
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    pub fn is(&self, key: &str, value: &str) -> bool {
        self.get(key) == Some(value)
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }
}

impl From<&[Tag]> for Tags {
    fn from(tags: &[Tag]) -> Self {
        // A tag may have no value (botocore rds 2014-10-31, Tag).
        let pairs = tags.iter().filter_map(|tag| Some((tag.key()?, tag.value().unwrap_or_default())));
        Self(pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect())
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct Cluster {
    pub id: String,
    pub arn: Arn,
    pub resource_id: ResourceId,
    pub status: Status,
    pub version: EngineVersion,
    pub tags: Tags,
    /// What RDS showed, for all that may be missing.
    pub shown: DbCluster,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Instance {
    pub id: String,
    pub arn: Arn,
    pub status: Status,
    pub version: EngineVersion,
    /// The DB cluster identifier of its cluster.
    pub cluster: Option<String>,
    pub shown: DbInstance,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Snapshot {
    pub id: String,
    pub arn: Arn,
    pub status: Status,
    pub version: EngineVersion,
    pub tags: Tags,
    pub shown: DbClusterSnapshot,
}

impl Cluster {
    pub fn parse(shown: DbCluster) -> Result<Self> {
        let of = || format!("cluster {}", shown.db_cluster_identifier().unwrap_or("without a name"));
        Ok(Self {
            id: required(shown.db_cluster_identifier(), "DBClusterIdentifier", of)?,
            arn: read(shown.db_cluster_arn(), "DBClusterArn", of)?,
            resource_id: read(shown.db_cluster_resource_id(), "DbClusterResourceId", of)?,
            status: Status::parse(shown.status()),
            version: read(shown.engine_version(), "EngineVersion", of)?,
            tags: shown.tag_list().into(),
            shown,
        })
    }

    /// The writer's DB instance identifier.
    pub fn writer(&self) -> Option<&str> {
        let members = self.shown.db_cluster_members();
        members.iter().find(|member| member.is_cluster_writer() == Some(true))?.db_instance_identifier()
    }
}

impl Instance {
    pub fn parse(shown: DbInstance) -> Result<Self> {
        let of = || format!("instance {}", shown.db_instance_identifier().unwrap_or("without a name"));
        Ok(Self {
            id: required(shown.db_instance_identifier(), "DBInstanceIdentifier", of)?,
            arn: read(shown.db_instance_arn(), "DBInstanceArn", of)?,
            status: Status::parse(shown.db_instance_status()),
            version: read(shown.engine_version(), "EngineVersion", of)?,
            cluster: shown.db_cluster_identifier().map(str::to_owned),
            shown,
        })
    }

    /// The name of its DB parameter group.
    pub fn parameter_group(&self) -> Result<&str> {
        let group = self.shown.db_parameter_groups().first();
        group.and_then(|group| group.db_parameter_group_name()).ok_or_else(|| {
            Error::unexpected(format!("RDS shows no DB parameter group of instance {}", self.id))
        })
    }
}

impl Snapshot {
    pub fn parse(shown: DbClusterSnapshot) -> Result<Self> {
        let of =
            || format!("snapshot {}", shown.db_cluster_snapshot_identifier().unwrap_or("without a name"));
        Ok(Self {
            id: required(shown.db_cluster_snapshot_identifier(), "DBClusterSnapshotIdentifier", of)?,
            arn: read(shown.db_cluster_snapshot_arn(), "DBClusterSnapshotArn", of)?,
            status: Status::parse(shown.status()),
            version: read(shown.engine_version(), "EngineVersion", of)?,
            tags: shown.tag_list().into(),
            shown,
        })
    }

    /// Waits for the snapshot; RDS's own failure is reported as such.
    pub fn ready(&self, what: &str) -> Result<()> {
        match &self.status {
            Status::Available => Ok(()),
            status if status.is_lost() => {
                Err(Error::failed(format!("RDS could not make {what} {}: it is {status}", self.id)))
            }
            status => {
                let percent = self.shown.percent_progress().map(|percent| format!(", {percent} %"));
                Err(Error::NotReady(format!(
                    "{what} {} to be available ({status}{})",
                    self.id,
                    percent.unwrap_or_default()
                )))
            }
        }
    }
}

fn required(value: Option<&str>, name: &str, of: impl Fn() -> String) -> Result<String> {
    let value = value.filter(|value| !value.is_empty());
    value.map(str::to_owned).ok_or_else(|| Error::unexpected(format!("RDS shows no {name} of {}", of())))
}

fn read<T: TryFrom<String, Error = String>>(
    value: Option<&str>,
    name: &str,
    of: impl Fn() -> String,
) -> Result<T> {
    let text = required(value, name, &of)?;
    T::try_from(text).map_err(|why| Error::unexpected(format!("RDS shows a {name} of {}: {why}", of())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_without_what_identifies_a_thing_is_an_error() {
        let whole = DbCluster::builder()
            .db_cluster_identifier("orders")
            .db_cluster_arn("arn:aws:rds:eu-west-1:444455556666:cluster:orders")
            .db_cluster_resource_id("cluster-A")
            .engine_version("16.14");
        assert_eq!(Cluster::parse(whole.clone().build()).unwrap().status, Status::Other("unknown".into()));
        for broken in [
            whole.clone().set_db_cluster_resource_id(None),
            whole.clone().db_cluster_resource_id("../leases"),
            whole.clone().engine_version("new"),
            whole.db_cluster_arn("orders"),
        ] {
            assert_eq!(Cluster::parse(broken.build()).unwrap_err().name(), "Unexpected");
        }
    }
}
