//! A cluster restored from a snapshot, or cloned from another one, with everything said that RDS
//! would otherwise choose by itself, in an order that leaves no moment at which production's
//! password opens it: cluster without instance, new master password, instance.
//!
//! A restore takes no password and the cluster answers to the source's
//! (RestoreDBClusterFromSnapshot and RestoreDBClusterToPointInTime, botocore rds 2014-10-31); a
//! cluster without an instance cannot be connected to (AuroraUserGuide, Aurora.Overview). What is
//! left out falls to the default VPC's security group, default groups and possibly a public
//! address, so nothing is left out.

use aws_sdk_rds::types::{ClusterPendingModifiedValues, Tag};
use policy::{Capacity, LifecycleSupport, Quarantine};
use runbook::{
    Context, Error, Result, Run,
    aurora::{self, Cluster, EngineVersion, Fault, Instance, ResourceId, message},
    daily_sync::{
        names,
        tags::{Maker, Role},
    },
    error::{Then, aws},
};

mod begin;

use begin::{begin, refused};

pub const ENGINE: &str = "aurora-postgresql";

/// Where the data comes from.
#[derive(Debug, Clone, Copy)]
pub enum From<'a> {
    /// A snapshot: its name, or its ARN when another account shares it.
    Snapshot(&'a str),
    /// A cluster of this account, whose volume is cloned copy-on-write, under its own key.
    Cluster(&'a str),
}

pub struct Wanted<'a> {
    pub cluster: String,
    pub from: From<'a>,
    pub engine_version: &'a EngineVersion,
    pub subnet_group: &'a str,
    pub security_groups: &'a [String],
    pub cluster_parameter_group: &'a str,
    /// The security groups of whom alone these two must let in, where the copy is raw.
    pub only_for: Option<&'a [String]>,
    pub parameter_group: Option<&'a str>,
    /// None where it stays the source's.
    pub kms_key: Option<&'a str>,
    pub instance_class: &'a str,
    /// Of the class `db.serverless`.
    pub capacity: Option<Capacity>,
    /// The snapshot's. RDS does not carry it: a restored cluster has the default `aurora` unless it
    /// is named (RestoreDBClusterFromSnapshot, botocore rds 2014-10-31).
    pub storage_type: Option<&'a str>,
    pub lifecycle_support: LifecycleSupport,
    pub tags: Vec<Tag>,
}

/// What a raw copy is restored from, and who alone may come to it.
pub struct Raw<'a> {
    pub snapshot: &'a str,
    pub engine_version: &'a EngineVersion,
    pub storage_type: Option<&'a str>,
    pub workers: &'a [String],
    pub lifecycle_support: LifecycleSupport,
}

impl<'a> Wanted<'a> {
    /// A raw copy, under the run's name, where the policy says.
    pub fn in_quarantine(maker: Maker<'a>, run: &Run, raw: Raw<'a>, quarantine: &'a Quarantine) -> Self {
        Self {
            cluster: names::quarantine(maker.name(), run),
            from: From::Snapshot(raw.snapshot),
            engine_version: raw.engine_version,
            subnet_group: &quarantine.subnet_group,
            security_groups: std::slice::from_ref(&quarantine.security_group),
            cluster_parameter_group: &quarantine.cluster_parameter_group,
            only_for: Some(raw.workers),
            parameter_group: None,
            kms_key: Some(&quarantine.kms_key),
            instance_class: &quarantine.instance_class,
            capacity: quarantine.capacity,
            storage_type: raw.storage_type,
            lifecycle_support: raw.lifecycle_support,
            tags: maker.tags(run, Role::Quarantine),
        }
    }
}

/// The restored cluster, available with one instance, its master password RDS's own.
pub struct Restored {
    pub cluster: String,
    pub resource_id: ResourceId,
    pub secret_arn: String,
}

/// What stands under the run's name, and RDS is not at work on.
pub struct Found {
    cluster: Cluster,
    members: Vec<Instance>,
    /// When RDS's own master password is in force.
    secret_arn: Option<String>,
}

