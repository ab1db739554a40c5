//! A cluster restored from a snapshot, with everything said that RDS would otherwise choose by
//! itself, in an order that leaves no moment at which production's password opens it: cluster
//! without instance, new master password, instance.
//!
//! A restore takes no password and the cluster answers to the snapshot's
//! (RestoreDBClusterFromSnapshot, botocore rds 2014-10-31); a cluster without an instance cannot be
//! connected to (AuroraUserGuide, Aurora.Overview). What is left out falls to the default VPC's
//! security group, default groups and possibly a public address, so nothing is left out.

use aws_sdk_rds::{
    error::ProvideErrorMetadata,
    types::{ClusterPendingModifiedValues, DbCluster, DbInstance, Tag},
};
use runbook::{
    Context, Error, Result, Run, aurora,
    daily_sync::{names, tags},
    error::aws,
};

pub const ENGINE: &str = "aurora-postgresql";

pub struct Wanted<'a> {
    pub sync: &'a str,
    pub cluster: String,
    /// A name, or an ARN when it is shared by another account.
    pub snapshot: &'a str,
    pub engine_version: &'a str,
    pub subnet_group: &'a str,
    pub security_groups: &'a [String],
    pub cluster_parameter_group: &'a str,
    pub parameter_group: Option<&'a str>,
    pub kms_key: &'a str,
    pub instance_class: &'a str,
    pub tags: Vec<Tag>,
}

/// The restored cluster, available with one instance, its master password RDS's own.
pub struct Restored {
    pub cluster: String,
    pub resource_id: String,
    pub secret_arn: String,
}

/// One look and at most one change.
pub async fn reconcile(cx: &Context, run: &Run, wanted: &Wanted<'_>) -> Result<Restored> {
    let name = &wanted.cluster;
    // Right after the call RDS may still answer with another cluster's data under an old name: only
    // the name that was asked counts.
    let cluster =
        aurora::find_cluster(cx, name).await?.filter(|cluster| cluster.db_cluster_identifier() == Some(name));
    let Some(cluster) = cluster else { return Err(restore(cx, run, wanted).await) };
    if !tags::is_of_run(cluster.tag_list(), wanted.sync, run) {
        return Err(Error::Conflict(format!(
            "a cluster {name} exists and is not this run's. It was left alone. Rename or delete it, then \
            start a new execution."
        )));
    }
    let status = cluster.status().unwrap_or("unknown");
    if is_lost(status) {
        return Err(Error::OperationFailed(format!(
            "RDS could not restore {} as {name}: it is {status}.",
            wanted.snapshot
        )));
    }
    if status != "available" {
        return Err(Error::NotReady(format!("cluster {name} to be restored (it is {status})")));
    }
    let differences = differences(&cluster, wanted);
    if !differences.is_empty() {
        return Err(Error::OperationFailed(format!(
            "RDS restored {name} otherwise than it was asked to, so nothing goes on with it:\n{}",
            differences.join("\n")
        )));
    }
    let members = aurora::members(cx, &cluster).await?;
    let secret_arn = password(cx, &cluster, members.is_empty()).await?;
    let Some(instance) = members.first() else { return Err(create_instance(cx, wanted).await) };
    let status = instance.db_instance_status().unwrap_or("unknown");
    if is_lost(status) {
        return Err(Error::OperationFailed(format!("the instance of {name} is {status}")));
    }
    if instance.publicly_accessible() != Some(false) {
        return Err(Error::OperationFailed(format!(
            "the instance of {name} is publicly accessible although it was asked not to be"
        )));
    }
    check_members(&members, name)?;
    if let Some(what) = aurora::busy(&cluster, &members) {
        return Err(Error::NotReady(what));
    }
    let resource_id = cluster.db_cluster_resource_id().unwrap_or_default().to_owned();
    Ok(Restored { cluster: name.clone(), resource_id, secret_arn })
}

/// Statuses that no waiting ends (AuroraUserGuide, accessing-monitoring and
/// Overview.DBInstance.Status).
fn is_lost(status: &str) -> bool {
    status.contains("failed")
        || status.starts_with("incompatible-")
        || status.starts_with("inaccessible-")
        || status == "deleting"
}

