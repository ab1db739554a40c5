//! What holds of whatever somebody may give: inputs, names, policies, what AWS has written. The
//! bodies of the fuzz targets (fuzz/src/lib.rs) on fewer bytes, and what they do not have.

use std::fs;

use functions::{
    daily_sync::select_snapshot::SelectSnapshot, major_upgrade::resolve_upgrade::ResolveUpgrade,
    snapshot_export::select_export::SelectExport,
};
use proptest::{
    collection::{btree_map, vec},
    prelude::*,
};
use runbook::{
    Run,
    daily_sync::attestation::Attestation,
    major_upgrade::ParameterGroups,
    snapshot_export::{
        manifest::{Latest, Manifest},
        reconciliation::Reconciliation,
    },
    state,
};
use sandbox::executables::root;
use serde_json::{Value, json};

#[path = "../../fuzz/src/lib.rs"]
mod fuzz;

/// Texts as somebody hostile writes them.
fn text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        any::<char>().prop_map(String::from),
        "[a-z0-9-]{0,12}",
        Just("\u{202e}".to_owned()),
        Just("\u{0}".to_owned()),
        Just("\u{1b}[2J".to_owned()),
        Just("\nNext: ".to_owned()),
        Just("'; DROP TABLE x; --".to_owned()),
        Just("arn:aws:states:eu-west-1:444455556666:execution:m:n".to_owned()),
        Just("18.4".to_owned()),
        Just("8h".to_owned()),
        Just("2026-11-25T02:00:00Z".to_owned()),
        "[a-z]{1,4}".prop_map(|text| text.repeat(300)),
    ];
    vec(piece, 0..4).prop_map(|pieces| pieces.concat())
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 5, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..5).prop_map(Value::from),
            btree_map(text(), inner, 0..5).prop_map(|members| members.into_iter().collect::<Value>()),
        ]
    })
}

/// What the types of the product say to that JSON: they take it and write it back to the same, or
/// name what is wrong in words that hide nothing.
fn read_by_all(value: &Value) {
    fn read<T: serde::de::DeserializeOwned>(value: &Value) -> Option<T> {
        let read = state::read::<T>(value.clone());
        if let Err(why) = &read {
            assert!(!why.is_empty(), "refused without a reason: {value}");
            fuzz::shown(&runbook::error::cause(why));
        }
        read.ok()
    }
    read::<SelectSnapshot>(value);
    read::<SelectExport>(value);
    read::<Run>(value);
    fn again<T: serde::de::DeserializeOwned + serde::Serialize>(value: &Value) {
        let Some(known) = read::<T>(value) else { return };
        let written = serde_json::to_value(&known).expect("what was read is written");
        let once_more = state::read::<T>(written.clone()).expect("what was written is read");
        assert_eq!(serde_json::to_value(once_more).expect("and written"), written);
    }
    again::<ResolveUpgrade>(value);
    again::<Attestation>(value);
    again::<ParameterGroups>(value);
    again::<Latest>(value);
    again::<Manifest>(value);
    again::<Reconciliation>(value);
}

/// Valid ones, of which a property changes a field.
fn examples() -> Vec<Value> {
    let mut found = Vec::new();
    for runbook in sandbox::statemachine::RUNBOOKS {
        let folder = root().join("statemachines").join(runbook).join("examples");
        for entry in fs::read_dir(folder).expect("a runbook has examples") {
            let text = fs::read_to_string(entry.expect("an example").path()).expect("a text");
            found.push(serde_json::from_str(&text).expect("JSON"));
        }
    }
    let execution = "arn:aws:states:eu-west-1:444455556666:execution:m:n";
    let at = "2026-11-25T02:00:00Z";
    found.push(json!({ "execution": execution, "entered": at, "redriven": at, "deadline": "8h" }));
    found.push(json!({ "execution": execution, "resourceId": "cluster-A", "attested": at }));
    found.push(
        json!({ "from": "16.14", "version": "18.4", "cluster": "g", "instances": {"a": "b"}, "made": [] }),
    );
    found.push(json!({ "task": "t", "verified": "v", "tables": [], "warnings": [] }));
    found.push(json!({ "detail": { "executionArn": execution } }));
    found.push(json!({ "stateMachines": ["arn:aws:states:eu-west-1:444455556666:stateMachine:m"] }));
    found
}

/// Puts another value somewhere into the JSON: at the place that the numbers lead to.
fn changed(json: Value, path: &[usize], other: Value) -> Value {
    let Some((step, rest)) = path.split_first() else { return other };
    match json {
        Value::Object(mut members) if !members.is_empty() => {
            let key = members.keys().nth(step % members.len()).cloned().expect("a key");
            let inner = members.get(&key).cloned().unwrap_or_default();
            members.insert(key, changed(inner, rest, other));
            Value::Object(members)
        }
        Value::Array(mut items) if !items.is_empty() => {
            let index = step % items.len();
            items[index] = changed(items[index].take(), rest, other);
            Value::Array(items)
        }
        _ => other,
    }
}

/// Each file of a folder of the repository, as seeds.
fn seeds(folder: &str, ending: &str) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder of the repository") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.to_string_lossy().ends_with(ending) {
                found.push(fs::read(&path).expect("a file"));
            }
        }
    }
    assert!(!found.is_empty(), "{folder} has no {ending}");
    found
}

