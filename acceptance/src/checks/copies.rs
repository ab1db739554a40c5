//! A cluster restored from a snapshot: what it has, what is refused while it has no instance, what
//! a rename does.

use anyhow::{Context as _, Result};
use runbook::aurora;

use crate::{
    check::{Answer, Check, Expected},
    local,
    subject::{CLASS, ENGINE, Subject, security_groups},
};

const VALUE: &str = "InvalidParameterValue";
const COMBINATION: &str = "InvalidParameterCombination";

pub const CHECKS: &[Check] = &[
    Check {
        name: "restore-that-names-no-version",
        expected: Expected::Holds("it takes the Region's default version, or is refused because of it"),
        source: "botocore rds 2014-10-31, RestoreDBClusterFromSnapshot.EngineVersion",
        local: local!("src/rds/restore.rs", "the Amazon Web Services Region is used"),
        ask: |on| Box::pin(unversioned(on)),
    },
    Check {
        name: "restore-takes-the-tags-of-the-request",
        expected: Expected::Holds("a restored cluster has the tags that were given, not the snapshot's"),
        source: "botocore rds 2014-10-31, RestoreDBClusterFromSnapshot.Tags",
        local: local!("src/rds/create_cluster.rs", "(tags::read(input)?, Scaling::read(input, None)?)"),
        ask: |on| {
            Box::pin(async move {
                let found = on.copy().await?;
                let tags: Vec<_> = found.tags.iter().filter(|(key, _)| !key.starts_with("aws:")).collect();
                let given = [(crate::subject::TAG, on.named.cluster.as_str())];
                Ok(Answer::of(tags == given, format!("its tags are {tags:?}")))
            })
        },
    },
    Check {
        name: "restore-takes-the-default-group-and-no-secret",
        expected: Expected::Holds("its parameter group is the default one, and its password is not managed"),
        source: "botocore rds 2014-10-31, RestoreDBClusterFromSnapshot; aws/aws-cdk#21730",
        local: local!("src/rds/restore.rs", "with the default groups unless others are given"),
        ask: |on| {
            Box::pin(async move {
                let found = on.copy().await?;
                let group = found.shown.db_cluster_parameter_group().unwrap_or("none").to_owned();
                let managed = found.shown.master_user_secret().is_some();
                let default = format!("default.{ENGINE}{}", found.version.major());
                let seen = format!("group {group}, managed password {managed}");
                Ok(Answer::of(group == default && !managed, seen))
            })
        },
    },
    Check {
        name: "restore-under-extended-support",
        expected: Expected::Holds("a restored cluster is enrolled in Extended Support unless it says no"),
        source: "botocore rds 2014-10-31, RestoreDBClusterFromSnapshot.EngineLifecycleSupport",
        local: local!("src/rds/settings.rs", "A new cluster is enrolled in Extended Support"),
        ask: |on| {
            Box::pin(async move {
                let found = on.copy().await?;
                let support = found.shown.engine_lifecycle_support().unwrap_or("nothing").to_owned();
                Ok(Answer::of(support == "open-source-rds-extended-support", format!("it says {support}")))
            })
        },
    },
    Check {
        name: "windows-in-lower-case",
        expected: Expected::Holds("a maintenance window comes back in lower case"),
        source: "hashicorp/terraform-provider-aws lowers it before it compares",
        local: local!("src/rds/windows.rs", "let (backup, maintenance) = (backup.to_lowercase()"),
        ask: |on| {
            Box::pin(async move {
                let copy = on.copy().await?;
                let modify = on.rds().modify_db_cluster().db_cluster_identifier(&copy.id);
                let modify = modify.preferred_backup_window("01:00-01:30");
                let modify = modify.preferred_maintenance_window("Mon:05:00-Mon:06:00");
                modify.apply_immediately(true).send().await.context("modify the copy")?;
                on.available(&copy.resource_id).await?;
                let copy = on.copy().await?;
                let window = copy.shown.preferred_maintenance_window().unwrap_or("none").to_owned();
                Ok(Answer::of(window == "mon:05:00-mon:06:00", format!("it is {window}")))
            })
        },
    },
    Check {
        name: "serverless-instance-without-a-configuration",
        expected: Expected::Refused {
            code: "InvalidDBClusterStateFault",
            words: "Set the Serverless v2 scaling configuration on the parent DB cluster",
        },
        source: "cloudposse/terraform-aws-rds-cluster#181; \
        terraform-aws-modules/terraform-aws-rds-aurora#537",
        local: local!(
            "src/rds/scaling.rs",
            "Serverless v2 scaling configuration on the parent DB cluster before"
        ),
        ask: |on| Box::pin(instance(on, "db.serverless")),
    },
    Check {
        name: "class-that-runs-no-aurora",
        expected: Expected::Refused {
            code: COMBINATION,
            words: "RDS does not support creating a DB instance with the following combination",
        },
        source: "AWS's words, quoted in hashicorp/terraform-provider-aws",
        local: local!("src/rds/versions.rs", "creating a DB instance with the following combination"),
        ask: |on| Box::pin(instance(on, "db.t2.micro")),
    },
    Check {
        name: "clone-that-says-it-is-not-public",
        expected: Expected::Refused { code: COMBINATION, words: "PubliclyAccessible isn't supported" },
        source: "botocore rds 2014-10-31, RestoreDBClusterToPointInTime.PubliclyAccessible; \
        aws-samples/aws-refarch-moodle#65",
        local: local!("src/rds/create_cluster.rs", "PubliclyAccessible isn't supported for DB engine"),
        ask: |on| {
            Box::pin(async move {
                let cluster = on.cluster().await?;
                let clone = on.rds().restore_db_cluster_to_point_in_time().restore_type("copy-on-write");
                let clone = clone.db_cluster_identifier(on.name("public")).tags(on.tag());
                let clone =
                    clone.set_db_subnet_group_name(cluster.shown.db_subnet_group().map(str::to_owned));
                let clone = clone.set_vpc_security_group_ids(Some(security_groups(&cluster)));
                let clone = clone.source_db_cluster_identifier(&cluster.id).use_latest_restorable_time(true);
                Ok(Answer::to(clone.publicly_accessible(false).send().await))
            })
        },
    },
    Check {
        name: "version-of-an-instance-of-its-own",
        expected: Expected::Refused { code: COMBINATION, words: "does not match" },
        source: "botocore rds 2014-10-31, CreateDBInstance.EngineVersion: the cluster manages it",
        local: local!("src/rds/instances.rs", "requested for your DB instance ({version}) does not match"),
        ask: |on| {
            Box::pin(async move {
                let create = on.rds().create_db_instance().db_instance_identifier(on.name("other"));
                let create = create.db_cluster_identifier(on.copy().await?.id).engine(ENGINE);
                let create = create.engine_version("15.10").db_instance_class(CLASS).tags(on.tag());
                Ok(Answer::to(create.send().await))
            })
        },
    },
    Check {
        name: "upgrade-of-a-cluster-without-an-instance",
        expected: Expected::Refused { code: "InvalidDBClusterStateFault", words: "" },
        source: "assumed: no page says what RDS answers",
        local: local!("src/rds/upgrade_checks.rs", "has no DB instance; its engine version"),
        ask: |on| {
            Box::pin(async move {
                let copy = on.copy().await?;
                let Some(target) = super::upgrade::newest_target(on, &copy).await? else {
                    return Ok(Answer::Unknown("its version has no later major".to_owned()));
                };
                let modify = on.rds().modify_db_cluster().db_cluster_identifier(copy.id);
                let modify = modify.engine_version(target).allow_major_version_upgrade(true);
                Ok(Answer::to(modify.apply_immediately(true).send().await))
            })
        },
    },
    Check {
        name: "password-that-is-too-short",
        expected: Expected::Refused {
            code: VALUE,
            words: "The parameter MasterUserPassword is not a valid password",
        },
        source: "botocore rds 2014-10-31, ModifyDBCluster.MasterUserPassword: at least 8 characters",
        local: local!("src/rds/settings.rs", "The parameter MasterUserPassword is not a valid password"),
        ask: |on| {
            Box::pin(async move {
                let modify = on.rds().modify_db_cluster().db_cluster_identifier(on.copy().await?.id);
                Ok(Answer::to(modify.master_user_password("short").apply_immediately(true).send().await))
            })
        },
    },
    Check {
        name: "deletion-of-a-protected-cluster",
        expected: Expected::Refused {
            code: COMBINATION,
            words: "Cannot delete protected Cluster, please disable deletion protection and try again.",
        },
        source: "getmoto/moto; hashicorp/terraform-provider-aws looks for `disable deletion pro`",
        local: local!("src/rds/clusters.rs", "\"Cannot delete protected Cluster"),
        ask: |on| Box::pin(protected(on)),
    },
    Check {
        name: "rename-without-either-name",
        expected: Expected::Holds(
            "a rename with no instance ends, and at no look both names lead to the cluster",
        ),
        source: "boto/boto3#2613",
        local: local!("src/rds/modify_cluster.rs", "The old name answers `available` for a moment"),
        ask: |on| Box::pin(renamed(on)),
    },
];