fn check_members(members: &[DbInstance], cluster: &str) -> Result<()> {
    match members.iter().find(|member| member.db_instance_identifier() != Some(&names::instance(cluster))) {
        None => Ok(()),
        Some(other) => Err(Error::Conflict(format!(
            "{cluster} has an instance {} that this run did not make. Nothing goes on with it.",
            other.db_instance_identifier().unwrap_or_default()
        ))),
    }
}

/// What is not as it was asked, one a line: asked for is not had.
fn differences(cluster: &DbCluster, wanted: &Wanted<'_>) -> Vec<String> {
    let mut found = Vec::new();
    let mut check = |what: &str, is: String, asked: String| {
        if is != asked {
            found.push(format!("- {what}: it is {is}, asked was {asked}"));
        }
    };
    let groups = cluster.vpc_security_groups().iter().filter_map(|group| group.vpc_security_group_id());
    let sorted = |mut groups: Vec<&str>| {
        groups.sort_unstable();
        groups.join(" ")
    };
    check(
        "security groups",
        sorted(groups.collect()),
        sorted(wanted.security_groups.iter().map(String::as_str).collect()),
    );
    check(
        "subnet group",
        cluster.db_subnet_group().unwrap_or_default().to_owned(),
        wanted.subnet_group.to_lowercase(),
    );
    check(
        "engine version",
        cluster.engine_version().unwrap_or_default().to_owned(),
        wanted.engine_version.to_owned(),
    );
    check(
        "cluster parameter group",
        cluster.db_cluster_parameter_group().unwrap_or_default().to_owned(),
        wanted.cluster_parameter_group.to_lowercase(),
    );
    check("associated roles", cluster.associated_roles().len().to_string(), "0".into());
    check("publicly accessible", cluster.publicly_accessible().unwrap_or(false).to_string(), "false".into());
    check(
        "IAM database authentication",
        cluster.iam_database_authentication_enabled().unwrap_or(false).to_string(),
        "false".into(),
    );
    check("Data API", cluster.http_endpoint_enabled().unwrap_or(false).to_string(), "false".into());
    check("exported logs", cluster.enabled_cloudwatch_logs_exports().join(" "), String::new());
    check("encrypted", cluster.storage_encrypted().unwrap_or(false).to_string(), "true".into());
    // An alias is resolved by RDS: it shows the key's ARN.
    if wanted.kms_key.starts_with("arn:") && wanted.kms_key.contains(":key/") {
        check("key", cluster.kms_key_id().unwrap_or_default().to_owned(), wanted.kms_key.to_owned());
    }
    found
}

/// Begins the restore, without roles and exported logs: both come only when they are named. Says
/// what is to be waited for, or why it cannot be.
async fn restore(cx: &Context, run: &Run, wanted: &Wanted<'_>) -> Error {
    let name = &wanted.cluster;
    let restore = cx
        .rds
        .restore_db_cluster_from_snapshot()
        .db_cluster_identifier(name)
        .snapshot_identifier(wanted.snapshot);
    let restore = restore
        .engine(ENGINE)
        .engine_version(wanted.engine_version)
        .db_subnet_group_name(wanted.subnet_group)
        .set_vpc_security_group_ids(Some(wanted.security_groups.to_vec()))
        .db_cluster_parameter_group_name(wanted.cluster_parameter_group)
        .kms_key_id(wanted.kms_key)
        .publicly_accessible(false)
        .enable_iam_database_authentication(false)
        .copy_tags_to_snapshot(false)
        .deletion_protection(false)
        .backup_retention_period(1)
        .set_tags(Some(wanted.tags.clone()));
    match restore.send().await {
        Ok(_) => Error::NotReady(format!("cluster {name} to be restored, which was begun now")),
        Err(error) => {
            let (code, message) = (error.code().unwrap_or_default(), error.message().unwrap_or_default());
            match code {
                // Who owns it is seen at the next look.
                "DBClusterAlreadyExistsFault" => Error::NotReady(format!("cluster {name} to be shown")),
                "InvalidDBClusterSnapshotStateFault" => {
                    Error::NotReady(format!("snapshot {} to be restorable ({message})", wanted.snapshot))
                }
                // A share is seen in the other account after a moment.
                "DBClusterSnapshotNotFoundFault" if run.waited(cx.clock.now()).as_secs() < 600 => {
                    Error::NotReady(format!("snapshot {} to be seen in this account", wanted.snapshot))
                }
                _ => refused(code, message, name)
                    .unwrap_or_else(|| aws("rds:RestoreDBClusterFromSnapshot")(error)),
            }
        }
    }
}

