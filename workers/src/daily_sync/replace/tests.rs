//! What every replacement holds, and helpers for the tests of each form.

use std::collections::BTreeSet;

use policy::Rule;
use serde_json::{Value, json};

use super::*;

mod arrays;
mod dates;
mod documents;
mod forms;
mod numbers;
mod properties;

const KEY: &str = "0123456789abcdef";

fn slot(kind: Kind) -> Slot {
    Slot { kind, length: None, lower: false, unique: false, small: false, not_null: true, array: false }
}

fn rule(rule: Value) -> Rule {
    serde_json::from_value(rule).unwrap()
}

fn replacement(of: Value, slot: Slot) -> Replacement {
    Replacement::new(&Key::new(KEY), &rule(of), &slot).unwrap()
}

fn refusal(of: Value, slot: Slot) -> String {
    Replacement::new(&Key::new(KEY), &rule(of), &slot).err().expect("the rule does not fit")
}

fn apply(replacement: &mut Replacement, value: &str) -> String {
    // What is there already is another column's.
    let mut out = "before\t".to_owned();
    assert_eq!(replacement.apply(value, &mut out), Ok(Replaced::Text), "{value}");
    out.strip_prefix("before\t").expect("what is there stays").to_owned()
}

fn replace(of: Value, kind: Kind, value: &str) -> String {
    apply(&mut replacement(of, slot(kind)), value)
}

fn unfit(of: Value, kind: Kind, value: &str) {
    let result = replacement(of, slot(kind)).apply(value, &mut String::new());
    // A message may be read by anybody.
    let says = result.expect_err(value).to_string();
    assert!(value.is_empty() || !says.contains(value), "{value}: {says}");
}

/// The only part's number of values, and how many of them stayed.
fn counts(replacement: &Replacement) -> (u64, u64) {
    let seen = replacement.seen();
    let [part] = &*seen.parts else { panic!("{} parts", seen.parts.len()) };
    (part.values, part.unchanged)
}

/// Each rule that makes a value from a value, with a type that it fits and a value of it.
fn examples() -> Vec<(Value, Kind, &'static str)> {
    vec![
        (json!("email"), Kind::Text, "anna@shop.example"),
        (json!("name"), Kind::Text, "Anna"),
        (json!("phone"), Kind::Text, "+49 30 123456"),
        (json!("address"), Kind::Text, "Lange Straße 7"),
        (json!("free-text"), Kind::Text, "She called twice."),
        (json!("url"), Kind::Text, "https://shop.example/anna"),
        (json!("hash"), Kind::Text, "4111 1111 1111 1111"),
        (json!("hash"), Kind::Bytes, r"\x00ff"),
        (json!("uuid"), Kind::Text, "7f1c2a90-0000-4000-8000-000000000001"),
        (json!("uuid"), Kind::Uuid, "7f1c2a90-0000-4000-8000-000000000001"),
        (json!("ip"), Kind::Text, "203.0.113.9"),
        (json!("ip"), Kind::Ip, "2001:db8::1"),
        (json!("ip"), Kind::Cidr, "203.0.113.0/24"),
        (json!("integer"), Kind::Integer, "42"),
        (json!({"rule": "integer", "min": 18, "max": 90}), Kind::Integer, "42"),
        (json!("numeric"), Kind::Numeric, "1234.50"),
        (json!("numeric"), Kind::Integer, "1234"),
        (json!("numeric"), Kind::Float, "1234.5"),
        (json!({"rule": "numeric", "min": 18, "max": 90}), Kind::Numeric, "42.0"),
        (json!({"rule": "date-shift", "days": 30}), Kind::Date, "1990-05-17"),
        (json!({"rule": "date-shift", "days": 30}), Kind::Timestamp, "1990-05-17 10:20:30.5+00"),
    ]
}

#[test]
fn equal_values_become_equal_ones_whatever_came_between() {
    for (rule, kind, value) in examples() {
        let (mut one, mut other) = (replacement(rule.clone(), slot(kind)), replacement(rule, slot(kind)));
        let first = apply(&mut one, value);
        let _ = apply(&mut other, if kind == Kind::Cidr { "198.51.100.0/25" } else { value });
        assert_eq!(apply(&mut one, value), first);
        assert_eq!(apply(&mut other, value), first, "{kind:?} {value}");
        assert_ne!(first, value);
        assert_eq!(counts(&one), (2, 0));
    }
}

#[test]
fn another_key_makes_another_value() {
    for (of, kind, value) in examples() {
        let other = |key: &str| {
            let mut other = Replacement::new(&Key::new(key), &rule(of.clone()), &slot(kind)).unwrap();
            apply(&mut other, value)
        };
        let others: BTreeSet<String> = (0..20).map(|n| other(&format!("key number {n}"))).collect();
        // Ranges and shifts have few to choose from.
        assert!(others.len() > 10, "{of} {others:?}");
    }
}

#[test]
fn another_rule_makes_another_digest() {
    assert_ne!(
        replace(json!("name"), Kind::Text, "Anna"),
        replace(json!("address"), Kind::Text, "Anna").trim_end_matches(" Street 1")
    );
}