/// One look, which says what is wrong whatever was asked for. RDS is at work for nearly all of the
/// time, and meanwhile this is all: what was asked for is read, and compared in [`reconcile`], when
/// there is something to do or all is done.
pub async fn find(cx: &Context, run: &Run, maker: Maker<'_>, name: &str) -> Result<Option<Found>> {
    // Right after the call RDS may still answer with another cluster's data under an old name: only
    // the name that was asked counts.
    let cluster = aurora::find_cluster(cx, name).await?.filter(|cluster| cluster.id == name);
    let Some(cluster) = cluster else { return Ok(None) };
    if !maker.made_in(&cluster.tags, run) {
        return Err(Error::conflict(format!("a cluster {name} exists and is not this run's"))
            .fix("rename or delete it")
            .then(Then::StartAgain));
    }
    if cluster.status.is_lost() {
        return Err(failed(format!("RDS could not restore or clone {name}: it is {}", cluster.status)));
    }
    aurora::ready(&cluster, &[])?;
    let members = aurora::members(cx, &cluster).await?;
    let secret_arn = managed_secret(&cluster)?;
    if let Some(instance) = members.first() {
        if secret_arn.is_none() {
            return Err(Error::conflict(format!(
                "{name} has an instance while production's master password may still open it; someone else \
                 made that instance"
            ))
            .then(Then::StartAgain));
        }
        if instance.status.is_lost() {
            return Err(failed(format!("the instance of {name} is {}", instance.status)));
        }
        if instance.shown.publicly_accessible() != Some(false) {
            return Err(failed(format!(
                "the instance of {name} is publicly accessible although it was asked not to be"
            )));
        }
        check_members(&members, name)?;
        aurora::ready(&cluster, &members)?;
    }
    Ok(Some(Found { cluster, members, secret_arn }))
}

/// At most one change.
pub async fn reconcile(
    cx: &Context,
    run: &Run,
    found: Option<Found>,
    wanted: &Wanted<'_>,
) -> Result<Restored> {
    let name = &wanted.cluster;
    let Some(Found { cluster, members, secret_arn }) = found else {
        begin(cx, run, wanted).await?;
        return Err(Error::NotReady(format!("cluster {name} to be restored, which was begun now")));
    };
    let differences = differences(&cluster, wanted);
    if !differences.is_empty() {
        return Err(failed(format!(
            "RDS restored {name} otherwise than it was asked to, so nothing goes on with it:\n{}",
            differences.join("\n")
        )));
    }
    let Some(secret_arn) = secret_arn else {
        new_password(cx, &cluster).await?;
        return Err(Error::NotReady(format!("the new master password of {name}, which was asked for now")));
    };
    if members.is_empty() {
        create_instance(cx, wanted).await?;
        return Err(Error::NotReady(format!("instance {}, which is being made", names::instance(name))));
    }
    Ok(Restored { cluster: name.clone(), resource_id: cluster.resource_id, secret_arn })
}

fn failed(found: String) -> Error {
    Error::failed(found)
        .changed("what this run made stays until it is cleaned up after")
        .then(Then::StartAgain)
}

fn check_members(members: &[Instance], cluster: &str) -> Result<()> {
    match members.iter().find(|member| member.id != names::instance(cluster)) {
        None => Ok(()),
        Some(other) => {
            Err(Error::conflict(format!("{cluster} has an instance {} that this run did not make", other.id))
                .then(Then::StartAgain))
        }
    }
}

/// What is not as it was asked, one a line: asked for is not had.
fn differences(cluster: &Cluster, wanted: &Wanted<'_>) -> Vec<String> {
    let shown = &cluster.shown;
    let mut found = Vec::new();
    let mut check = |what: &str, is: String, asked: String| {
        if is != asked {
            found.push(format!("- {what}: it is {is}, asked was {asked}"));
        }
    };
    let name = |name: Option<&str>| name.unwrap_or("none").to_owned();
    // What is not shown is not said to be as asked.
    let flag = |flag: Option<bool>| flag.map_or("not shown".to_owned(), |flag| flag.to_string());
    let groups = shown.vpc_security_groups().iter().filter_map(|group| group.vpc_security_group_id());
    let sorted = |mut groups: Vec<&str>| {
        groups.sort_unstable();
        groups.join(" ")
    };
    check(
        "security groups",
        sorted(groups.collect()),
        sorted(wanted.security_groups.iter().map(String::as_str).collect()),
    );
    check("subnet group", name(shown.db_subnet_group()), wanted.subnet_group.to_lowercase());
    check("engine version", cluster.version.to_string(), wanted.engine_version.to_string());
    let asked = wanted.cluster_parameter_group.to_lowercase();
    check("cluster parameter group", name(shown.db_cluster_parameter_group()), asked);
    check("associated roles", shown.associated_roles().len().to_string(), "0".into());
    // RDS shows it of Multi-AZ DB clusters only (botocore rds 2014-10-31, DBCluster).
    check("publicly accessible", shown.publicly_accessible().unwrap_or(false).to_string(), "false".into());
    let iam = shown.iam_database_authentication_enabled();
    check("IAM database authentication", flag(iam), "false".into());
    // Left out by RDS where the Region has no Data API.
    check("Data API", shown.http_endpoint_enabled().unwrap_or(false).to_string(), "false".into());
    check("exported logs", shown.enabled_cloudwatch_logs_exports().join(" "), String::new());
    if let Some(key) = wanted.kms_key {
        check("encrypted", flag(shown.storage_encrypted()), "true".into());
        // An alias is resolved by RDS: it shows the key's ARN.
        if key.starts_with("arn:") && key.contains(":key/") {
            check("key", name(shown.kms_key_id()), key.to_owned());
        }
    }
    // `aurora` is not said by RDS (CreateDBCluster, botocore rds 2014-10-31).
    let storage = |name: Option<&str>| name.unwrap_or("aurora").to_owned();
    check("storage type", storage(shown.storage_type()), storage(wanted.storage_type));
    // A matter of money: where it is not shown, no run is failed for it.
    let asked = wanted.lifecycle_support.as_str();
    let is = shown.engine_lifecycle_support().unwrap_or(asked);
    check("engine lifecycle support", is.to_owned(), asked.to_owned());
    let acus = |least: f64, most: f64| format!("{least} to {most} ACUs");
    let capacity = shown.serverless_v2_scaling_configuration();
    let is = capacity.and_then(|is| Some(acus(is.min_capacity()?, is.max_capacity()?)));
    let asked = wanted.capacity.map(|asked| acus(asked.min, asked.max));
    check("capacity", name(is.as_deref()), name(asked.as_deref()));
    found
}