/// What a person has to mend in account or policy. Nothing was made.
fn refused(code: &str, message: &str, name: &str) -> Option<Error> {
    let remedy = match code {
        "DBClusterSnapshotNotFoundFault" => "the snapshot is not there, or not shared with this account",
        "KMSKeyNotAccessibleFault" => {
            "the keys' policies must let this account use both (kms:Decrypt, kms:DescribeKey, \
            kms:CreateGrant, kms:ReEncrypt*, kms:GenerateDataKey*)"
        }
        "DBClusterQuotaExceededFault"
        | "InstanceQuotaExceeded"
        | "StorageQuotaExceeded"
        | "InsufficientDBClusterCapacityFault"
        | "InsufficientStorageClusterCapacity"
        | "InsufficientDBInstanceCapacity" => "delete old clusters, raise the quota, or try later",
        "DBSubnetGroupNotFoundFault"
        | "DBClusterParameterGroupNotFound"
        | "DBParameterGroupNotFound"
        | "InvalidSubnet"
        | "InvalidVPCNetworkStateFault"
        | "DBSubnetGroupDoesNotCoverEnoughAZs"
        | "InvalidParameterValue"
        | "InvalidParameterCombination"
        | "InvalidRestoreFault" => "the policy names what this account does not have or RDS does not take",
        _ => return None,
    };
    Some(Error::Refused(format!(
        "RDS does not make {name}: {message} ({code}). Nothing was made: {remedy}. Mend it, then start a \
        new execution."
    )))
}

/// Replaces the snapshot's master password with one that RDS makes and keeps, and waits until it is
/// in force.
async fn password(cx: &Context, cluster: &DbCluster, no_instance: bool) -> Result<String> {
    let name = cluster.db_cluster_identifier().unwrap_or_default();
    let Some(arn) = managed_secret(cluster)? else {
        if !no_instance {
            return Err(Error::Conflict(format!(
                "{name} has an instance while production's master password may still open it; someone else \
                made that instance. Nothing goes on with it."
            )));
        }
        let modify = cx
            .rds
            .modify_db_cluster()
            .db_cluster_identifier(name)
            .manage_master_user_password(true)
            .apply_immediately(true);
        return Err(match modify.send().await {
            Ok(_) => Error::NotReady(format!("the new master password of {name}, which was asked for now")),
            Err(error) if error.code() == Some("InvalidDBClusterStateFault") => Error::NotReady(format!(
                "cluster {name} to take a new master password ({})",
                error.message().unwrap_or_default()
            )),
            Err(error) => aws("rds:ModifyDBCluster")(error),
        });
    };
    Ok(arn)
}

/// Its managed secret when the password is in force. `available` says nothing: for some seconds
/// after the change the old password still works, and only the pending values and the secret's
/// status tell.
fn managed_secret(cluster: &DbCluster) -> Result<Option<String>> {
    let name = cluster.db_cluster_identifier().unwrap_or_default();
    if cluster
        .pending_modified_values()
        .is_some_and(|pending| *pending != ClusterPendingModifiedValues::builder().build())
    {
        return Err(Error::NotReady(format!("the change of {name} that RDS holds pending")));
    }
    let Some(secret) = cluster.master_user_secret() else { return Ok(None) };
    match (secret.secret_status(), secret.secret_arn()) {
        (Some("active"), Some(arn)) => Ok(Some(arn.to_owned())),
        // "impaired": RDS cannot use the secret (MasterUserSecret, botocore).
        (Some("impaired"), _) => Err(Error::OperationFailed(format!(
            "RDS says that the managed secret of {name} is impaired: it cannot use its key"
        ))),
        (status, _) => Err(Error::NotReady(format!(
            "the managed secret of {name} to be active (it is {})",
            status.unwrap_or("unknown")
        ))),
    }
}

