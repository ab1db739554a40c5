//! The input schema comes from the Rust type, and the examples satisfy it.

use functions::resolve_upgrade::ResolveUpgrade;
use sandbox::{executables::root, golden};
use serde_json::{Value, json};

fn schema() -> Value {
    serde_json::to_value(schemars::schema_for!(ResolveUpgrade)).unwrap()
}

#[test]
fn the_input_schema_is_current() {
    let text = serde_json::to_string_pretty(&schema()).unwrap() + "\n";
    golden::file(&root().join("statemachines/major-upgrade/input.schema.json"), &text);
}

#[test]
fn the_examples_satisfy_the_schema_and_the_type() {
    let validator = jsonschema::validator_for(&schema()).unwrap();
    let folder = root().join("statemachines/major-upgrade/examples");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let example: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        let errors: Vec<String> = validator.iter_errors(&example).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{}: {errors:?}", path.display());
        serde_json::from_value::<ResolveUpgrade>(example).unwrap();
        count += 1;
    }
    assert!(count >= 2, "examples are missing");
}

#[test]
fn the_schema_refuses_what_the_type_refuses() {
    let validator = jsonschema::validator_for(&schema()).unwrap();
    for bad in [
        json!({}),
        json!({"cluster": "orders"}),
        json!({"cluster": "orders", "target": 18}),
        json!({"cluster": "orders", "target": "18", "dryRun": true}),
        json!({"cluster": "9orders", "target": "18"}),
        json!({"cluster": "orders", "target": "18", "skip": [{"finding": "x"}]}),
    ] {
        assert!(!validator.is_valid(&bad), "{bad} was taken");
    }
}