/// Replaces the snapshot's master password with one that RDS makes and keeps.
async fn new_password(cx: &Context, cluster: &Cluster) -> Result<()> {
    let modify = cx.rds.modify_db_cluster().db_cluster_identifier(&cluster.id);
    let answer = modify.manage_master_user_password(true).apply_immediately(true).send().await;
    let Err(error) = answer else { return Ok(()) };
    // RDS makes the secret with the caller's permissions, on Secrets Manager's own key
    // (https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/rds-secrets-manager.html).
    Err(match Fault::of(&error) {
        Some(Fault::KMSKeyNotAccessibleFault) => Error::refused(format!(
            "RDS may not use the key of the secret that holds the password of {}: {}",
            cluster.id,
            message(&error)
        ))
        .changed("nothing by this call")
        .fix("let this state's role call kms:DescribeKey on alias/aws/secretsmanager")
        .then(Then::Redrive),
        _ => aws("rds:ModifyDBCluster")(error),
    })
}

/// Its managed secret when the password is in force. `available` says nothing: for some seconds
/// after the change the old password still works, and only the pending values and the secret's
/// status tell.
fn managed_secret(cluster: &Cluster) -> Result<Option<String>> {
    let (name, shown) = (&cluster.id, &cluster.shown);
    let nothing = ClusterPendingModifiedValues::builder().build();
    if shown.pending_modified_values().is_some_and(|pending| *pending != nothing) {
        return Err(Error::NotReady(format!("the change of {name} that RDS holds pending")));
    }
    let Some(secret) = shown.master_user_secret() else { return Ok(None) };
    match (secret.secret_status(), secret.secret_arn()) {
        (Some("active"), Some(arn)) => Ok(Some(arn.to_owned())),
        // "impaired": RDS cannot use the secret (MasterUserSecret, botocore).
        (Some("impaired"), _) => Err(failed(format!(
            "RDS says that the managed secret of {name} is impaired: it cannot use its key"
        ))),
        (status, _) => Err(Error::NotReady(format!(
            "the managed secret of {name} to be active (it is {})",
            status.unwrap_or("unknown")
        ))),
    }
}

