//! Raises the cluster to the next version of the path, once, and waits until every member has it.
//!
//! Changes: one ModifyDBCluster with both parameter groups, never without a snapshot to go back to.
//! Again is harmless: a version change under way is waited for; an object in the run bucket,
//! written before the call and only once an entry into this state or a redrive of it, keeps a
//! failed upgrade from being started again by itself. Undo: restore the snapshot. Errors:
//! `NotReady`, `Conflict` (no snapshot), `Refused` (RDS does not take the request),
//! `OperationFailed` (the upgrade failed; told from RDS's events and log files; the cluster is at
//! its old version).

use std::time::Duration;

use aws_sdk_rds::error::ProvideErrorMetadata;
use aws_sdk_rds::types::DbCluster;
use jiff::Timestamp;
use runbook::{
    Context, Error, Result, Run, State,
    aurora::{self, major},
    error::aws,
    lease,
    major_upgrade::{self, ParameterGroups},
    store::When,
};
use serde::{Deserialize, Serialize};

use super::{failure, resolve_upgrade::version_change};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ModifyClusterVersion {
    cluster: String,
    /// The version to raise it to: the next of the path.
    version: String,
    /// The snapshot to go back to.
    snapshot: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Modified {
    summary: String,
    version: String,
}

/// Written before ModifyDBCluster is called, because RDS knows no idempotency token.
#[derive(Debug, Serialize, Deserialize)]
struct Request {
    version: String,
    requested: Timestamp,
}

/// The lag between the answer and the first sign was seconds to minutes
/// (hashicorp/terraform-provider-aws#28339).
const FIRST_SIGN: Duration = Duration::from_secs(15 * 60);

impl State for ModifyClusterVersion {
    const NAME: &'static str = "ModifyClusterVersion";
    type Output = Modified;

    async fn reconcile(self, cx: &Context, run: &Run) -> Result<Modified> {
        let cluster = aurora::cluster(cx, &self.cluster).await?;
        lease::take(cx, run, cluster.db_cluster_resource_id().unwrap_or_default()).await?;
        let members = aurora::members(cx, &cluster).await?;
        if let Some(what) = version_change(&cluster).or_else(|| aurora::busy(&cluster, &members)) {
            return Err(Error::NotReady(what));
        }
        if cluster.engine_version() == Some(&self.version) {
            // Readers follow the writer, so the cluster's version alone is no proof.
            if let Some(late) = members.iter().find(|member| member.engine_version() != Some(&self.version)) {
                return Err(Error::NotReady(format!(
                    "instance {} to reach {}",
                    late.db_instance_identifier().unwrap_or_default(),
                    self.version
                )));
            }
            return Ok(Modified {
                summary: format!("cluster and {} instances are at {}", members.len(), self.version),
                version: self.version,
            });
        }

        let key = format!("{}/modify-{}-{}.json", run.prefix(), self.version, run.since().as_millisecond());
        let request = Request { version: self.version.clone(), requested: cx.clock.now() };
        if let Some(earlier) = cx.store.get_json::<Request>(&key).await? {
            return self.explain(cx, &cluster, earlier.requested).await;
        }
        self.check_snapshot(cx).await?;
        let groups = self.groups(cx, &cluster).await?;
        if !cx.store.put_json_when(&key, &request, When::Absent).await? {
            return Err(Error::NotReady(format!(
                "the upgrade to {} that another attempt begins at this moment",
                self.version
            )));
        }
        self.modify(cx, &cluster, groups, &key).await
    }
}

impl ModifyClusterVersion {
    /// The version was requested before, and the cluster stands still at the old one.
    async fn explain(&self, cx: &Context, cluster: &DbCluster, requested: Timestamp) -> Result<Modified> {
        if let Some(failure) = failure::read(cx, cluster, requested).await? {
            return Err(Error::OperationFailed(format!(
                "The upgrade of {} to {} failed; the cluster runs at {} as before. {failure}\n\nMend it, \
                then redrive the execution or start a new one with the same input.",
                self.cluster,
                self.version,
                cluster.engine_version().unwrap_or_default()
            )));
        }
        let waited = Duration::try_from(cx.clock.now() - requested).unwrap_or_default();
        if waited < FIRST_SIGN {
            return Err(Error::NotReady(format!(
                "a sign that RDS begins the upgrade to {} (requested {requested})",
                self.version
            )));
        }
        Err(Error::OperationFailed(format!(
            "RDS was asked at {requested} to upgrade {} to {} and shows no trace of it: no pending version, \
            no event, no pg_upgrade log. It runs at {} as before. \
             It is not asked twice by itself. Redrive the execution to ask again.",
            self.cluster,
            self.version,
            cluster.engine_version().unwrap_or_default()
        )))
    }

    async fn check_snapshot(&self, cx: &Context) -> Result<()> {
        let answer = cx
            .rds
            .describe_db_cluster_snapshots()
            .db_cluster_snapshot_identifier(&self.snapshot)
            .send()
            .await;
        let answer = match answer {
            Err(error) if error.code() == Some("DBClusterSnapshotNotFoundFault") => {
                return Err(self.no_snapshot("is gone"));
            }
            answer => answer.map_err(aws("rds:DescribeDBClusterSnapshots"))?,
        };
        match answer.db_cluster_snapshots().first().and_then(|snapshot| snapshot.status()) {
            Some("available") => Ok(()),
            status => Err(self.no_snapshot(&format!("is {}", status.unwrap_or("gone")))),
        }
    }

    fn no_snapshot(&self, how: &str) -> Error {
        Error::Conflict(format!(
            "the snapshot {} {how}, and an upgrade is never started without one to go back to. The cluster \
            was not touched. Start a new execution: it takes another.",
            self.snapshot
        ))
    }

    async fn groups(&self, cx: &Context, cluster: &DbCluster) -> Result<ParameterGroups> {
        let key = major_upgrade::parameter_groups_key(cluster.db_cluster_resource_id().unwrap_or_default());
        let groups = cx.store.get_json::<ParameterGroups>(&key).await?;
        groups.filter(|groups| groups.version == self.version).ok_or_else(|| {
            Error::Conflict(format!(
                "{key} does not hold the parameter groups for {}; another run has changed it. Nothing was \
                changed. Start a new execution: it prepares them again.",
                self.version
            ))
        })
    }

    /// RDS takes one instance group for all instances; SyncParameterGroups gives each its own
    /// afterwards.
    async fn modify(
        &self,
        cx: &Context,
        cluster: &DbCluster,
        groups: ParameterGroups,
        key: &str,
    ) -> Result<Modified> {
        let mut modify = cx
            .rds
            .modify_db_cluster()
            .db_cluster_identifier(&self.cluster)
            .engine_version(&self.version)
            .apply_immediately(true);
        if major(&self.version) != major(cluster.engine_version().unwrap_or_default()) {
            let writer = aurora::writer(cluster).unwrap_or_default();
            modify = modify
                .allow_major_version_upgrade(true)
                .db_cluster_parameter_group_name(&groups.cluster)
                .set_db_instance_parameter_group_name(groups.instances.get(writer).cloned());
        }
        let error = match modify.send().await {
            Ok(_) => {
                return Err(Error::NotReady(format!(
                    "the upgrade to {}, which RDS has accepted now",
                    self.version
                )));
            }
            Err(error) => error,
        };
        let (code, message) =
            (error.code().unwrap_or_default().to_owned(), error.message().unwrap_or_default().to_owned());
        let told = aws("rds:ModifyDBCluster")(error);
        if code.is_empty() {
            // The answer was lost: the next look tells whether RDS took the request.
            return Err(told);
        }
        // RDS said no, so nothing was begun and the next attempt may ask.
        cx.store.delete(key).await?;
        Err(match code.as_str() {
            "InvalidParameterCombination"
            | "InvalidParameterValue"
            | "DBClusterParameterGroupNotFound"
            | "DBParameterGroupNotFound"
            | "InvalidDBParameterGroupState" => Error::Refused(format!(
                "RDS does not take the upgrade of {} to {}: {message} Nothing was changed. Mend it, then \
                redrive.",
                self.cluster, self.version
            )),
            _ => told,
        })
    }
}
