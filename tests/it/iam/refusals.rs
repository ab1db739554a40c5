//! What is tried and refused.

use super::*;

/// AWS's words: who may not do what on which resource, and why.
#[track_caller]
fn denied<T: Debug, E: ProvideErrorMetadata + Debug, R: Debug>(
    answer: Result<T, SdkError<E, R>>,
    principal: &str,
    action: &str,
    resource: &str,
) {
    let error = answer.expect_err(&format!("{principal} was allowed {action} on {resource}"));
    let code = error.code().unwrap_or_default();
    assert!(code == "AccessDenied" || code == "AccessDeniedException", "{principal} {action}: {error:?}");
    let message = error.message().unwrap_or_default();
    let said = format!(
        "User: arn:aws:sts::{ACCOUNT}:assumed-role/{PREFIX}-{principal}/{principal} is not authorized to \
         perform: {action} on resource: "
    );
    assert!(message.starts_with(&said), "{message}");
    assert!(message.contains(resource), "{message}");
}

/// Whether a service may act with a role, for one of its resources.
fn trusted(sandbox: &Sandbox, service: &str, role: &str, source: &str) -> bool {
    let keys = Values::default().with("aws:SourceAccount", ACCOUNT).with("aws:SourceArn", source);
    let resource = permissions::role_arn(role, ACCOUNT);
    let access = Access { action: "sts:AssumeRole".into(), resource, keys };
    sandbox.iam.decide(&Identity::Service(format!("{service}.amazonaws.com")), &access).is_ok()
}

fn tag(key: &str, value: &str) -> Tag {
    Tag::builder().key(key).value(value).build()
}

#[tokio::test(start_paused = true)]
async fn what_a_role_may_not_do_is_refused_in_awss_words() {
    let sandbox = world_of_sync(Options::model(1)).await;
    let owner = sandbox.rds_client();
    let stop = owner.create_db_cluster().db_cluster_identifier("invoices").engine("aurora-postgresql");
    let stop = stop.engine_version(production::VERSION).master_username("postgres");
    stop.manage_master_user_password(true).send().await.unwrap();
    let invoices = arn("rds", "cluster:invoices");

    // A cluster of the same account that no run of ours made.
    for principal in ["clean-up", "retire-old", "delete-quarantine"] {
        let delete = role(&sandbox, principal).rds.delete_db_cluster().db_cluster_identifier("invoices");
        let answer = delete.skip_final_snapshot(true).send().await;
        denied(answer, principal, "rds:DeleteDBCluster", &invoices);
    }
    let rename = role(&sandbox, "swap-target").rds.modify_db_cluster().db_cluster_identifier("invoices");
    let answer = rename.new_db_cluster_identifier("orders-dev").send().await;
    denied(answer, "swap-target", "rds:ModifyDBCluster", &invoices);
    let ours = tag("managed-by", "aurora-runbooks");
    for principal in
        ["swap-target", "attest-sanitized", "restore-quarantine", "restore-target", "snapshot-sanitized"]
    {
        // Whoever could tag it could then do anything with it.
        let rds = role(&sandbox, principal).rds;
        let answer = rds.add_tags_to_resource().resource_name(&invoices).tags(ours.clone()).send().await;
        denied(answer, principal, "rds:AddTagsToResource", &invoices);
    }

    // A snapshot without an attestation, and one of another account that is not our copy.
    let snapshot = owner.create_db_cluster_snapshot().db_cluster_identifier("orders-dev");
    snapshot.db_cluster_snapshot_identifier("by-hand").send().await.unwrap();
    let restore = |principal: &str, snapshot: String| {
        let rds = role(&sandbox, principal).rds;
        let name = if principal == "restore-target" { "orders-dev-0123abcd" } else { "quarantine-copy" };
        let restore = rds.restore_db_cluster_from_snapshot().db_cluster_identifier(name);
        let restore = restore.engine("aurora-postgresql").engine_version(production::VERSION);
        restore.snapshot_identifier(snapshot).tags(ours.clone()).send()
    };
    let by_hand = arn("rds", "cluster-snapshot:by-hand");
    let answer = restore("restore-target", "by-hand".into()).await;
    denied(answer, "restore-target", "rds:RestoreDBClusterFromSnapshot", &by_hand);
    let nightly = arn_in(PRODUCTION, "rds", "cluster-snapshot:nightly");
    let answer = restore("restore-quarantine", nightly.clone()).await;
    denied(answer, "restore-quarantine", "rds:RestoreDBClusterFromSnapshot", &nightly);
    let shared = arn_in(PRODUCTION, "rds", "cluster-snapshot:sync-orders-1");
    let answer = restore("restore-target", shared.clone()).await;
    denied(answer, "restore-target", "rds:RestoreDBClusterFromSnapshot", &shared);

    // What is made without our tag.
    let untagged = role(&sandbox, "restore-quarantine").rds.create_db_instance();
    let untagged = untagged.db_instance_identifier("quarantine-copy-1").db_cluster_identifier("orders-dev");
    let untagged = untagged.engine("aurora-postgresql").db_instance_class("db.r6g.large");
    let db = arn("rds", "db:quarantine-copy-1");
    denied(untagged.send().await, "restore-quarantine", "rds:CreateDBInstance", &db);

    // Another's work.
    let sfn = role(&sandbox, "resolve-upgrade").sfn;
    let machine = arn("states", "stateMachine:aurora-runbooks-daily-sync");
    let answer = sfn.start_execution().state_machine_arn(&machine).send().await;
    denied(answer, "resolve-upgrade", "states:StartExecution", &machine);
    let secrets = role(&sandbox, "swap-target").secrets;
    let answer = secrets.delete_secret().secret_id("orders-dev/app").send().await;
    denied(answer, "swap-target", "secretsmanager:DeleteSecret", "*");
    let upgrade = role(&sandbox, "prepare-parameter-groups").rds.modify_db_cluster();
    let answer = upgrade.db_cluster_identifier("invoices").engine_version("18.4").send().await;
    denied(answer, "prepare-parameter-groups", "rds:ModifyDBCluster", &invoices);
    let cleaning = role(&sandbox, "clean-up");
    let error = runbook::security_groups::security_group(&cleaning, "sg-quarantine").await.unwrap_err();
    assert_eq!(error.name(), "Refused", "{error}");
    assert!(
        error.to_string().contains("is not authorized to perform: ec2:DescribeSecurityGroups"),
        "{error}"
    );
}

