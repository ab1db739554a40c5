//! Whatever a value is, its type reads what it becomes.

use proptest::{prelude::*, prop_oneof, proptest};

use super::*;

fn slots(kind: Kind) -> impl Strategy<Value = Slot> {
    (proptest::option::of(4_usize..80), any::<bool>(), any::<bool>())
        .prop_map(move |(length, lower, unique)| Slot { length, lower, unique, ..slot(kind) })
}

fn document() -> impl Strategy<Value = Value> {
    let key = || prop_oneof!["a", "b", "e mail", "[a-z@ \"\\\\]{0,4}"];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-1e9..1e9).prop_map(Value::from),
        any::<String>().prop_map(|text| Value::from(format!("secret{text}"))),
    ];
    leaf.prop_recursive(4, 40, 5, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            proptest::collection::vec((key(), inner), 0..5)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// The same keys and numbers of elements; each leaf what it was, or null.
fn same_skeleton(was: &Value, is: &Value) {
    match (was, is) {
        (Value::Object(was), Value::Object(is)) => {
            assert!(was.keys().eq(is.keys()));
            was.values().zip(is.values()).for_each(|(was, is)| same_skeleton(was, is));
        }
        (Value::Array(was), Value::Array(is)) => {
            assert_eq!(was.len(), is.len());
            was.iter().zip(is).for_each(|(was, is)| same_skeleton(was, is));
        }
        (_, Value::Null) => {}
        (was, is) => assert!(!was.is_object() && !was.is_array() && !is.is_object() && !is.is_array()),
    }
}

/// An array in PostgreSQL's text form. Every element in quotes is a form that it reads, too.
fn written(elements: &[Option<String>], columns: usize) -> String {
    let element = |element: &Option<String>| match element {
        None => "NULL".to_owned(),
        Some(text) => format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")),
    };
    let rows: Vec<String> = elements
        .chunks(columns)
        .map(|row| format!("{{{}}}", row.iter().map(element).collect::<Vec<_>>().join(",")))
        .collect();
    format!("{{{}}}", rows.join(","))
}

proptest! {
    #[test]
    fn a_text_fits_its_column_and_is_another_one(
        value in any::<String>(), slot in slots(Kind::Text),
        of in proptest::sample::select(vec![
            "email", "name", "phone", "address", "free-text", "url", "hash", "uuid", "ip",
        ]),
    ) {
        let Ok(mut one) = Replacement::new(&Key::new(KEY), &rule(json!(of)), &slot) else { return Ok(()) };
        let length = slot.length.unwrap_or(usize::MAX);
        // A value of the column fits itself.
        let value: String = value.chars().take(length).collect();
        let made = apply(&mut one, &value);
        prop_assert!(made.chars().count() <= length);
        prop_assert!(made != value || value.is_empty());
        prop_assert!(made.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' '));
        prop_assert_eq!(counts(&one), (1, 0));
    }

    #[test]
    fn an_integer_is_another_one(value in any::<i64>(), small in any::<bool>()) {
        let mut one = replacement(json!("integer"), Slot { small, ..slot(Kind::Integer) });
        prop_assert_ne!(apply(&mut one, &value.to_string()).parse::<i64>().unwrap(), value);
    }

    #[test]
    fn a_numeric_is_a_number_of_the_same_layout(value in "-?(0|[1-9][0-9]{0,30})(\\.[0-9]{1,20})?") {
        let mut one = replacement(json!("numeric"), slot(Kind::Numeric));
        let made = apply(&mut one, &value);
        let layout = |text: &str| {
            let (whole, rest) = text.split_once('.').unwrap_or((text, ""));
            (whole.trim_start_matches('-').len(), rest.len())
        };
        prop_assert!(layout(&made).0 <= layout(&value).0 && layout(&made).1 == layout(&value).1, "{}", made);
        prop_assert_eq!(made == value, counts(&one).1 == 1);
        let significant = value.bytes().filter(|byte| byte.is_ascii_digit()).skip_while(|byte| *byte == b'0');
        prop_assert_eq!(made == value, matches!(&*significant.collect::<Vec<_>>(), [] | [b'1' | b'2']));
        prop_assert!(serde_json::from_str::<Value>(&made).unwrap().is_number());
    }

    #[test]
    fn a_float_is_a_number(value in any::<f64>(), single in any::<f32>()) {
        let mut one = replacement(json!("numeric"), slot(Kind::Float));
        for value in [value, single.into()].into_iter().filter(|value| value.is_normal()) {
            let made: f64 = apply(&mut one, &format!("{value:e}")).parse().unwrap();
            prop_assert!(made.is_finite() && (made / value - 1.0).abs() < 0.21);
        }
    }

    #[test]
    fn a_number_of_a_range_is_in_it(
        value in "-?[0-9]{1,25}(\\.[0-9]{0,25})?",
        ends in proptest::array::uniform2(-1_000_000_000_i64..1_000_000_000),
        scale in 0_i32..6,
    ) {
        let [min, max] = ends.map(|end| end as f64 / 10_f64.powi(scale));
        let (min, max) = (min.min(max), min.max(max));
        for kind in [Kind::Numeric, Kind::Float] {
            let mut one = replacement(json!({"rule": "numeric", "min": min, "max": max}), slot(kind));
            let made: f64 = apply(&mut one, &value).parse().unwrap();
            prop_assert!((min..=max).contains(&made), "{} {} {}", min, made, max);
        }
    }

    #[test]
    fn a_date_is_a_date_that_near(day in -365_000_i32..365_000, days in 1_u32..36_500) {
        let epoch = jiff::civil::Date::constant(1970, 1, 1);
        let Ok(was) = epoch.checked_add(jiff::Span::new().days(day)) else { return Ok(()) };
        let near = |year: i16| (200..9_800).contains(&year);
        prop_assume!(near(was.year()));
        let mut one = replacement(json!({"rule": "date-shift", "days": days}), slot(Kind::Date));
        let is: jiff::civil::Date = apply(&mut one, &was.to_string()).parse().unwrap();
        let distance = (is - was).get_days().unsigned_abs();
        prop_assert!(1 <= distance && distance <= days);
    }

    #[test]
    fn an_array_has_its_elements_one_by_one(
        elements in proptest::collection::vec(proptest::option::of(any::<String>()), 1..12),
        columns in 1_usize..4,
    ) {
        let elements = &elements[..elements.len().next_multiple_of(columns).min(elements.len())];
        let mut one = replacement(json!("hash"), Slot { array: true, ..slot(Kind::Text) });
        let made = apply(&mut one, &written(elements, columns));
        let alone = |text: &String| replace(json!("hash"), Kind::Text, text);
        let expected: Vec<_> = elements.iter().map(|element| element.as_ref().map(alone)).collect();
        prop_assert_eq!(made, written(&expected, columns).replace('"', ""));
    }

    #[test]
    fn a_document_keeps_its_skeleton_and_nothing_that_no_path_keeps(was in document()) {
        let paths = json!({"$.a": "free-text", "$.b[*]": "hash", "$['e mail'].a": "integer",
            "$[*].b": "numeric"});
        let mut one = replacement(json!({"rule": "json", "paths": paths}), slot(Kind::Json));
        for text in [was.to_string(), serde_json::to_string_pretty(&was).unwrap()] {
            let made = apply(&mut one, &text);
            let is: Value = serde_json::from_str(&made).unwrap();
            same_skeleton(&was, &is);
            prop_assert!(!made.contains("secret"), "{}", made);
        }
    }

    #[test]
    fn no_text_at_all_breaks_the_reading_of_a_document_or_array(
        text in any::<String>(), odd in "[\\[\\]{}\",:\\\\a1é]{0,12}",
    ) {
        let paths = json!({"$.a": "name", "$[*]": "keep"});
        for text in [text, odd] {
            let mut one = replacement(json!({"rule": "json", "paths": paths}), slot(Kind::Json));
            let done = one.apply(&text, &mut String::new());
            let document = serde_json::from_str::<Value>(&text);
            prop_assert!(done.is_ok() || document.is_err(), "{}", text);
            let mut one = replacement(json!("name"), Slot { array: true, ..slot(Kind::Text) });
            let _ = one.apply(&text, &mut String::new());
        }
    }
}