async fn unversioned(on: &Subject) -> Result<Answer> {
    let cluster = on.cluster().await?;
    let versions = on.rds().describe_db_engine_versions().engine(ENGINE).default_only(true).send().await?;
    let default = versions.db_engine_versions().iter().find_map(|version| version.engine_version());
    let default = default.context("no default version is shown")?.to_owned();
    let own = cluster.version.to_string();
    if default == own {
        return Ok(Answer::Unknown(format!("the cluster's version {own} is the Region's default")));
    }
    let restore = on.rds().restore_db_cluster_from_snapshot().snapshot_identifier(on.snapshot().await?);
    let restore = restore.db_cluster_identifier(on.name("unversioned")).engine(ENGINE).tags(on.tag());
    let restore = restore.set_db_subnet_group_name(cluster.shown.db_subnet_group().map(str::to_owned));
    match restore.set_vpc_security_group_ids(Some(security_groups(&cluster))).send().await {
        Ok(restored) => {
            let found = restored.db_cluster.and_then(|found| found.engine_version).unwrap_or_default();
            let seen = format!("snapshot of {own}, default {default}: the cluster has {found}");
            Ok(Answer::of(found == default, seen))
        }
        refused @ Err(_) => Ok(match Answer::to(refused) {
            Answer::Refused { code, message } => {
                Answer::of(message.starts_with("Cannot upgrade"), format!("{code}: {message}"))
            }
            other => other,
        }),
    }
}

