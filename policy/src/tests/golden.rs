//! The files that are made from the code, and the page of documentation, are current.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use serde_json::Value;

use crate::{Policy, Rule, TableRule, page, schema};

const ORDERS: &str = include_str!("../../examples/orders.yaml");
const EXPORTS: &str = include_str!("../../examples/exports.yaml");

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn golden(name: &str, expected: &str) {
    let path = path(name);
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, expected).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    let diff = similar::TextDiff::from_lines(found.as_str(), expected);
    assert!(found == expected, "{name} is stale; run the tests once with UPDATE=1\n{}", diff.unified_diff());
}

#[test]
fn the_calendar_of_the_example_is_current() {
    let page = page::render(&Policy::parse(ORDERS).unwrap(), "2026-03-26".parse().unwrap());
    golden("examples/calendar.md", &page);
    assert_eq!(page::first_day(&page), "2026-03-26".parse().ok());
}

#[test]
fn the_page_tells_every_exception_with_its_reason() {
    let page =
        page::render(&Policy::parse(include_str!("base.yaml")).unwrap(), "2026-03-26".parse().unwrap());
    assert!(page.contains("- secret-in-comment `table public.flags` of `shop`, kept: a sample\n"), "{page}");
}

#[test]
fn the_schema_is_current() {
    golden("policy.schema.json", &(serde_json::to_string_pretty(&schema()).unwrap() + "\n"));
}

#[test]
fn what_is_read_is_written_and_read_again() {
    for text in [ORDERS, EXPORTS, include_str!("base.yaml")] {
        let policy = Policy::parse(text).unwrap();
        // JSON is YAML.
        let written = serde_json::to_string_pretty(&policy).unwrap();
        assert_eq!(Policy::parse(&written).as_ref(), Ok(&policy), "{written}");
    }
}

#[test]
fn every_rule_of_the_schema_is_a_rule() {
    let schema = schema().to_value();
    let alternatives = schema["$defs"]["Rule"]["oneOf"].as_array().unwrap();
    let short = alternatives[0]["enum"].as_array().unwrap().iter().filter_map(Value::as_str);
    for name in short.clone() {
        assert_eq!(serde_json::from_value::<Rule>(name.into()).unwrap().name(), name);
    }
    let long = alternatives[1..].iter().map(|rule| rule["properties"]["rule"]["const"].as_str().unwrap());
    let names: BTreeSet<_> = short.chain(long).collect();
    assert_eq!(names.len(), 17, "{names:?}");
}

/// The databases' own SQL, so that the example cannot fall behind it: tables by their CREATE TABLE,
/// columns by its lines.
#[test]
fn the_example_classifies_every_column_of_the_shop() {
    let policy = Policy::parse(ORDERS).unwrap();
    for (database, schema_prefix) in [("shop", "public."), ("billing", ""), ("customer-events", "public.")] {
        let sql = std::fs::read_to_string(path(&format!("../sandbox/data/shop/{database}.sql"))).unwrap();
        let rules = &policy.syncs["orders"].masking.as_ref().unwrap().databases[database].tables;
        let mut tables = 0;
        for statement in sql.split("\nCREATE TABLE ").skip(1) {
            let (name, rest) = statement.split_once(" (").unwrap();
            if name.contains(" PARTITION OF ") {
                continue;
            }
            tables += 1;
            let name = format!("{schema_prefix}{}", name.replace('"', ""));
            let body = &rest[..rest.find("\n)").or(rest.find(");")).unwrap()];
            let definitions = if body.starts_with('\n') {
                body.lines().collect::<Vec<_>>()
            } else {
                body.split(", ").collect()
            };
            let keywords = ["PRIMARY", "CHECK", "EXCLUDE", "UNIQUE", "FOREIGN", ""];
            let columns = definitions.iter().map(|line| line.split_whitespace().next().unwrap_or_default());
            let columns: BTreeSet<_> = columns
                .filter(|column| !keywords.contains(column))
                .map(|column| column.trim_matches('"'))
                .collect();
            match rules.get(&name.parse().unwrap()) {
                Some(TableRule::Columns(rules)) => {
                    assert_eq!(rules.keys().map(String::as_str).collect::<BTreeSet<_>>(), columns, "{name}")
                }
                other => panic!("{name}: {other:?}"),
            }
        }
        assert_eq!(rules.len(), tables, "{database} has other tables");
    }
}