/// Names and tags that would make a cluster another's: ours, attested, or a target's.
#[tokio::test(start_paused = true)]
async fn a_role_makes_tags_and_renames_only_by_the_names_and_keys_of_its_state() {
    let sandbox = world_of_sync(Options::model(1)).await;
    let owner = sandbox.rds_client();
    let short = "0123abcd";
    let quarantine = format!("quarantine-orders-{short}");
    for (name, tags) in [
        // A person's, under names of ours.
        ("orders-dev-old-by-hand".to_owned(), vec![]),
        (format!("orders-dev-old-{short}"), vec![]),
        (quarantine.clone(), vec![tag("managed-by", "aurora-runbooks"), tag("attested-run", "sunday")]),
    ] {
        let create = owner.create_db_cluster().db_cluster_identifier(name).engine("aurora-postgresql");
        let create = create.engine_version(production::VERSION).master_username("postgres");
        create.manage_master_user_password(true).set_tags(Some(tags)).send().await.unwrap();
    }
    sandbox.clock.sleep(Duration::from_secs(3600)).await;

    // An attestation is AttestSanitized's to give.
    let attested = [tag("managed-by", "aurora-runbooks"), tag("attested-run", "monday")];
    let copy = arn("rds", &format!("cluster:{quarantine}"));
    for principal in ["restore-quarantine", "restore-target", "swap-target", "clean-up"] {
        let add = role(&sandbox, principal).rds.add_tags_to_resource().resource_name(&copy);
        let answer = add.set_tags(Some(attested.to_vec())).send().await;
        denied(answer, principal, "rds:AddTagsToResource", &copy);
    }
    let allowed = role(&sandbox, "swap-target").rds.add_tags_to_resource().resource_name(&copy);
    allowed.tags(tag("role", "old")).send().await.expect("a mark of the swap");

    // A copy of production's under a name that is not a quarantine's.
    let restore = role(&sandbox, "restore-quarantine").rds.restore_db_cluster_from_snapshot();
    let restore = restore.db_cluster_identifier(format!("orders-dev-{short}")).engine("aurora-postgresql");
    let shared = arn_in(PRODUCTION, "rds", &format!("cluster-snapshot:sync-orders-{short}"));
    let answer = restore.snapshot_identifier(shared).tags(attested[0].clone()).send().await;
    let target = arn("rds", &format!("cluster:orders-dev-{short}"));
    denied(answer, "restore-quarantine", "rds:RestoreDBClusterFromSnapshot", &target);
    let snapshot = role(&sandbox, "snapshot-sanitized").rds.create_db_cluster_snapshot();
    let snapshot = snapshot.db_cluster_identifier(&quarantine).db_cluster_snapshot_identifier("mine");
    let answer = snapshot.set_tags(Some(attested.to_vec())).send().await;
    let mine = arn("rds", "cluster-snapshot:mine");
    denied(answer, "snapshot-sanitized", "rds:CreateDBClusterSnapshot", &mine);

    // Untagged clusters: neither under a name that looks like ours, nor for more than a rename.
    let rename = |principal: &str, from: &str, to: &str| {
        let modify = role(&sandbox, principal).rds.modify_db_cluster().db_cluster_identifier(from);
        modify.new_db_cluster_identifier(to).apply_immediately(true).send()
    };
    let by_hand = arn("rds", "cluster:orders-dev-old-by-hand");
    let answer = rename("swap-target", "orders-dev-old-by-hand", "orders-dev").await;
    denied(answer, "swap-target", "rds:ModifyDBCluster", &by_hand);
    let old = format!("orders-dev-old-{short}");
    let answer = rename("clean-up", &old, "orders-dev").await;
    denied(answer, "clean-up", "rds:ModifyDBCluster", &arn("rds", &format!("cluster:{old}")));
    let password = role(&sandbox, "swap-target").rds.modify_db_cluster().db_cluster_identifier(&old);
    let answer = password.manage_master_user_password(true).apply_immediately(true).send().await;
    denied(answer, "swap-target", "rds:ModifyDBCluster", &arn("rds", &format!("cluster:{old}")));
}

