//! Requests that are refused before anything is made, by code and words: what a client decides by.
//! Should AWS accept one, what it made has the names and the tag that the cleaning goes by.

use anyhow::Result;
use aws_sdk_rds::{
    operation::create_db_cluster::builders::CreateDBClusterFluentBuilder,
    types::{Filter, ServerlessV2ScalingConfiguration},
};
use runbook::postgres::random_password;

use crate::{
    check::{Answer, Check, Expected},
    local,
    subject::{ENGINE, Subject},
};

const VALUE: &str = "InvalidParameterValue";
const COMBINATION: &str = "InvalidParameterCombination";

pub const CHECKS: &[Check] = &[
    Check {
        name: "master-name-that-is-reserved",
        expected: Expected::Refused {
            code: VALUE,
            words: "MasterUsername admin cannot be used as it is a reserved word used by the engine",
        },
        source: "aws/aws-cdk#10579; aws-cloudformation/cfn-lint#4425",
        local: local!("src/rds/names.rs", "{name} cannot be used as it is a reserved word"),
        ask: |on| Box::pin(async move { create(on, |create| create.master_username("admin")).await }),
    },
    Check {
        name: "master-name-with-a-hyphen",
        expected: Expected::Refused { code: VALUE, words: "MasterUsername must begin with a letter" },
        source: "floci-io/floci#3729",
        local: local!("src/rds/names.rs", "\"MasterUsername must begin with a letter"),
        ask: |on| Box::pin(async move { create(on, |create| create.master_username("a-b")).await }),
    },
    Check {
        name: "database-name-with-a-hyphen",
        expected: Expected::Refused { code: VALUE, words: "DatabaseName must begin with a letter" },
        source: "botocore rds 2014-10-31, CreateDBInstance.DBName of Aurora PostgreSQL",
        local: local!("src/rds/names.rs", "\"DatabaseName must begin with a letter"),
        ask: |on| Box::pin(async move { create(on, |create| create.database_name("a-b")).await }),
    },
    Check {
        name: "port-below-1150",
        expected: Expected::Refused { code: VALUE, words: "port" },
        source: "botocore rds 2014-10-31, CreateDBCluster.Port: 1150 to 65535",
        local: local!("src/rds/network.rs", "Must be between 1150 and 65535"),
        ask: |on| Box::pin(async move { create(on, |create| create.port(1000)).await }),
    },
    Check {
        name: "windows-that-overlap",
        expected: Expected::Refused {
            code: VALUE,
            words: "The backup window and maintenance window must not overlap.",
        },
        source: "getmoto/moto; hashicorp/terraform-provider-aws#49828",
        local: local!("src/rds/windows.rs", "Err(Fault::value(\"The backup window and maintenance window"),
        ask: |on| {
            Box::pin(async move {
                let both = |create: CreateDBClusterFluentBuilder| {
                    let create = create.preferred_backup_window("04:00-05:00");
                    create.preferred_maintenance_window("wed:04:30-wed:05:30")
                };
                create(on, both).await
            })
        },
    },
    Check {
        name: "backup-window-without-its-digits",
        expected: Expected::Refused { code: VALUE, words: "Invalid backup window format" },
        source: "by analogy with the maintenance window of getmoto/moto",
        local: local!("src/rds/windows.rs", "Invalid backup window format"),
        ask: |on| {
            Box::pin(async move { create(on, |create| create.preferred_backup_window("3:00-4:00")).await })
        },
    },
    Check {
        name: "backtrack-of-postgresql",
        expected: Expected::Refused { code: COMBINATION, words: "" },
        source: "botocore rds 2014-10-31, CreateDBCluster.BacktrackWindow: Aurora MySQL only",
        local: local!("src/rds/settings.rs", "Backtrack is not supported for the engine"),
        ask: |on| Box::pin(async move { create(on, |create| create.backtrack_window(3600)).await }),
    },
    Check {
        name: "version-that-there-is-not",
        expected: Expected::Refused { code: COMBINATION, words: "Cannot find version 16.99 for" },
        source: "AWS's words, quoted in hashicorp/terraform-provider-aws",
        local: local!("src/rds/versions.rs", "Cannot find version {version} for {ENGINE}"),
        ask: |on| Box::pin(async move { create(on, |create| create.engine_version("16.99")).await }),
    },
    Check {
        name: "group-of-another-family",
        expected: Expected::Refused { code: COMBINATION, words: "" },
        source: "cloudposse/terraform-aws-rds-cluster#227: a group of 16 sent to a cluster of 12",
        local: local!("src/rds/parameter_groups.rs", "pub fn fitting_group"),
        ask: |on| {
            Box::pin(async move {
                let old = "default.aurora-postgresql13";
                create(on, |create| create.db_cluster_parameter_group_name(old)).await
            })
        },
    },
    Check {
        name: "half-of-a-serverless-configuration",
        expected: Expected::Refused {
            code: VALUE,
            words: "Both MinCapacity and MaxCapacity must be specified",
        },
        source: "crossplane-contrib/provider-upjet-aws#1165",
        local: local!("src/rds/scaling.rs", "\"Both MinCapacity and MaxCapacity must be specified when"),
        ask: |on| {
            Box::pin(async move {
                let half = ServerlessV2ScalingConfiguration::builder().max_capacity(4.0).build();
                create(on, |create| create.serverless_v2_scaling_configuration(half)).await
            })
        },
    },
    Check {
        name: "blank-where-a-value-is-needed",
        expected: Expected::Refused {
            code: VALUE,
            words: "DBClusterIdentifier must be provided and must not be blank",
        },
        source: "AWS's words, quoted in hashicorp/terraform-provider-aws",
        local: local!("src/rds/query.rs", "{name} must be provided and must not be blank."),
        ask: |on| {
            Box::pin(async move {
                Ok(Answer::to(on.rds().stop_db_cluster().db_cluster_identifier("").send().await))
            })
        },
    },
    Check {
        name: "blank-value-of-a-filter",
        expected: Expected::Refused { code: VALUE, words: "" },
        source: "a public emulator's tests against AWS (getmoto/moto)",
        local: local!("src/rds/paging.rs", "must have a value that is not blank"),
        ask: |on| {
            Box::pin(async move {
                let filter = Filter::builder().name("db-cluster-id").values("").build();
                Ok(Answer::to(on.rds().describe_db_clusters().filters(filter).send().await))
            })
        },
    },
    Check {
        name: "instance-group-without-an-upgrade",
        expected: Expected::Refused {
            code: COMBINATION,
            words: "The parameter db-instance-parameter-group-name can only be specified for a major version \
                    upgrade",
        },
        source: "hashicorp/terraform-provider-aws#30605: the provider looks for these words",
        local: local!("src/rds/upgrade_checks.rs", "fn instance_group_alone"),
        ask: |on| Box::pin(instance_group_alone(on)),
    },
    Check {
        name: "password-of-a-member",
        expected: Expected::Refused { code: COMBINATION, words: "member of a DB Cluster" },
        source: "by analogy with CreateDBInstance (hashicorp/terraform-provider-aws)",
        local: local!("src/rds/modify_instance.rs", "is a member of a DB Cluster. Modify {parameter} using"),
        ask: |on| {
            Box::pin(async move {
                let writer = on.writer().await?;
                let modify = on.rds().modify_db_instance();
                let modify = modify.set_db_instance_identifier(writer.db_instance_identifier);
                Ok(Answer::to(modify.rotate_master_user_password(true).apply_immediately(true).send().await))
            })
        },
    },
    Check {
        name: "name-that-is-taken",
        expected: Expected::Refused { code: "DBClusterAlreadyExistsFault", words: "" },
        source: "botocore rds 2014-10-31, CreateDBCluster",
        local: local!("src/rds/create_cluster.rs", "\"DBClusterAlreadyExistsFault\", \"DB Cluster already"),
        ask: |on| {
            Box::pin(
                async move { create(on, |create| create.db_cluster_identifier(&on.named.cluster)).await },
            )
        },
    },
    Check {
        name: "deletion-that-does-not-say-what-stays",
        expected: Expected::Refused { code: COMBINATION, words: "FinalDBSnapshotIdentifier" },
        source: "botocore rds 2014-10-31, DeleteDBCluster.SkipFinalSnapshot",
        local: local!("src/rds/clusters.rs", "is required unless SkipFinalSnapshot is specified"),
        ask: |on| {
            Box::pin(async move {
                // Of a cluster with an instance: should this be accepted, the instance still holds
                // it.
                let delete = on.rds().delete_db_cluster().db_cluster_identifier(&on.named.cluster);
                Ok(Answer::to(delete.send().await))
            })
        },
    },
];

/// A request that would be good but for what is changed.
async fn create(
    on: &Subject,
    change: impl FnOnce(CreateDBClusterFluentBuilder) -> CreateDBClusterFluentBuilder,
) -> Result<Answer> {
    let cluster = on.cluster().await?;
    let good = on.rds().create_db_cluster().db_cluster_identifier(on.name("refused")).engine(ENGINE);
    let good = good.engine_version(cluster.version.to_string()).master_username("acceptance");
    let good = good.master_user_password(random_password()).tags(on.tag());
    let good = good.set_db_subnet_group_name(cluster.shown.db_subnet_group().map(str::to_owned));
    Ok(Answer::to(change(good).send().await))
}

async fn instance_group_alone(on: &Subject) -> Result<Answer> {
    let group = format!("default.aurora-postgresql{}", on.cluster().await?.version.major());
    let modify = on.rds().modify_db_cluster().db_cluster_identifier(&on.named.cluster);
    Ok(Answer::to(modify.db_instance_parameter_group_name(group).apply_immediately(true).send().await))
}
