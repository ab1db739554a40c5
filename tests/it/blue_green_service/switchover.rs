//! What becomes of a deployment: switched over, taken back, deleted, spoilt by people.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_custom_endpoint_has_a_twin_that_takes_its_name() {
    let world = World::new().await;
    let make = world.rds.create_db_cluster_endpoint().db_cluster_identifier(BLUE).endpoint_type("READER");
    make.db_cluster_endpoint_identifier("reports").static_members(READER).send().await.unwrap();
    let id = world.created("shop-to-18").await;
    let deployment = world.look(&id).await.unwrap();
    assert_eq!(tasks(&deployment).last(), Some(&("CREATE_CUSTOM_ENDPOINTS", "COMPLETED")));
    let all = members(&deployment);
    let (source, twin, status) = all.last().unwrap();
    let suffix = twin.strip_prefix("reports-green-").unwrap();
    assert_eq!((source.as_str(), suffix.len(), status.as_str()), ("reports", 6, "AVAILABLE"));
    assert!(!all[0].1.ends_with(suffix), "it has letters of its own");
    let green = name(deployment.target());
    world.switch(&id).await;
    let completed = world.until(&id, "SWITCHOVER_COMPLETED").await;
    let moved = ("reports-old1".to_owned(), "reports".to_owned(), "SWITCHOVER_COMPLETED".to_owned());
    assert_eq!(members(&completed).last(), Some(&moved));
    assert!(world.shown(&green).await.is_none());
    for (cluster, endpoint) in [(BLUE, "reports"), ("shop-old1", "reports-old1")] {
        let shown = world.shown(cluster).await.unwrap();
        let [address] = shown.custom_endpoints() else { panic!("{:?}", shown.custom_endpoints()) };
        assert!(address.starts_with(&format!("{endpoint}.cluster-custom-")), "{address}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_switchover_moves_names_tags_and_endpoints_and_leaves_the_ids_where_they_are() {
    let world = World::new().await;
    let answer = world.create("shop-to-18").send().await.unwrap().blue_green_deployment.unwrap();
    let id = answer.blue_green_deployment_identifier().unwrap().to_owned();
    let available = world.until(&id, "AVAILABLE").await;
    // AVAILABLE of the deployment is not that of every instance.
    let early = world.rds.switchover_blue_green_deployment().blue_green_deployment_identifier(&id);
    let early = early.send().await.unwrap_err();
    assert_eq!(early.code(), Some("InvalidBlueGreenDeploymentStateFault"));
    assert!(early.message().unwrap().contains("is not in available state"), "{early:?}");
    world.pass(90).await;

    let (blue, green) = (world.shown(BLUE).await.unwrap(), name(available.target()));
    let green = world.shown(&green).await.unwrap();
    let add = world.rds.add_tags_to_resource().resource_name(green.db_cluster_arn().unwrap());
    add.tags(tag("of", "green")).send().await.unwrap();
    world.switch(&id).await;
    assert_eq!(world.status(&id).await, "AVAILABLE", "for a while");
    let modify = world.rds.modify_db_cluster().db_cluster_identifier(BLUE).deletion_protection(true);
    assert_eq!(code(modify.send().await), "InvalidDBClusterStateFault");
    let reboot = world.rds.reboot_db_instance().db_instance_identifier(READER).send().await;
    assert_eq!(code(reboot), "InvalidDBInstanceState");

    let in_progress = world.until(&id, "SWITCHOVER_IN_PROGRESS").await;
    assert!(members(&in_progress).iter().all(|(.., status)| status == "AVAILABLE"), "the members follow");
    let mut gone = 0;
    while world.status(&id).await == "SWITCHOVER_IN_PROGRESS" {
        gone += usize::from(world.shown(BLUE).await.is_none());
        world.pass(5).await;
    }
    assert!(gone > 3, "neither name is found for a moment, here for {gone} looks");

    let completed = world.look(&id).await.unwrap();
    assert_eq!(completed.status(), Some("SWITCHOVER_COMPLETED"));
    let expected = [BLUE, WRITER, READER]
        .map(|name| (format!("{name}-old1"), name.to_owned(), "SWITCHOVER_COMPLETED".to_owned()));
    assert_eq!(members(&completed), expected);
    assert_eq!((name(completed.source()), name(completed.target())), ("shop-old1".into(), BLUE.into()));
    let (new, old) = (world.shown(BLUE).await.unwrap(), world.shown("shop-old1").await.unwrap());
    assert_eq!(new.db_cluster_resource_id(), green.db_cluster_resource_id());
    assert_eq!(old.db_cluster_resource_id(), blue.db_cluster_resource_id());
    assert_eq!((new.endpoint(), new.engine_version()), (blue.endpoint(), Some(TO_18)));
    assert_eq!((new.replication_source_identifier(), old.read_replica_identifiers().len()), (None, 0));
    assert_eq!(
        (tags(new.tag_list()), tags(old.tag_list())),
        (vec![("team", "shop")], vec![("team", "shop")])
    );
    let endpoint = blue.endpoint().unwrap();
    let green_id = green.db_cluster_resource_id().map(str::to_owned);
    assert_eq!(world.sandbox.rds.resolve(endpoint), green_id, "the name leads to the new cluster");

    // What knows -old1 cannot write until the deployment has gone.
    assert_eq!(world.read_only(), BTreeSet::from(["shop-old1".to_owned()]));
    let delete = || world.rds.delete_blue_green_deployment().blue_green_deployment_identifier(&id);
    assert_eq!(code(delete().delete_target(true).send().await), "InvalidBlueGreenDeploymentStateFault");
    delete().send().await.unwrap();
    assert_eq!(world.status(&id).await, "DELETING");
    world.pass(120).await;
    assert!(world.look(&id).await.is_none() && world.read_only().is_empty());
    assert_eq!(world.names().await.len(), 6, "both clusters stay");

    let events = world.events(&id).await;
    let green = green.db_cluster_identifier().unwrap();
    for text in [
        format!("Switchover from shop to {green} started."),
        format!("Switchover from DB cluster shop to {green} started."),
        format!(
            "Switchover from DB cluster shop to {green} completed. Renamed shop to shop-old1 and {green} to \
             shop."
        ),
        "Switchover completed on blue/green deployment.".to_owned(),
        "Blue/green deployment deleted.".to_owned(),
    ] {
        assert!(events.contains(&text), "{text}: {events:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_switchover_that_is_refused_or_takes_too_long_changes_nothing_and_may_be_tried_again() {
    let world = World::new().await;
    let id = world.created("shop-to-18").await;
    let before = world.names().await;
    let bad = world.rds.switchover_blue_green_deployment().blue_green_deployment_identifier(&id);
    assert_eq!(code(bad.switchover_timeout(29).send().await), "InvalidParameterValue");
    let why = "replication between the blue and green environments is degraded";
    let tried = async |status: &str, says: &str| {
        let tries = world.events(&id).await.len();
        world.switch(&id).await;
        world.until(&id, "SWITCHOVER_IN_PROGRESS").await;
        let after = world.until(&id, status).await;
        assert!(members(&after).iter().all(|(.., shown)| shown == status), "{after:?}");
        let events = world.events(&id).await.split_off(tries);
        assert!(events.iter().any(|event| event.contains(says)), "{events:?}");
        assert!(events.contains(&"Switchover canceled on blue/green deployment.".to_owned()));
        assert_eq!(world.names().await, before);
        assert_eq!(world.read_only().len(), 1, "blue takes writes");
    };
    for failed in [false, true] {
        world.behave(|behaviour| {
            behaviour.refuse_next_switchover = Some(why.to_owned());
            behaviour.refused_is_failed = failed;
        });
        tried(if failed { "SWITCHOVER_FAILED" } else { "AVAILABLE" }, why).await;
    }
    world.behave(|behaviour| {
        behaviour.refused_is_failed = false;
        behaviour.catch_up = Duration::from_secs(301);
    });
    tried("AVAILABLE", "the switchover timeout was exceeded").await;
    world.behave(|behaviour| behaviour.catch_up = Duration::from_secs(3));
    world.switch(&id).await;
    world.until(&id, "SWITCHOVER_COMPLETED").await;
    assert!(world.names().await.contains("shop-old1"));
}

#[tokio::test(start_paused = true)]
async fn before_the_switchover_green_goes_with_its_deployment_or_stands_on_its_own() {
    let world = World::new().await;
    let id = world.created("shop-to-18").await;
    let green = name(world.look(&id).await.unwrap().target());
    let protect = async |on: bool| {
        let modify = world.rds.modify_db_cluster().db_cluster_identifier(&green).deletion_protection(on);
        modify.send().await.unwrap();
    };
    protect(true).await;
    let delete = |id: &str| world.rds.delete_blue_green_deployment().blue_green_deployment_identifier(id);
    assert_eq!(code(delete(&id).delete_target(true).send().await), "InvalidParameterCombination");
    protect(false).await;
    delete(&id).delete_target(true).send().await.unwrap();
    assert_eq!(code(delete(&id).send().await), "InvalidBlueGreenDeploymentStateFault", "it is being deleted");
    world.pass(400).await;
    assert!(world.look(&id).await.is_none());
    assert_eq!(code(delete(&id).send().await), "BlueGreenDeploymentNotFoundFault");
    assert_eq!(world.names().await.len(), 3);

    let id = world.created("shop-to-18").await;
    let green = name(world.look(&id).await.unwrap().target());
    delete(&id).send().await.unwrap();
    world.pass(120).await;
    let promoted = world.shown(&green).await.unwrap();
    assert_eq!(promoted.replication_source_identifier(), None);
    assert!(world.read_only().is_empty() && world.names().await.len() == 6);
}

#[tokio::test(start_paused = true)]
async fn what_people_do_to_green_meanwhile_shows_and_is_not_repaired() {
    let world = World::new().await;
    // Of an earlier time.
    world.cluster("shop-old1", "16.14", "shop-16").await;
    let id = world.created("shop-to-18").await;
    let twins = members(&world.look(&id).await.unwrap());
    let (green, writer, reader) = (&twins[0].1, &twins[1].1, &twins[2].1);
    let delete = |instance: &str| world.rds.delete_db_instance().db_instance_identifier(instance).send();
    delete(reader).await.unwrap();
    world.pass(90).await;
    let missing = world.look(&id).await.unwrap();
    assert_eq!(members(&missing)[2], (READER.to_owned(), reader.clone(), "MISSING_TARGET".to_owned()));
    let last = delete(writer).await.unwrap_err();
    assert_eq!(last.code(), Some("InvalidDBClusterStateFault"));
    assert!(last.message().unwrap().contains("last instance of the read replica"), "{last:?}");

    world.switch(&id).await;
    world.until(&id, "SWITCHOVER_COMPLETED").await;
    let names = world.names().await;
    let expected = [BLUE, WRITER, READER, "shop-old1", "shop-old2", "shop-1-old1"];
    assert_eq!(names, expected.map(str::to_owned).into(), "blue's reader has no twin and keeps its name");
    assert_ne!(green, BLUE);

    let another = World::new().await;
    let id = another.created("shop-to-18").await;
    let green = name(another.look(&id).await.unwrap().target());
    let promote = || another.rds.promote_read_replica_db_cluster().db_cluster_identifier(&green).send();
    promote().await.unwrap();
    assert_eq!(another.status(&id).await, "INVALID_CONFIGURATION");
    assert_eq!(code(promote().await), "InvalidDBClusterStateFault", "it is no replica any more");
    let switch = another.rds.switchover_blue_green_deployment().blue_green_deployment_identifier(&id);
    assert_eq!(code(switch.send().await), "InvalidBlueGreenDeploymentStateFault");
}