#[tokio::test(start_paused = true)]
async fn productions_account_is_reached_by_the_states_that_need_it_and_only_for_our_copy() {
    let sandbox = world_of_sync(Options::model(1)).await;
    let source = permissions::role_arn("source", PRODUCTION);
    let may: BTreeSet<String> = documents()
        .values()
        .filter(|document| granted(document).contains("sts:AssumeRole"))
        .map(|document| document.name.clone())
        .collect();
    for principal in states() {
        let there = role(&sandbox, &principal).assume(&source, environments::EXTERNAL_ID).await;
        let looked = there.rds.describe_db_cluster_snapshots().send().await;
        assert_eq!(looked.is_ok(), may.contains(&principal), "{principal}");
    }
    // Somebody else who is led to that role by its ARN alone.
    let there = role(&sandbox, "clean-up").assume(&source, "another-installation").await;
    let looked = there.rds.describe_db_cluster_snapshots().send().await;
    let refused = format!("{:?}", looked.unwrap_err());
    assert!(refused.contains("is not authorized to perform: sts:AssumeRole"), "{refused}");
    let there = role(&sandbox, "clean-up").assume(&source, environments::EXTERNAL_ID).await.rds;
    let said = |message: Option<&str>, action: &str| {
        let session = format!("arn:aws:sts::{PRODUCTION}:assumed-role/{PREFIX}-source/aurora-runbooks");
        let words = format!("User: {session} is not authorized to perform: {action} on resource: ");
        assert!(message.unwrap_or_default().starts_with(&words), "{message:?}");
    };
    let cluster = there.delete_db_cluster().db_cluster_identifier("orders").skip_final_snapshot(true);
    said(cluster.send().await.unwrap_err().message(), "rds:DeleteDBCluster");
    let modify = there.modify_db_cluster().db_cluster_identifier("orders").deletion_protection(false);
    said(modify.send().await.unwrap_err().message(), "rds:ModifyDBCluster");
    said(there.describe_db_clusters().send().await.unwrap_err().message(), "rds:DescribeDBClusters");
    // Production's own manual snapshot, even under a name like ours.
    let own = sandbox.rds_client_in(PRODUCTION).create_db_cluster_snapshot().db_cluster_identifier("orders");
    own.db_cluster_snapshot_identifier("sync-orders-by-hand").send().await.unwrap();
    let delete = there.delete_db_cluster_snapshot().db_cluster_snapshot_identifier("sync-orders-by-hand");
    said(delete.send().await.unwrap_err().message(), "rds:DeleteDBClusterSnapshot");
    let share = there.modify_db_cluster_snapshot_attribute();
    let share = share.db_cluster_snapshot_identifier("sync-orders-by-hand").attribute_name("restore");
    let share = share.values_to_add("999999999999").send().await;
    said(share.unwrap_err().message(), "rds:ModifyDBClusterSnapshotAttribute");
}