async fn instance(on: &Subject, class: &str) -> Result<Answer> {
    let create = on.rds().create_db_instance().db_instance_identifier(on.name("refused"));
    let create = create.db_cluster_identifier(on.copy().await?.id).engine(ENGINE);
    Ok(Answer::to(create.db_instance_class(class).tags(on.tag()).send().await))
}

async fn protected(on: &Subject) -> Result<Answer> {
    let copy = on.copy().await?;
    let protect = async |protection| {
        let modify = on.rds().modify_db_cluster().db_cluster_identifier(&copy.id);
        let sent = modify.deletion_protection(protection).apply_immediately(true).send().await;
        sent.context("change deletion protection")?;
        on.available(&copy.resource_id).await
    };
    protect(true).await?;
    let delete = on.rds().delete_db_cluster().db_cluster_identifier(&copy.id).skip_final_snapshot(true);
    let answer = Answer::to(delete.send().await);
    protect(false).await?;
    Ok(answer)
}

/// Looks every 2 s, by both names.
async fn renamed(on: &Subject) -> Result<Answer> {
    let copy = on.copy().await?;
    let name = on.name("renamed");
    let modify = on.rds().modify_db_cluster().db_cluster_identifier(&copy.id);
    let modify = modify.new_db_cluster_identifier(&name).apply_immediately(true);
    modify.send().await.context("rename the copy")?;
    let (mut neither, mut both, mut echoed) = (0, 0, 0);
    for _ in 0..1800 {
        let (old, new) =
            (aurora::find_cluster(&on.cx, &copy.id).await?, aurora::find_cluster(&on.cx, &name).await?);
        let is_old = old.as_ref().is_some_and(|found| found.id == copy.id);
        echoed += u32::from(old.as_ref().is_some_and(|found| found.id == name));
        neither += u32::from(old.is_none() && new.is_none());
        both += u32::from(is_old && new.is_some());
        if new.is_some_and(|found| found.status == aurora::Status::Available) && old.is_none() {
            on.available(&copy.resource_id).await?;
            let seen = format!(
                "neither name was found at {neither} looks 2 s apart; at {both} both had the cluster; at \
                {echoed} the old name was answered with the new one"
            );
            return Ok(Answer::of(both == 0, seen));
        }
        on.sleep(2).await;
    }
    Ok(Answer::NotSo("the rename did not end in an hour".to_owned()))
}
