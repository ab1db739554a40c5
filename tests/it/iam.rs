//! The policies in infra/iam allow each state what it does, and not more; what only an attested
//! copy may go through says so.

use std::collections::{BTreeMap, BTreeSet};

use sandbox::{
    Options, Sandbox,
    aws::PRODUCTION,
    environments,
    executables::root,
    orders::{self, Shape},
    production,
};
use serde_json::{Value, json};

use crate::harness::{ended, run, to_18};

/// The role in production's account that the sync assumes.
const SOURCE_ROLE: &str = "production-source-role";

fn policies() -> BTreeMap<String, Value> {
    let text = std::fs::read_to_string(root().join("infra/iam/states.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// The IAM name of a call. S3's differ from its API's:
/// https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html
fn iam_action(service: &str, action: &str) -> String {
    match (service, action) {
        ("s3", "HeadObject") => "s3:GetObject".into(),
        ("s3", "ListObjectsV2") => "s3:ListBucket".into(),
        _ => format!("{service}:{action}"),
    }
}

fn statements(policy: &Value) -> &Vec<Value> {
    policy.as_array().expect("a list of statements")
}

fn actions(policy: &Value) -> BTreeSet<String> {
    let lists = statements(policy)
        .iter()
        .filter(|statement| statement["Effect"] == "Allow")
        .map(|statement| statement["Action"].as_array().unwrap());
    lists.flatten().map(|action| action.as_str().unwrap().to_owned()).collect()
}

/// What each state called in a whole upgrade and two whole syncs.
async fn called() -> BTreeMap<String, BTreeSet<String>> {
    let mut called: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let states: Vec<String> =
        functions::STATES.iter().chain(workers::STATES).map(|state| runbook::state::kebab(state)).collect();
    let mut note = |sandbox: &Sandbox| {
        for call in sandbox.gateway.calls() {
            if states.contains(&call.principal) {
                // In production's account it is the assumed role that must be allowed.
                let principal =
                    if call.account == PRODUCTION { SOURCE_ROLE.to_owned() } else { call.principal };
                called.entry(principal).or_default().insert(iam_action(&call.service, &call.action));
            }
        }
    };
    let sandbox = Sandbox::start(Options::model(1)).await.unwrap();
    orders::create(&sandbox, Shape::default()).await.unwrap();
    run(&sandbox, "upgrade", &to_18()).await.succeeded();
    note(&sandbox);
    let sandbox = Sandbox::start(Options::model(1)).await.unwrap();
    production::create(&sandbox).await.unwrap();
    production::take_snapshot(&sandbox).await.unwrap();
    environments::create(&sandbox, None).await.unwrap();
    environments::create_targets(&sandbox).await.unwrap();
    for name in ["one", "two"] {
        let arn = sandbox.start_execution("daily-sync", name, &json!({ "sync": "orders" })).await.unwrap();
        ended(&sandbox, arn).await.succeeded();
    }
    note(&sandbox);
    called
}

#[tokio::test(start_paused = true)]
async fn every_state_may_do_what_it_does() {
    let policies = policies();
    for (state, called) in called().await {
        let allowed =
            actions(policies.get(&state).unwrap_or_else(|| panic!("infra/iam/states.json has no {state}")));
        let missing: Vec<_> = called.difference(&allowed).collect();
        assert!(missing.is_empty(), "{state} calls {missing:?}, which its policy does not allow");
    }
}

#[test]
fn there_is_a_policy_for_every_state_and_for_no_other() {
    let states = functions::STATES.iter().chain(workers::STATES).map(|state| runbook::state::kebab(state));
    let states: BTreeSet<String> = states.chain([SOURCE_ROLE.to_owned()]).collect();
    assert_eq!(policies().into_keys().collect::<BTreeSet<_>>(), states);
}

#[test]
fn nothing_is_allowed_by_a_wildcard() {
    for (state, policy) in policies() {
        for action in actions(&policy) {
            assert!(!action.contains('*'), "{state} may {action}");
        }
    }
}

#[test]
fn only_an_attested_copy_goes_on() {
    let policies = policies();
    for (state, action) in [
        ("snapshot-sanitized", "rds:CreateDBClusterSnapshot"),
        ("restore-target", "rds:RestoreDBClusterFromSnapshot"),
    ] {
        let statement = statements(&policies[state])
            .iter()
            .find(|statement| statement["Action"].as_array().unwrap().contains(&json!(action)));
        let condition = &statement.unwrap_or_else(|| panic!("{state} may not {action}"))["Condition"];
        assert_eq!(
            condition["Null"]["aws:ResourceTag/attested-run"], "false",
            "{state} may {action} without an attestation: {condition}"
        );
    }
}

#[test]
fn what_is_deleted_renamed_or_modified_carries_our_tag() {
    for (state, policy) in policies() {
        // The upgrade changes the owner's own cluster: its lease and its snapshot are the guards
        // there.
        if [
            "apply-pending-maintenance",
            "modify-cluster-version",
            "sync-parameter-groups",
            "prepare-parameter-groups",
            "take-snapshot",
        ]
        .contains(&state.as_str())
        {
            continue;
        }
        for statement in statements(&policy) {
            for action in statement["Action"].as_array().unwrap().iter().filter_map(Value::as_str) {
                if ["rds:Delete", "rds:Modify", "rds:Stop", "rds:Start", "rds:Reboot"]
                    .iter()
                    .any(|verb| action.starts_with(verb))
                {
                    assert_eq!(
                        statement["Condition"]["StringEquals"]["aws:ResourceTag/managed-by"],
                        "aurora-runbooks",
                        "{state} may {action}"
                    );
                }
            }
        }
    }
}