#[tokio::test(start_paused = true)]
async fn a_service_acts_only_with_a_role_that_trusts_it() {
    let sandbox = Sandbox::start(Options::model(1)).await.unwrap();
    let machine = arn("states", &format!("stateMachine:{PREFIX}-major-upgrade"));
    assert!(trusted(&sandbox, "states", "major-upgrade", &machine));
    assert!(!trusted(&sandbox, "states", "major-upgrade", &arn("states", "stateMachine:invoices")));
    assert!(!trusted(&sandbox, "states", "clean-up", &machine));
    assert!(!trusted(&sandbox, "lambda", "major-upgrade", &machine));
    let task = arn("ecs", &format!("task/{PREFIX}/1"));
    assert!(trusted(&sandbox, "ecs-tasks", "task-execution", &task));
    assert!(!trusted(&sandbox, "ecs-tasks", "clean-up", &task));
    let group = arn("scheduler", &format!("schedule-group/{PREFIX}"));
    assert!(trusted(&sandbox, "scheduler", "scheduler", &group));
    assert!(!trusted(&sandbox, "scheduler", "scheduler", &arn("scheduler", "schedule-group/default")));
    let rule = arn("events", &format!("rule/{PREFIX}-a"));
    assert!(trusted(&sandbox, "events", "events", &rule));
    assert!(!trusted(&sandbox, "events", "events", &arn("events", "rule/a")));
}

#[tokio::test(start_paused = true)]
async fn the_roles_that_services_act_with_may_do_that_and_no_more() {
    let sandbox = Sandbox::start(Options::model(1)).await.unwrap();
    let may = |role: &str, action: &str, resource: &str| decide(&sandbox, role, action, resource);
    let machine = |name: &str| arn("states", &format!("stateMachine:{PREFIX}-{name}"));
    for role in ["scheduler", "events"] {
        let starts = |name: &str, alias: &str| {
            let keys = Values::default().with("states:StateMachineQualifier", alias);
            let access = Access { action: "states:StartExecution".into(), resource: machine(name), keys };
            let session = format!("arn:aws:sts::{ACCOUNT}:assumed-role/{PREFIX}-{role}/session");
            let identity = Identity::Role { arn: permissions::role_arn(role, ACCOUNT), session };
            sandbox.iam.decide(&identity, &access).is_ok()
        };
        assert!(starts("daily-sync", "live"));
        assert!(!starts("daily-sync", "1"), "an old version");
        assert!(!may(role, "states:StartExecution", &machine("daily-sync")), "the newest, whatever it is");
        // A person begins an upgrade.
        assert!(!starts("major-upgrade", "live"));
    }
    let function = |name: &str| arn("lambda", &format!("function:{PREFIX}-{name}"));
    assert!(may("major-upgrade", "lambda:InvokeFunction", &function("resolve-upgrade")));
    assert!(!may("major-upgrade", "lambda:InvokeFunction", &function("clean-up")));
    assert!(!may("daily-sync", "lambda:InvokeFunction", &function("modify-cluster-version")));

    let role_of = |name: &str| permissions::role_arn(name, ACCOUNT);
    let identity = |role: &str| Identity::Role { arn: role_of(role), session: "session".into() };
    let run_task = |family: &str, cluster: &str| Access {
        action: "ecs:RunTask".into(),
        resource: arn("ecs", &format!("task-definition/{PREFIX}-{family}:7")),
        keys: Values::default().with("ecs:cluster", arn("ecs", &format!("cluster/{cluster}"))),
    };
    let runs =
        |family, cluster| sandbox.iam.decide(&identity("major-upgrade"), &run_task(family, cluster)).is_ok();
    assert!(runs("run-analyze", PREFIX));
    assert!(!runs("run-analyze", "another"), "another cluster of tasks");
    assert!(!runs("sanitize-databases", PREFIX), "another runbook's worker");
    let pass = |name: &str, service: &str| {
        let keys = Values::default().with("iam:PassedToService", service);
        let access = Access { action: "iam:PassRole".into(), resource: role_of(name), keys };
        sandbox.iam.decide(&identity("major-upgrade"), &access).is_ok()
    };
    assert!(pass("run-analyze", "ecs-tasks.amazonaws.com"));
    assert!(pass("task-execution", "ecs-tasks.amazonaws.com"));
    assert!(!pass("run-analyze", "lambda.amazonaws.com"));
    assert!(!pass("clean-up", "ecs-tasks.amazonaws.com"), "a function's role");

    let repository = |name: &str| arn("ecr", &format!("repository/{name}"));
    assert!(may("task-execution", "ecr:BatchGetImage", &repository(PREFIX)));
    assert!(!may("task-execution", "ecr:BatchGetImage", &repository("another")));
    let logs = |group: &str| arn("logs", &format!("log-group:{group}:log-stream:a"));
    assert!(may("task-execution", "logs:PutLogEvents", &logs(&format!("/ecs/{PREFIX}"))));
    assert!(!may("task-execution", "logs:PutLogEvents", &logs("/ecs/another")));
    assert!(!may("clean-up", "logs:PutLogEvents", &logs(&format!("/aws/lambda/{PREFIX}-retire-old"))));
}

