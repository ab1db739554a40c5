//! Raises the cluster to the next version of the path, once, and waits until every member has it.
//!
//! Changes: one ModifyDBCluster with both parameter groups, never without a snapshot to go back to.
//! Again is harmless: a version change under way is waited for; an object in the run bucket,
//! written before the call and only once an entry into this state or a redrive of it, keeps a
//! failed upgrade from being started again by itself. Undo: restore the snapshot. Errors:
//! `NotReady`, `Conflict` (no snapshot), `Refused` (RDS does not take the request),
//! `OperationFailed` (the upgrade failed, by RDS's events and log files; the cluster is at its old
//! version).

use std::time::Duration;

use jiff::Timestamp;
use runbook::{
    Context, Error, Result, Run, State,
    aurora::{self, Cluster, EngineVersion, Fault, Status, message},
    error::{Then, aws},
    lease,
    major_upgrade::{self, ParameterGroups},
    store::When,
};
use serde::{Deserialize, Serialize};

use super::{failure, resolve_upgrade::no_version_change};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ModifyClusterVersion {
    cluster: String,
    /// The version to raise it to: the next of the path.
    version: EngineVersion,
    /// The snapshot to go back to.
    snapshot: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Modified {
    summary: String,
    version: EngineVersion,
}

/// Written before ModifyDBCluster is called, because RDS knows no idempotency token.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    version: EngineVersion,
    requested: Timestamp,
    /// When pg_upgrade's logs were first seen while the cluster stood still at the old version.
    #[serde(default)]
    logs_seen: Option<Timestamp>,
}

/// The lag between the answer and the first sign was seconds to minutes
/// (hashicorp/terraform-provider-aws#28339).
const FIRST_SIGN: Duration = Duration::from_secs(15 * 60);
/// Pre-checks write pg_upgrade's logs while the cluster is `available`; only logs beside which
/// nothing happens for this long are those of a failure.
const STANDSTILL: Duration = Duration::from_secs(5 * 60);

impl State for ModifyClusterVersion {
    const NAME: &'static str = "ModifyClusterVersion";
    type Output = Modified;

    async fn reconcile(self, cx: &Context, run: &Run) -> Result<Modified> {
        let cluster = aurora::cluster(cx, &self.cluster).await?;
        // While it is at work, one call a look is enough.
        aurora::ready(&cluster, &[])?;
        lease::take(cx, run, cluster.resource_id.as_str()).await?;
        let members = aurora::members(cx, &cluster).await?;
        no_version_change(&cluster)?;
        aurora::ready(&cluster, &members)?;
        if cluster.version == self.version {
            // Readers follow the writer, so the cluster's version alone is no proof.
            if let Some(late) = members.iter().find(|member| member.version != self.version) {
                return Err(Error::NotReady(format!("instance {} to reach {}", late.id, self.version)));
            }
            return Ok(Modified {
                summary: format!("cluster and {} instances are at {}", members.len(), self.version),
                version: self.version,
            });
        }

        let key = format!("{}/modify-{}-{}.json", run.prefix(), self.version, run.since().as_millisecond());
        let request = Request { version: self.version.clone(), requested: cx.clock.now(), logs_seen: None };
        if let Some(earlier) = cx.store.get_json::<Request>(&key).await? {
            return Err(self.explain(cx, &cluster, earlier, &key).await?);
        }
        self.check_snapshot(cx).await?;
        let groups = groups(cx, &cluster, &self.version).await?;
        if groups.usable.is_some_and(|usable| cx.clock.now() < usable) {
            return Err(Error::NotReady(
                "the new parameter groups to be usable (RDS asks for 5 minutes after their creation)".into(),
            ));
        }
        if !cx.store.put_json_when(&key, &request, When::Absent).await? {
            return Err(Error::NotReady(format!(
                "the upgrade to {} that another attempt begins at this moment",
                self.version
            )));
        }
        self.modify(cx, &cluster, groups, &key).await?;
        Err(Error::NotReady(format!("the upgrade to {}, which RDS has accepted now", self.version)))
    }
}

