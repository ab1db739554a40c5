//! The one call that begins a restore or a clone.

use aws_sdk_rds::types::ServerlessV2ScalingConfiguration;
use runbook::{
    Context, Error, Result, Run,
    aurora::{Fault, message},
    daily_sync::quarantine,
    error::{Then, aws},
};

use super::{ENGINE, From, Wanted};

/// Without roles and exported logs: both come only when they are named.
pub async fn begin(cx: &Context, run: &Run, wanted: &Wanted<'_>) -> Result<()> {
    if let Some(workers) = wanted.only_for {
        let (groups, values) = (wanted.security_groups, wanted.cluster_parameter_group);
        quarantine::before_a_restore(cx, groups, values, workers).await?;
    }
    match wanted.from {
        From::Snapshot(snapshot) => restore(cx, run, wanted, snapshot).await,
        From::Cluster(source) => clone(cx, wanted, source).await,
    }
}

/// What RDS would otherwise choose by itself, in the words of both calls.
macro_rules! say_all {
    ($request:expr, $wanted:expr) => {{
        let Wanted { capacity, lifecycle_support, storage_type, tags, .. } = $wanted;
        let scaling = capacity.map(|capacity| {
            let scaling = ServerlessV2ScalingConfiguration::builder();
            scaling.min_capacity(capacity.min).max_capacity(capacity.max).build()
        });
        $request
            .db_cluster_identifier(&$wanted.cluster)
            .db_subnet_group_name($wanted.subnet_group)
            .set_vpc_security_group_ids(Some($wanted.security_groups.to_vec()))
            .db_cluster_parameter_group_name($wanted.cluster_parameter_group)
            .set_kms_key_id($wanted.kms_key.map(str::to_owned))
            .enable_iam_database_authentication(false)
            .deletion_protection(false)
            .backup_retention_period(1)
            .set_storage_type(storage_type.map(str::to_owned))
            .engine_lifecycle_support(lifecycle_support.as_str())
            .set_serverless_v2_scaling_configuration(scaling)
            .set_tags(Some(tags.clone()))
    }};
}

/// A clone shares its source's pages until one of the two writes
/// (https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/Aurora.Managing.Clone.html).
async fn clone(cx: &Context, wanted: &Wanted<'_>, source: &str) -> Result<()> {
    let clone = say_all!(cx.rds.restore_db_cluster_to_point_in_time(), wanted)
        .restore_type("copy-on-write")
        .source_db_cluster_identifier(source)
        .use_latest_restorable_time(true)
        // So that what RDS takes before the upgrade of the clone is known as ours.
        .copy_tags_to_snapshot(true);
    let Err(error) = clone.send().await else { return Ok(()) };
    Err(match Fault::of(&error) {
        // Who owns it is seen at the next look.
        Some(Fault::DBClusterAlreadyExistsFault) => return Ok(()),
        Some(Fault::InvalidDBClusterStateFault) => {
            Error::Busy(format!("{source} to be cloned ({})", message(&error)))
        }
        fault => match fault.and_then(Fault::needs_a_person) {
            Some(remedy) => refused(&wanted.cluster, message(&error), remedy),
            None => aws("rds:RestoreDBClusterToPointInTime")(error),
        },
    })
}

async fn restore(cx: &Context, run: &Run, wanted: &Wanted<'_>, snapshot: &str) -> Result<()> {
    let name = &wanted.cluster;
    let restore = say_all!(cx.rds.restore_db_cluster_from_snapshot(), wanted)
        .snapshot_identifier(snapshot)
        .engine(ENGINE)
        .engine_version(wanted.engine_version.to_string())
        .copy_tags_to_snapshot(false);
    let Err(error) = restore.send().await else { return Ok(()) };
    let fault = Fault::of(&error);
    Err(match fault {
        // Who owns it is seen at the next look.
        Some(Fault::DBClusterAlreadyExistsFault) => return Ok(()),
        Some(Fault::InvalidDBClusterSnapshotStateFault) => {
            Error::NotReady(format!("snapshot {snapshot} to be restorable ({})", message(&error)))
        }
        // A share is seen in the other account after a moment.
        Some(Fault::DBClusterSnapshotNotFoundFault) if run.waited(cx.clock.now()).as_secs() < 600 => {
            Error::NotReady(format!("snapshot {snapshot} to be seen in this account"))
        }
        Some(Fault::DBClusterSnapshotNotFoundFault) => {
            refused(name, message(&error), "share the snapshot with this account")
        }
        fault => match fault.and_then(Fault::needs_a_person) {
            Some(remedy) => refused(name, message(&error), remedy),
            None => aws("rds:RestoreDBClusterFromSnapshot")(error),
        },
    })
}

/// What a person has to fix in account or policy.
pub fn refused(name: &str, message: &str, remedy: &str) -> Error {
    Error::refused(format!("RDS does not make {name}: {message}"))
        .changed("what this run made before stays until it is cleaned up after")
        .fix(remedy)
        .then(Then::StartAgain)
}