async fn create_instance(cx: &Context, wanted: &Wanted<'_>) -> Error {
    let name = names::instance(&wanted.cluster);
    let create =
        cx.rds.create_db_instance().db_instance_identifier(&name).db_cluster_identifier(&wanted.cluster);
    let create = create
        .engine(ENGINE)
        .db_instance_class(wanted.instance_class)
        .set_db_parameter_group_name(wanted.parameter_group.map(str::to_owned))
        .publicly_accessible(false)
        .auto_minor_version_upgrade(false)
        .copy_tags_to_snapshot(false)
        .enable_performance_insights(false)
        .monitoring_interval(0)
        .set_tags(Some(wanted.tags.clone()));
    match create.send().await {
        Ok(_) => Error::NotReady(format!("instance {name}, which is being made")),
        Err(error) => match (error.code().unwrap_or_default(), error.message().unwrap_or_default()) {
            ("DBInstanceAlreadyExists", message) | ("InvalidDBClusterStateFault", message) => {
                Error::NotReady(format!("instance {name} to be made ({message})"))
            }
            (code, message) => {
                refused(code, message, &name).unwrap_or_else(|| aws("rds:CreateDBInstance")(error))
            }
        },
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_rds::types::{DbClusterRole, MasterUserSecret, VpcSecurityGroupMembership};

    use super::*;

    fn wanted(groups: &[String]) -> Wanted<'_> {
        Wanted {
            sync: "orders",
            cluster: "quarantine-orders-01234567".into(),
            snapshot: "s",
            engine_version: "16.8",
            subnet_group: "quarantine",
            security_groups: groups,
            cluster_parameter_group: "quarantine-pg16",
            parameter_group: None,
            kms_key: "alias/sync",
            instance_class: "db.r6g.large",
            tags: vec![],
        }
    }

    fn as_asked() -> aws_sdk_rds::types::builders::DbClusterBuilder {
        DbCluster::builder()
            .vpc_security_groups(
                VpcSecurityGroupMembership::builder().vpc_security_group_id("sg-q").status("active").build(),
            )
            .db_subnet_group("quarantine")
            .engine_version("16.8")
            .db_cluster_parameter_group("quarantine-pg16")
            .storage_encrypted(true)
    }

    #[test]
    fn what_is_not_as_asked_is_named() {
        let groups = ["sg-q".to_owned()];
        assert_eq!(differences(&as_asked().build(), &wanted(&groups)), Vec::<String>::new());
        let default_group = VpcSecurityGroupMembership::builder().vpc_security_group_id("sg-default").build();
        for (cluster, word) in [
            (as_asked().vpc_security_groups(default_group).build(), "sg-default"),
            (as_asked().db_subnet_group("default").build(), "subnet group"),
            (as_asked().engine_version("17.4").build(), "engine version"),
            (as_asked().db_cluster_parameter_group("default.aurora-postgresql16").build(), "parameter group"),
            (
                as_asked()
                    .associated_roles(DbClusterRole::builder().role_arn("arn:aws:iam::1:role/s3").build())
                    .build(),
                "roles",
            ),
            (as_asked().publicly_accessible(true).build(), "publicly"),
            (as_asked().iam_database_authentication_enabled(true).build(), "IAM"),
            (as_asked().http_endpoint_enabled(true).build(), "Data API"),
            (as_asked().enabled_cloudwatch_logs_exports("postgresql").build(), "logs"),
            (as_asked().storage_encrypted(false).build(), "encrypted"),
        ] {
            let found = differences(&cluster, &wanted(&groups));
            assert!(found.len() == 1 && found[0].contains(word), "{word}: {found:?}");
        }
    }

    #[test]
    fn a_password_is_in_force_when_nothing_is_pending_and_the_secret_is_active() {
        let secret =
            |status: &str| MasterUserSecret::builder().secret_arn("arn:secret").secret_status(status).build();
        let pending = ClusterPendingModifiedValues::builder().master_user_password("****").build();
        let cluster = || DbCluster::builder().db_cluster_identifier("q");
        assert!(matches!(managed_secret(&cluster().build()), Ok(None)));
        assert!(matches!(
            managed_secret(&cluster().master_user_secret(secret("active")).build()),
            Ok(Some(_))
        ));
        assert_eq!(
            managed_secret(&cluster().master_user_secret(secret("creating")).build()).unwrap_err().name(),
            "NotReady"
        );
        assert_eq!(
            managed_secret(&cluster().master_user_secret(secret("impaired")).build()).unwrap_err().name(),
            "OperationFailed"
        );
        let still_pending =
            cluster().master_user_secret(secret("active")).pending_modified_values(pending).build();
        assert_eq!(managed_secret(&still_pending).unwrap_err().name(), "NotReady");
    }
}