/// Bytes of a seed with some of them changed, doubled or gone.
fn mutated(mut bytes: Vec<u8>, changes: &[(usize, u8, u8)]) -> Vec<u8> {
    const WORDS: [&[u8]; 10] =
        [b"&a ", b"*a", b"!!x ", b"<<: ", b"[", b"{", b"\n- ", b"\n  ", b": ", b"\xe2\x80\xae"];
    for (at, how, byte) in changes {
        let at = at % (bytes.len() + 1);
        match how % 5 {
            0 if at < bytes.len() => bytes[at] = *byte,
            1 => bytes.insert(at, *byte),
            2 => drop(bytes.splice(at..at, WORDS[usize::from(*byte) % WORDS.len()].iter().copied())),
            3 => {
                let end = (at + usize::from(*byte)).min(bytes.len());
                bytes.drain(at..end);
            }
            _ => {
                let end = (at + usize::from(*byte)).min(bytes.len());
                let part = bytes[at..end].to_vec();
                drop(bytes.splice(at..at, part));
            }
        }
    }
    bytes
}

fn changes() -> impl Strategy<Value = Vec<(usize, u8, u8)>> {
    vec((any::<usize>(), any::<u8>(), any::<u8>()), 0..6)
}

/// The body of a target over its seeds, changed, and over bytes of nothing. RUNS multiplies them.
fn over(seeds: Vec<Vec<u8>>, cases: u32, target: fn(&[u8])) {
    let runs = std::env::var("RUNS").ok().and_then(|runs| runs.parse().ok()).unwrap_or(1);
    let config = ProptestConfig { cases: cases * runs, failure_persistence: None, ..Default::default() };
    let mut runner = proptest::test_runner::TestRunner::new_with_rng(
        config,
        proptest::test_runner::TestRng::deterministic_rng(proptest::test_runner::RngAlgorithm::ChaCha),
    );
    seeds.iter().for_each(|seed| target(seed));
    let input = prop_oneof![
        4 => (0..seeds.len(), changes())
            .prop_map(move |(seed, changes)| mutated(seeds[seed].clone(), &changes)),
        1 => text().prop_map(String::into_bytes),
        1 => vec(any::<u8>(), 0..64),
    ];
    runner
        .run(&input, |bytes| {
            target(&bytes);
            Ok(())
        })
        .unwrap_or_else(|failed| panic!("{failed}"));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..Default::default() })]

    #[test]
    fn no_json_makes_an_input_or_an_object_panic(value in json_value()) {
        read_by_all(&value);
    }

    #[test]
    fn a_valid_one_with_a_field_changed_is_read_back_or_refused_in_words(
        which in 0usize..1000,
        path in vec(0usize..8, 1..4),
        other in json_value(),
    ) {
        let examples = examples();
        let example = examples[which % examples.len()].clone();
        read_by_all(&example);
        let changed = changed(example, &path, other);
        read_by_all(&changed);
        fuzz::events(changed.to_string().as_bytes());
    }

    #[test]
    fn nothing_hides_in_what_a_person_is_shown(text in text()) {
        fuzz::upgrade_log(text.as_bytes());
    }

    #[test]
    fn names_of_hostile_executions_are_names_that_rds_takes(text in text()) {
        fuzz::identifiers(text.as_bytes());
    }
}

#[test]
fn any_policy_is_read_or_refused_with_a_place_and_soon() {
    let mut policies = seeds("policy/examples", ".yaml");
    policies.extend(seeds("policy/src/tests", ".yaml"));
    over(policies, 600, fuzz::policy);
}

#[test]
fn bombs_of_yaml_are_refused_at_once() {
    for bomb in [
        "[".repeat(200_000),
        "{a: ".repeat(200_000),
        "- ".repeat(200_000),
        format!("syncs:\n{}", "  orders: {}\n".repeat(50_000)),
        (0..50_000).map(|number| format!("k{number}: 1\n")).collect(),
        format!("a: \"{}\"", "\\u202e".repeat(500_000)),
        (0..2000).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect(),
    ] {
        fuzz::policy(bomb.as_bytes());
    }
}

#[test]
fn whatever_aws_has_written_of_its_tables_is_compared_or_refused() {
    let of_aws = json!({"perTableStatus": [
        {"tableStatistics": {"partitioningInfo":
            {"numberOfPartitions": 3, "numberOfCompletedPartitions": 3}},
         "schemaMetadata": {"originalTypeMappings": [{"columnName": "id", "originalType": "bigint",
            "expectedExportedType": "int64"}]},
         "status": "COMPLETE", "sizeGB": 0.5, "target": "shop.public.orders"},
        {"warningMessage": "UNSUPPORTED_TABLE_NAME", "target": "shop.public.a/b"}]});
    over(vec![of_aws.to_string().into_bytes()], 1000, fuzz::export_metadata);
}

#[test]
fn whatever_a_file_ends_with_is_a_footer_or_said_to_be_none() {
    let seeds = seeds("fuzz/corpus/footers", ".parquet");
    let footer = workers::snapshot_export::reconcile_export::footers::of_file(&seeds[0]).unwrap();
    assert_eq!((footer.rows, footer.columns), (3, vec![("id".to_owned(), "int64".to_owned())]));
    over(seeds, 2000, fuzz::footers);
}

#[test]
fn whatever_stands_in_the_log_of_an_upgrade_is_told() {
    over(seeds("fuzz/corpus/upgrade_log", ".txt"), 1000, fuzz::upgrade_log);
}

#[test]
fn whatever_calls_report_run_is_an_event_or_refused() {
    let events = examples().iter().map(|example| example.to_string().into_bytes()).collect();
    over(events, 1000, fuzz::events);
}