async fn create_instance(cx: &Context, wanted: &Wanted<'_>) -> Result<()> {
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
    let Err(error) = create.send().await else { return Ok(()) };
    match Fault::of(&error) {
        // Whose it is shows at the next look.
        Some(Fault::DBInstanceAlreadyExists) => Ok(()),
        fault => Err(match fault.and_then(Fault::needs_a_person) {
            Some(remedy) => refused(&name, message(&error), remedy),
            None => aws("rds:CreateDBInstance")(error),
        }),
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_rds::types::{
        DbClusterRole, MasterUserSecret, ServerlessV2ScalingConfigurationInfo, VpcSecurityGroupMembership,
    };

    use super::*;
    use crate::testing::{self, Parse};

    fn wanted<'a>(groups: &'a [String], engine_version: &'a EngineVersion) -> Wanted<'a> {
        Wanted {
            cluster: "quarantine-orders-01234567".into(),
            from: From::Snapshot("s"),
            engine_version,
            subnet_group: "quarantine",
            security_groups: groups,
            cluster_parameter_group: "quarantine-pg16",
            only_for: None,
            parameter_group: None,
            kms_key: Some("alias/sync"),
            instance_class: "db.r6g.large",
            capacity: None,
            storage_type: None,
            lifecycle_support: LifecycleSupport::default(),
            tags: vec![],
        }
    }

    fn as_asked() -> aws_sdk_rds::types::builders::DbClusterBuilder {
        testing::cluster("quarantine-orders-01234567")
            .vpc_security_groups(
                VpcSecurityGroupMembership::builder().vpc_security_group_id("sg-q").status("active").build(),
            )
            .db_subnet_group("quarantine")
            .engine_version("16.8")
            .db_cluster_parameter_group("quarantine-pg16")
            .storage_encrypted(true)
            .iam_database_authentication_enabled(false)
            .engine_lifecycle_support("open-source-rds-extended-support")
    }

    #[test]
    fn what_is_not_as_asked_is_named() {
        let (groups, version) = (["sg-q".to_owned()], "16.8".parse().unwrap());
        let wanted = wanted(&groups, &version);
        assert_eq!(differences(&as_asked().parse(), &wanted), Vec::<String>::new());
        let default_group = VpcSecurityGroupMembership::builder().vpc_security_group_id("sg-default").build();
        for (cluster, word) in [
            (as_asked().vpc_security_groups(default_group), "sg-default"),
            (as_asked().db_subnet_group("default"), "subnet group"),
            (as_asked().engine_version("17.4"), "engine version"),
            (as_asked().db_cluster_parameter_group("default.aurora-postgresql16"), "parameter group"),
            (
                as_asked()
                    .associated_roles(DbClusterRole::builder().role_arn("arn:aws:iam::1:role/s3").build()),
                "roles",
            ),
            (as_asked().publicly_accessible(true), "publicly"),
            (as_asked().iam_database_authentication_enabled(true), "IAM"),
            (as_asked().http_endpoint_enabled(true), "Data API"),
            (as_asked().enabled_cloudwatch_logs_exports("postgresql"), "logs"),
            (as_asked().storage_encrypted(false), "encrypted"),
            (as_asked().storage_type("aurora-iopt1"), "storage type"),
            (as_asked().engine_lifecycle_support("open-source-rds-extended-support-disabled"), "lifecycle"),
            (as_asked().serverless_v2_scaling_configuration(scaling(0.5, 8.0)), "capacity"),
        ] {
            let found = differences(&cluster.parse(), &wanted);
            assert!(found.len() == 1 && found[0].contains(word), "{word}: {found:?}");
        }
    }

    fn scaling(least: f64, most: f64) -> ServerlessV2ScalingConfigurationInfo {
        ServerlessV2ScalingConfigurationInfo::builder().min_capacity(least).max_capacity(most).build()
    }

    #[test]
    fn what_a_restore_does_not_carry_by_itself_is_looked_for() {
        let (groups, version) = (["sg-q".to_owned()], "16.8".parse().unwrap());
        let capacity = Some(Capacity { min: 0.5, max: 8.0 });
        let wanted = Wanted { capacity, storage_type: Some("aurora-iopt1"), ..wanted(&groups, &version) };
        let whole = || {
            let optimized = as_asked().storage_type("aurora-iopt1");
            optimized.serverless_v2_scaling_configuration(scaling(0.5, 8.0))
        };
        assert_eq!(differences(&whole().parse(), &wanted), Vec::<String>::new());
        assert_eq!(differences(&as_asked().parse(), &wanted).len(), 2);
        let wider = whole().serverless_v2_scaling_configuration(scaling(0.5, 16.0));
        assert_eq!(
            differences(&wider.parse(), &wanted),
            ["- capacity: it is 0.5 to 16 ACUs, asked was 0.5 to 8 ACUs"]
        );
    }

    #[test]
    fn a_password_is_in_force_when_nothing_is_pending_and_the_secret_is_active() {
        let secret =
            |status: &str| MasterUserSecret::builder().secret_arn("arn:secret").secret_status(status).build();
        let pending = ClusterPendingModifiedValues::builder().master_user_password("****").build();
        let cluster = || testing::cluster("q");
        assert!(matches!(managed_secret(&cluster().parse()), Ok(None)));
        assert!(matches!(
            managed_secret(&cluster().master_user_secret(secret("active")).parse()),
            Ok(Some(_))
        ));
        assert_eq!(
            managed_secret(&cluster().master_user_secret(secret("creating")).parse()).unwrap_err().name(),
            "NotReady"
        );
        assert_eq!(
            managed_secret(&cluster().master_user_secret(secret("impaired")).parse()).unwrap_err().name(),
            "OperationFailed"
        );
        let still_pending =
            cluster().master_user_secret(secret("active")).pending_modified_values(pending).parse();
        assert_eq!(managed_secret(&still_pending).unwrap_err().name(), "NotReady");
    }
}