#[test]
fn the_documentation_explains_every_key_and_rule_and_names_every_word() {
    let page = std::fs::read_to_string(path("../docs/policy.md")).unwrap();
    let schema = schema().to_value();
    let definitions =
        schema["$defs"].as_object().unwrap().iter().map(|(name, definition)| (name.as_str(), definition));
    for (name, definition) in definitions.chain([("Policy", &schema)]) {
        let Some(properties) = definition["properties"].as_object() else { continue };
        let required: BTreeSet<_> =
            definition["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let expected: BTreeMap<_, _> =
            properties.keys().map(|key| (key.as_str(), required.contains(key.as_str()))).collect();
        let items = items(&page, &format!("<!-- keys of {name} -->"));
        let found: BTreeMap<_, _> =
            items.iter().map(|(key, text)| (key.as_str(), text.starts_with(", required. "))).collect();
        assert_eq!(found, expected, "the keys of {name}");
        for (key, text) in &items {
            let default = &properties[key]["default"];
            let default = default.as_str().map(str::to_owned).or(default.as_bool().map(|b| b.to_string()));
            // Of a default that the schema does not know the page says in words what it is.
            let start = default.map_or(", default ".to_owned(), |default| format!(", default `{default}`. "));
            let start = if required.contains(key.as_str()) { ", required. " } else { &start };
            let meaning = text.strip_prefix(start).unwrap_or_else(|| panic!("{key} of {name} lacks {start}"));
            let shown = meaning.contains(" Example: `") || meaning.ends_with(" See below.");
            assert!(shown, "{key} of {name} has no example");
            assert!(!meaning.starts_with("Example") && !meaning.starts_with("See"), "{key} of {name}");
        }
    }
    let mut rules = BTreeMap::new();
    for rule in schema["$defs"]["Rule"]["oneOf"].as_array().unwrap() {
        rule["enum"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .for_each(|name| drop(rules.insert(name, vec![])));
    }
    for rule in &schema["$defs"]["Rule"]["oneOf"].as_array().unwrap()[1..] {
        let parameters =
            rule["properties"].as_object().unwrap().keys().filter(|key| *key != "rule").map(String::as_str);
        rules.insert(rule["properties"]["rule"]["const"].as_str().unwrap(), parameters.collect());
    }
    let items = items(&page, "<!-- rules -->");
    assert_eq!(
        items.iter().map(|(rule, _)| rule.as_str()).collect::<BTreeSet<_>>(),
        rules.keys().copied().collect()
    );
    for (rule, text) in &items {
        let (becomes, parameters) = text.split_once(" Parameters: ").unwrap_or((text, ""));
        assert!(becomes.starts_with(": ") && becomes.ends_with('.'), "{rule}: {becomes}");
        for parameter in &rules[rule.as_str()] {
            assert!(parameters.contains(&format!("`{parameter}`")), "{rule} lacks {parameter}");
        }
    }
    visit_words(&schema, &mut |word| {
        assert!(page.contains(&format!("`{word}`")), "docs/policy.md does not name {word}")
    });
}

/// The list that follows a marker: what stands in bold at the beginning of an item, and the rest.
fn items(page: &str, marker: &str) -> Vec<(String, String)> {
    let (_, list) = page.split_once(marker).unwrap_or_else(|| panic!("docs/policy.md has no {marker}"));
    let list = list.trim_start().lines().take_while(|line| line.starts_with("- ") || line.starts_with("  "));
    let list = list.map(|line| line.strip_prefix("  ").unwrap_or(line)).collect::<Vec<_>>().join(" ");
    let items = list.split("- **`").skip(1).map(|item| {
        let (name, text) = item.split_once("`**").unwrap_or_else(|| panic!("{marker}: {item}"));
        (name.to_owned(), text.trim().to_owned())
    });
    items.collect()
}

/// Every word that a value may be.
fn visit_words(schema: &Value, seen: &mut impl FnMut(&str)) {
    match schema {
        Value::Object(object) => {
            object
                .get("enum")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .for_each(&mut *seen);
            object.get("const").and_then(Value::as_str).into_iter().for_each(&mut *seen);
            object.values().for_each(|value| visit_words(value, seen));
        }
        Value::Array(list) => list.iter().for_each(|value| visit_words(value, seen)),
        _ => {}
    }
}

/// Every example is a whole policy, or lines of the example's.
#[test]
fn the_examples_of_the_documentation_are_read() {
    let page = std::fs::read_to_string(path("../docs/policy.md")).unwrap();
    let (mut wholes, mut parts) = (0, 0);
    for block in page.split("```yaml\n").skip(1) {
        let (block, _) = block.split_once("```").unwrap();
        if block.starts_with("syncs:") || block.starts_with("exports:") {
            Policy::parse(block).unwrap_or_else(|errors| panic!("{errors}"));
            wholes += 1;
        } else {
            let odd = block.lines().find(|line| !ORDERS.lines().any(|other| other == *line));
            assert_eq!(odd, None, "not in the example");
            parts += 1;
        }
    }
    assert!(wholes >= 1 && parts >= 3);
}

/// The console output that the page shows is what the command's parts say.
#[test]
fn the_explanation_of_the_documentation_is_what_is_said() {
    let page = std::fs::read_to_string(path("../docs/policy.md")).unwrap();
    let sync = &Policy::parse(ORDERS).unwrap().syncs["orders"];
    let snapshots = crate::snapshots(include_str!("../../examples/snapshots.json"), &sync.source).unwrap();
    let start = "2026-03-27T02:30:00Z".parse().unwrap();
    for sentence in sync.source.snapshot.choose(&snapshots, start, &sync.schedule.time_zone).because {
        assert!(page.contains(&format!("\n  {sentence}\n")), "docs/policy.md lacks {sentence}");
    }
}
