//! Clusters, instances and snapshots as RDS shows them, for unit tests.

use aws_sdk_rds::types::{
    DbCluster, DbClusterSnapshot, Tag,
    builders::{DbClusterBuilder, DbClusterSnapshotBuilder},
};
use runbook::aurora::{Cluster, Snapshot};

/// Available, of version 16.14; its DbClusterResourceId is `id-<name>`.
pub fn cluster(name: &str) -> DbClusterBuilder {
    DbCluster::builder()
        .db_cluster_identifier(name)
        .db_cluster_arn(format!("arn:aws:rds:eu-west-1:444455556666:cluster:{name}"))
        .db_cluster_resource_id(format!("id-{name}"))
        .engine_version("16.14")
        .status("available")
}

pub fn snapshot(name: &str, tags: Vec<Tag>) -> DbClusterSnapshotBuilder {
    DbClusterSnapshot::builder()
        .db_cluster_snapshot_identifier(name)
        .db_cluster_snapshot_arn(format!("arn:aws:rds:eu-west-1:444455556666:cluster-snapshot:{name}"))
        .engine_version("16.14")
        .status("available")
        .set_tag_list(Some(tags))
}

pub trait Parse<T> {
    fn parse(self) -> T;
}

impl Parse<Cluster> for DbClusterBuilder {
    fn parse(self) -> Cluster {
        Cluster::parse(self.build()).unwrap()
    }
}

impl Parse<Snapshot> for DbClusterSnapshotBuilder {
    fn parse(self) -> Snapshot {
        Snapshot::parse(self.build()).unwrap()
    }
}
