//! Green comes to be, or not.

use super::*;

#[tokio::test(start_paused = true)]
async fn green_is_made_task_by_task_as_a_copy_of_the_new_version_with_names_of_its_own() {
    let world = World::new().await;
    let role = format!("arn:aws:iam::{ACCOUNT}:role/shop-s3");
    let add = world.rds.add_role_to_db_cluster().db_cluster_identifier(BLUE).role_arn(&role);
    add.feature_name("s3Import").send().await.unwrap();
    assert_eq!(world.shown(BLUE).await.unwrap().associated_roles().len(), 1);

    let answer = world.create("shop-to-18").send().await.unwrap().blue_green_deployment.unwrap();
    let id = answer.blue_green_deployment_identifier().unwrap().to_owned();
    assert!(id.starts_with("bgd-") && id.len() == 20, "{id}");
    assert_eq!((answer.status(), answer.target()), (Some("PROVISIONING"), None));
    let sources = [BLUE, WRITER, READER].map(|name| (name.to_owned(), String::new(), "PROVISIONING".into()));
    assert_eq!(members(&answer), sources);
    let pending =
        ["CREATING_READ_REPLICA_OF_SOURCE", "DB_ENGINE_VERSION_UPGRADE", "CREATE_DB_INSTANCES_FOR_CLUSTER"]
            .map(|task| (task, "PENDING"));
    assert_eq!(tasks(&answer), pending);

    let (mut seen, mut targets) = (Vec::new(), Vec::new());
    while world.status(&id).await == "PROVISIONING" {
        let deployment = world.look(&id).await.unwrap();
        let done = tasks(&deployment).iter().map(|(_, status)| *status).collect::<Vec<_>>().join(" ");
        let made = members(&deployment).iter().filter(|(_, target, _)| !target.is_empty()).count();
        if seen.last() != Some(&done) {
            seen.push(done);
        }
        if targets.last() != Some(&made) {
            targets.push(made);
        }
        world.pass(5).await;
    }
    assert_eq!(
        seen,
        [
            "PENDING PENDING PENDING",
            "IN_PROGRESS PENDING PENDING",
            "COMPLETED IN_PROGRESS PENDING",
            "COMPLETED COMPLETED IN_PROGRESS"
        ]
    );
    assert_eq!(targets, [0, 2, 3], "the cluster and its writer, then the reader");

    let deployment = world.look(&id).await.unwrap();
    assert_eq!(deployment.status(), Some("AVAILABLE"));
    let members = members(&deployment);
    let mut letters = BTreeSet::new();
    for (source, target, status) in &members {
        let suffix = target.strip_prefix(&format!("{source}-green-")).unwrap();
        assert!(suffix.len() == 6 && status == "AVAILABLE", "{target} {status}");
        letters.insert(suffix);
    }
    assert_eq!(letters.len(), 3, "{letters:?}");

    let green = world.shown(&members[0].1).await.unwrap();
    let blue = world.shown(BLUE).await.unwrap();
    assert_eq!((green.engine_version(), blue.engine_version()), (Some(TO_18), Some("16.14")));
    assert_eq!(green.db_cluster_parameter_group(), Some(GROUP_18));
    assert_eq!(green.replication_source_identifier(), blue.db_cluster_arn());
    assert_eq!(blue.read_replica_identifiers(), [green.db_cluster_arn().unwrap()]);
    assert_eq!(tags(green.tag_list()), [("team", "shop")]);
    assert!(green.associated_roles().is_empty(), "roles are not copied");
    let of_green = world.rds.describe_db_instances().send().await.unwrap();
    for instance in of_green.db_instances() {
        if instance.db_cluster_identifier() == green.db_cluster_identifier() {
            let group = &instance.db_parameter_groups()[0];
            assert_eq!(group.db_parameter_group_name(), Some(GROUP_18));
            assert_eq!(group.parameter_apply_status(), Some("in-sync"));
            assert_eq!(instance.engine_version(), Some(TO_18));
        }
    }
    assert_eq!(world.read_only(), BTreeSet::from([members[0].1.clone()]));
    assert!(world.events(&id).await[0].starts_with("Blue/green deployment tasks completed."));
    let by = |filter: &str, value: &str| {
        let filter = aws_sdk_rds::types::Filter::builder().name(filter).values(value).build();
        world.rds.describe_blue_green_deployments().filters(filter).send()
    };
    for (filter, value) in [
        ("source", blue.db_cluster_arn().unwrap()),
        ("target", green.db_cluster_arn().unwrap()),
        ("blue-green-deployment-name", "shop-to-18"),
    ] {
        assert_eq!(by(filter, value).await.unwrap().blue_green_deployments().len(), 1, "{filter}");
    }
    assert!(by("source", &arn("rds", "cluster:other")).await.unwrap().blue_green_deployments().is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_a_source_is_refused_before_anything_is_made() {
    let world = World::new().await;
    let unsupported = "SourceClusterNotSupportedFault";
    for bad in ["1shop", "shop--to-18", "shop-", &"a".repeat(61)] {
        assert_eq!(code(world.create(bad).send().await), "InvalidParameterValue", "{bad}");
    }
    let class = world.create("a").target_db_instance_class("db.r6g.large").send().await;
    assert_eq!(code(class), "InvalidParameterCombination");
    let source = |source: &str| world.create("a").source(arn("rds", source)).send();
    assert_eq!(code(source("cluster:nobody").await), "DBClusterNotFoundFault");
    assert_eq!(code(source(&format!("db:{WRITER}")).await), "SourceDatabaseNotSupportedFault");
    let version = world.create("a").target_engine_version("15.3").send().await;
    assert_eq!(code(version), "InvalidParameterCombination");
    let group = world.create("a").target_db_cluster_parameter_group_name("nobody").send().await;
    assert_eq!(code(group), "DBClusterParameterGroupNotFound");
    let family = world.create("a").target_db_cluster_parameter_group_name("shop-16").send().await;
    assert_eq!(code(family), "InvalidParameterCombination");
    let without = world.rds.create_blue_green_deployment().blue_green_deployment_name("a");
    let without = without.source(arn("rds", &format!("cluster:{BLUE}"))).target_engine_version(TO_18);
    assert_eq!(code(without.send().await), "InvalidParameterCombination", "its group is of the old family");

    // The group has it, and the writer has not been restarted with it.
    world.cluster_group("plain", "aurora-postgresql16", &[("max_wal_senders", "25")]).await;
    world.cluster("plain", "16.14", "plain").await;
    assert_eq!(code(source("cluster:plain").await), "InvalidDBClusterStateFault", "no instance");
    world.instance("plain", "plain-1").await;
    let off = source("cluster:plain").await.unwrap_err();
    assert_eq!(off.code(), Some(unsupported));
    assert!(off.message().unwrap().starts_with("Blue/Green Deployments require a DB cluster with logical"));
    world.set("plain", &[("rds.logical_replication", "1")]).await;
    assert_eq!(code(source("cluster:plain").await), unsupported, "before the reboot");
    world.rds.reboot_db_instance().db_instance_identifier("plain-1").send().await.unwrap();
    world.pass(60).await;
    world.set("plain", &[("max_wal_senders", "30")]).await;
    let waiting = source("cluster:plain").await.unwrap_err();
    assert!(waiting.message().unwrap().contains("isn't in sync"), "{waiting:?}");

    let managed = world.rds.modify_db_cluster().db_cluster_identifier(BLUE).manage_master_user_password(true);
    managed.send().await.unwrap();
    world.pass(90).await;
    assert_eq!(code(world.create("a").send().await), unsupported, "a managed password");
    let own = world.rds.modify_db_cluster().db_cluster_identifier(BLUE).manage_master_user_password(false);
    own.master_user_password("long-enough").send().await.unwrap();
    world.pass(90).await;

    let id = world.created("a").await;
    assert_eq!(code(world.create("a").send().await), "BlueGreenDeploymentAlreadyExistsFault");
    assert_eq!(code(world.create("b").send().await), unsupported, "it has a deployment");
    let green = world.look(&id).await.unwrap();
    assert_eq!(code(world.create("b").source(green.target().unwrap()).send().await), unsupported);

    let quotas = world.rds.describe_account_attributes().send().await.unwrap();
    let quotas = quotas.account_quotas().iter();
    let quotas = quotas.map(|one| (one.account_quota_name().unwrap_or_default(), one.used(), one.max()));
    let expected = [
        ("DBInstances", Some(5), Some(40)),
        ("DBClusters", Some(3), Some(40)),
        ("DBParameterGroups", Some(1), Some(50)),
        ("DBClusterParameterGroups", Some(3), Some(50)),
    ];
    assert_eq!(quotas.collect::<Vec<_>>(), expected);
}

#[tokio::test(start_paused = true)]
async fn a_deployment_needs_room_for_a_cluster_and_each_of_its_instances() {
    let world = World::new().await;
    for number in 0..19 {
        world.instance(BLUE, &format!("more-{number}")).await;
    }
    // 21 of 40.
    assert_eq!(code(world.create("a").send().await), "InstanceQuotaExceeded");
    for number in 0..39 {
        let create = world.rds.create_db_cluster().db_cluster_identifier(format!("c-{number}"));
        let create = create.engine("aurora-postgresql").engine_version("16.14").master_username("root");
        create.master_user_password("long-enough").send().await.unwrap();
    }
    assert_eq!(code(world.create("a").send().await), "DBClusterQuotaExceededFault");
}

#[tokio::test(start_paused = true)]
async fn a_creation_that_fails_says_why_and_is_deleted_and_made_again_under_its_name() {
    let world = World::new().await;
    let fails = async |says: &str, failed: usize, clusters: usize| {
        let answer = world.create("shop-to-18").send().await.unwrap().blue_green_deployment.unwrap();
        let id = answer.blue_green_deployment_identifier().unwrap();
        let deployment = world.until(id, "INVALID_CONFIGURATION").await;
        let details = deployment.status_details().unwrap_or_default();
        assert!(details.contains(says), "{details}");
        assert_eq!(tasks(&deployment)[failed].1, "FAILED");
        assert!(world.events(id).await.iter().any(|event| event.contains(says)));
        let switch = world.rds.switchover_blue_green_deployment().blue_green_deployment_identifier(id);
        assert_eq!(code(switch.send().await), "InvalidBlueGreenDeploymentStateFault");
        assert_eq!(world.rds.describe_db_clusters().send().await.unwrap().db_clusters().len(), clusters);
        let delete = world.rds.delete_blue_green_deployment().blue_green_deployment_identifier(id);
        delete.delete_target(true).send().await.unwrap();
        world.pass(400).await;
        assert_eq!(world.names().await, BTreeSet::from([BLUE, WRITER, READER].map(str::to_owned)));
    };
    world.set(GROUP_18, &[("max_replication_slots", "2"), ("max_logical_replication_workers", "1")]).await;
    fails("incompatible parameter(s): [max_replication_slots, max_logical_replication_workers]", 0, 1).await;
    world.set(GROUP_18, &[("max_replication_slots", "20"), ("max_logical_replication_workers", "10")]).await;
    let external = "of external replication on the blue primary instance";
    world.behave(|behaviour| {
        behaviour.fail_next_creation =
            Some(format!("Creation of blue/green deployment failed because {external}."));
    });
    fails(external, 0, 1).await;
    world.sandbox.rds.behave(|behaviour| {
        let reason = "pg_upgrade reported failure for check_for_reg_data_type_usage".to_owned();
        behaviour.fail_next_upgrade = Some(UpgradeFailure { reason, files: Vec::new() });
    });
    fails("check_for_reg_data_type_usage", 1, 2).await;
    world.created("shop-to-18").await;
}