#[tokio::test(start_paused = true)]
async fn an_absent_object_is_403_for_who_may_not_list_the_bucket() {
    let sandbox = Sandbox::start(Options::model(1)).await.unwrap();
    let lists = |name: &str| granted(&documents()[name]).contains("s3:ListBucket");
    for (name, document) in documents() {
        if granted(&document).contains("s3:GetObject") {
            assert!(lists(&name), "{name} reads objects and may not ask which there are");
            // watch-raw-copies reads the policy alone; there is none here.
            let key = if name == functions::WATCH_RAW_COPIES { "policy.yaml" } else { "runs/none" };
            let absent = role(&sandbox, &name).store.get_text(key).await;
            assert_eq!(absent.unwrap(), None, "{name}");
        }
    }
    // report-run reads what runs have left and the policy, and writes runs alone.
    let error = role(&sandbox, "report-run").store.get_text("leases/none").await.unwrap_err();
    assert!(error.to_string().contains("is not authorized to perform: s3:GetObject"), "{error}");
    let error = role(&sandbox, "report-run").store.put("policy.yaml", "a", vec![]).await.unwrap_err();
    assert!(error.to_string().contains("is not authorized to perform: s3:PutObject"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_customers_key_needs_permissions_of_its_own() {
    for document in permissions::documents(&Switches::default()).unwrap() {
        let statements = document.policy.as_array().unwrap().iter();
        for statement in statements.filter(|statement| statement["Sid"] != "ExportKeys") {
            let text = statement.to_string();
            assert!(!text.contains("kms:ViaService\":\"s3."), "{}: {text}", document.name);
        }
    }
    // A bucket and a secret whose keys the deployment does not know of.
    let sandbox = Sandbox::start(Options::model(1)).await.unwrap();
    let key = sandbox.rds.plant_key(ACCOUNT, "alias/somebody", &[]);
    sandbox.s3.encrypt(BUCKET, &key);
    let error = role(&sandbox, "clean-up").store.put("runs/a", "text/plain", vec![]).await.unwrap_err();
    assert!(error.to_string().contains("is not authorized to perform: kms:GenerateDataKey"), "{error}");
    sandbox.secrets.encrypt(&key);
    let owner = orders::context(&sandbox).secrets;
    owner.create_secret().name("app").secret_string("{}").send().await.unwrap();
    let answer = role(&sandbox, "prepare-target").secrets.get_secret_value().secret_id("app").send().await;
    let error = answer.unwrap_err();
    assert_eq!(error.code(), Some("AccessDeniedException"));
    assert_eq!(error.message(), Some("Access to KMS is not allowed"));
}
