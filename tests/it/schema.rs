//! The input schemas come from the Rust types, and the examples satisfy them.

use functions::{
    daily_sync::select_snapshot::SelectSnapshot, major_upgrade::resolve_upgrade::ResolveUpgrade,
    rehearse_upgrade::resolve_rehearsal::ResolveRehearsal, snapshot_export::select_export::SelectExport,
    upgrade_fleet::resolve_fleet::ResolveFleet,
};
use sandbox::{executables::root, golden};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

const AN_EXECUTION: &str = "arn:aws:states:eu-central-1:444455556666:execution:daily-sync:monday";

fn schema<T: schemars::JsonSchema>() -> Value {
    serde_json::to_value(schemars::schema_for!(T)).unwrap()
}

fn check_golden<T: schemars::JsonSchema>(runbook: &str) {
    let text = serde_json::to_string_pretty(&schema::<T>()).unwrap() + "\n";
    golden::file(&root().join(format!("statemachines/{runbook}/input.schema.json")), &text);
}

fn check_examples<T: schemars::JsonSchema + DeserializeOwned>(runbook: &str) {
    let validator = jsonschema::validator_for(&schema::<T>()).unwrap();
    let folder = root().join(format!("statemachines/{runbook}/examples"));
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let example: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        let errors: Vec<String> = validator.iter_errors(&example).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{}: {errors:?}", path.display());
        serde_json::from_value::<T>(example).unwrap();
        count += 1;
    }
    assert!(count >= 2, "examples are missing");
}

#[test]
fn the_input_schemas_are_current() {
    check_golden::<ResolveUpgrade>("major-upgrade");
    check_golden::<ResolveRehearsal>("rehearse-upgrade");
    check_golden::<ResolveFleet>("upgrade-fleet");
    check_golden::<SelectSnapshot>("daily-sync");
    check_golden::<SelectExport>("snapshot-export");
}

#[test]
fn the_examples_satisfy_the_schema_and_the_type() {
    check_examples::<ResolveUpgrade>("major-upgrade");
    check_examples::<ResolveRehearsal>("rehearse-upgrade");
    check_examples::<ResolveFleet>("upgrade-fleet");
    check_examples::<SelectSnapshot>("daily-sync");
    check_examples::<SelectExport>("snapshot-export");
}

#[test]
fn the_schema_refuses_what_the_type_refuses() {
    let upgrade = jsonschema::validator_for(&schema::<ResolveUpgrade>()).unwrap();
    for bad in [
        json!({}),
        json!({"cluster": "orders"}),
        json!({"cluster": "orders", "target": 18}),
        json!({"cluster": "orders", "target": "18", "dryRun": true}),
        json!({"cluster": "9orders", "target": "18"}),
        json!({"cluster": "orders", "target": "18", "skip": [{"finding": "x"}]}),
    ] {
        assert!(!upgrade.is_valid(&bad), "{bad} was taken");
    }
    let sync = jsonschema::validator_for(&schema::<SelectSnapshot>()).unwrap();
    for bad in [
        json!({}),
        json!({"sync": 1}),
        json!({"sync": "Orders"}),
        json!({"sync": "orders", "dryRun": true}),
        json!({"after": "yesterday"}),
        json!({"sync": "orders", "after": AN_EXECUTION}),
    ] {
        assert!(!sync.is_valid(&bad), "{bad} was taken");
    }
    let export = jsonschema::validator_for(&schema::<SelectExport>()).unwrap();
    for bad in [
        json!({}),
        json!({"export": "Orders"}),
        json!({"export": "orders", "sync": "orders"}),
        json!({"snapshot": "rds:orders-1"}),
        json!({"export": "orders", "again": 1}),
        json!({"after": "monday"}),
    ] {
        assert!(!export.is_valid(&bad), "{bad} was taken");
    }
}