impl ModifyClusterVersion {
    /// The version was requested before, and the cluster stands still at the old one: why.
    async fn explain(&self, cx: &Context, cluster: &Cluster, request: Request, key: &str) -> Result<Error> {
        let as_before = format!("nothing, the cluster runs at {} as before", cluster.version);
        let (now, requested) = (cx.clock.now(), request.requested);
        if let Some(failure) = failure::read(cx, cluster, requested).await? {
            let stands_still = request
                .logs_seen
                .is_some_and(|seen| Duration::try_from(now - seen).is_ok_and(|since| since >= STANDSTILL));
            if failure.is_certain || stands_still {
                return Ok(Error::failed(format!(
                    "the upgrade of {} to {} failed. {}",
                    self.cluster, self.version, failure.evidence
                ))
                .changed(as_before)
                .fix(failure.remedy)
                .then(Then::Redrive));
            }
            if request.logs_seen.is_none() {
                cx.store.put_json(key, &Request { logs_seen: Some(now), ..request }).await?;
            }
            return Ok(Error::NotReady(format!(
                "RDS to go on with the upgrade to {} or to say that it failed (pg_upgrade has written logs)",
                self.version
            )));
        }
        let waited = Duration::try_from(cx.clock.now() - requested).unwrap_or_default();
        if waited < FIRST_SIGN {
            return Ok(Error::NotReady(format!(
                "a sign that RDS begins the upgrade to {} (requested {requested})",
                self.version
            )));
        }
        Ok(Error::failed(format!(
            "RDS was asked at {requested} to upgrade {} to {} and shows no trace of it: no pending version, \
             no event, no pg_upgrade log. It is not asked twice by itself",
            self.cluster, self.version
        ))
        .changed(as_before)
        .then(Then::Redrive))
    }

    async fn check_snapshot(&self, cx: &Context) -> Result<()> {
        let found = aurora::find_snapshot(cx, &self.snapshot).await?;
        let is = match found.map(|snapshot| snapshot.status) {
            Some(Status::Available) => return Ok(()),
            Some(status) => status.to_string(),
            None => "gone".to_owned(),
        };
        Err(Error::conflict(format!(
            "the snapshot {} is {is}, and an upgrade is never started without one to go back to",
            self.snapshot
        ))
        .then(Then::StartAgain))
    }

    /// RDS takes one instance group for all instances; SyncParameterGroups gives each its own
    /// afterwards.
    async fn modify(
        &self,
        cx: &Context,
        cluster: &Cluster,
        groups: ParameterGroups,
        key: &str,
    ) -> Result<()> {
        let mut modify = cx
            .rds
            .modify_db_cluster()
            .db_cluster_identifier(&self.cluster)
            .engine_version(self.version.to_string())
            .apply_immediately(true);
        if self.version.major() != cluster.version.major() {
            let group = cluster.writer().and_then(|writer| groups.instances.get(writer));
            modify = modify
                .allow_major_version_upgrade(true)
                .db_cluster_parameter_group_name(&groups.cluster)
                .set_db_instance_parameter_group_name(group.cloned());
        }
        let Err(error) = modify.send().await else { return Ok(()) };
        if error.as_service_error().is_none() {
            // The answer was lost: the next look tells whether RDS took the request.
            return Err(aws("rds:ModifyDBCluster")(error));
        }
        // RDS said no, so nothing was begun and the next attempt may ask.
        cx.store.delete(key).await?;
        Err(match Fault::of(&error).filter(|fault| !fault.is_busy()) {
            Some(_) => Error::refused(format!(
                "RDS does not take the upgrade of {} to {}: {}",
                self.cluster,
                self.version,
                message(&error)
            ))
            .fix("change what it names")
            .then(Then::Redrive),
            None => aws("rds:ModifyDBCluster")(error),
        })
    }
}

/// What PrepareParameterGroups has chosen for that version.
pub(super) async fn groups(
    cx: &Context,
    cluster: &Cluster,
    version: &EngineVersion,
) -> Result<ParameterGroups> {
    let key = major_upgrade::parameter_groups_key(&cluster.resource_id);
    let groups = cx.store.get_json::<ParameterGroups>(&key).await?;
    groups.filter(|groups| groups.version == *version).ok_or_else(|| {
        Error::conflict(format!(
            "{key} does not hold the parameter groups for {version}; another run has changed it"
        ))
        .then(Then::StartAgain)
    })
}