#[test]
fn null_and_constant_do_not_look_at_the_value() {
    let nullable = Slot { not_null: false, ..slot(Kind::Other) };
    let mut null = replacement(Value::Null, nullable);
    let mut out = String::new();
    assert_eq!(null.apply("(1,2)", &mut out), Ok(Replaced::Null));
    assert_eq!((out.as_str(), counts(&null)), ("", (1, 0)));
    assert_eq!(refusal(Value::Null, slot(Kind::Other)), "it is NOT NULL");

    let constant = json!({"rule": "constant", "value": "{}"});
    assert_eq!(replace(constant.clone(), Kind::Json, r#"{"a": 1}"#), "{}");
    let unique = Slot { unique: true, ..slot(Kind::Json) };
    assert_eq!(refusal(constant, unique), "its values are unique");
    let short = Slot { length: Some(3), ..slot(Kind::Text) };
    assert!(refusal(json!({"rule": "constant", "value": "four"}), short).contains("3 fit"));
}

#[test]
fn a_rule_that_does_not_fit_the_type_is_refused() {
    let kinds = [
        Kind::Text,
        Kind::Char,
        Kind::Integer,
        Kind::Numeric,
        Kind::Float,
        Kind::Date,
        Kind::Timestamp,
        Kind::Ip,
        Kind::Cidr,
        Kind::Uuid,
        Kind::Json,
        Kind::Bytes,
        Kind::Other,
    ];
    let fitting = |name: &str| -> &[Kind] {
        match name {
            "hash" => &[Kind::Text, Kind::Char, Kind::Bytes],
            "uuid" => &[Kind::Text, Kind::Char, Kind::Uuid],
            "ip" => &[Kind::Text, Kind::Char, Kind::Ip, Kind::Cidr],
            "integer" => &[Kind::Integer],
            "numeric" => &[Kind::Integer, Kind::Numeric, Kind::Float],
            "date-shift" => &[Kind::Date, Kind::Timestamp],
            "json" => &[Kind::Json],
            "keep" | "sql" => &[],
            _ => &[Kind::Text, Kind::Char],
        }
    };
    let rules = [
        json!("email"),
        json!("name"),
        json!("phone"),
        json!("address"),
        json!("free-text"),
        json!("url"),
        json!("hash"),
        json!("uuid"),
        json!("ip"),
        json!("integer"),
        json!("numeric"),
        json!({"rule": "integer", "min": 1}),
        json!({"rule": "numeric", "max": 9}),
        json!({"rule": "date-shift", "days": 3}),
        json!({"rule": "json", "paths": {"$.a": "name"}}),
        json!("keep"),
        json!({"rule": "sql", "expression": "1"}),
    ];
    for of in rules {
        let of = rule(of);
        for kind in kinds {
            let fits = Replacement::new(&Key::new(KEY), &of, &slot(kind)).is_ok();
            assert_eq!(fits, fitting(of.name()).contains(&kind), "{} {kind:?}", of.name());
        }
    }
}

#[test]
fn marks_are_of_original_values_and_an_even_sample_of_them() {
    let mut one = replacement(json!("email"), slot(Kind::Text));
    apply(&mut one, "anna@shop.example");
    apply(&mut one, "anna@shop.example");
    // By Python's hmac, of "fingerprint:anna@shop.example".
    let expected = "34998c3e1afdecf3fba3caa15adc1af5";
    let seen = one.seen();
    assert_eq!(seen.parts[0].marks.len(), 1);
    assert_eq!(String::from(*seen.parts[0].marks.iter().next().unwrap()), expected);

    let address = |n: u32| format!("customer{n}@shop.example");
    let marks = |numbers: &mut dyn Iterator<Item = u32>| {
        let mut all = replacement(json!("email"), slot(Kind::Text));
        numbers.for_each(|n| drop(apply(&mut all, &address(n))));
        all.seen().parts[0].marks.clone()
    };
    let all = marks(&mut (0..5_000));
    assert_eq!(all.len(), 300);
    // Whatever the order, and in however many parts.
    assert_eq!(marks(&mut (0..5_000).rev()), all);
    let mut sum = marks(&mut (0..2_500));
    sum.add(&marks(&mut (2_500..5_000)));
    assert_eq!(sum, all);
    let first: BTreeSet<_> = marks(&mut (0..250)).iter().copied().collect();
    let of_first = all.iter().filter(|mark| first.contains(mark)).count();
    assert!((3..40).contains(&of_first), "{of_first} of 300 marks are of the first twentieth");
}

#[test]
fn what_chance_makes_again_is_not_marked() {
    let marks = |rule, slot, value: &str| {
        let mut one = replacement(rule, slot);
        apply(&mut one, value);
        one.seen().parts[0].marks.len()
    };
    let text = slot(Kind::Text);
    assert_eq!(marks(json!("free-text"), text, "eleven char"), 0);
    assert_eq!(marks(json!("free-text"), text, "twelve chars"), 1);
    assert_eq!(marks(json!("phone"), text, "12345"), 0);
    // Six bytes are not six characters.
    assert_eq!(marks(json!("phone"), text, "äöü"), 0);
    assert_eq!(marks(json!("name"), text, "Bo"), 1);
    assert_eq!(marks(json!("name"), Slot { length: Some(9), ..text }, "Bo"), 0);
    assert_eq!(marks(json!({"rule": "constant", "value": "nobody at all"}), text, "nobody at all"), 0);
    assert_eq!(marks(json!({"rule": "constant", "value": "nobody at all"}), text, "somebody"), 1);
    let other = json!({"rule": "constant", "value": "2000-01-01"});
    assert_eq!(marks(other, slot(Kind::Timestamp), "2000-01-01 00:00:00"), 0);
    assert_eq!(marks(json!({"rule": "constant", "value": "x"}), slot(Kind::Char), "x         "), 0);
    // Of these the share is looked at.
    assert_eq!(marks(json!("integer"), slot(Kind::Integer), "7"), 1);
}
