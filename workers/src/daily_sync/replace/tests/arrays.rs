//! What an array becomes.

use super::*;

fn elements(of: Value, kind: Kind) -> Replacement {
    replacement(of, Slot { array: true, unique: true, ..slot(kind) })
}

#[test]
fn each_element_becomes_what_it_would_alone() {
    let alone = |value: &str| replace(json!("name"), Kind::Text, value);
    let (anna, bob) = (alone("anna"), alone("bob"));
    let mut one = elements(json!("name"), Kind::Text);
    assert_eq!(apply(&mut one, "{anna,bob}"), format!("{{{anna},{bob}}}"));
    assert_eq!(apply(&mut one, "{anna,NULL,anna}"), format!("{{{anna},NULL,{anna}}}"));
    assert_eq!(counts(&one), (4, 0));
    assert_eq!(one.seen().parts[0].within, Within::Elements);
    assert_eq!(one.seen().parts[0].marks.len(), 2);
}

#[test]
fn quotes_and_escapes_are_none_of_the_element() {
    let alone = |value: &str| replace(json!("hash"), Kind::Text, value);
    for (array, element) in [
        (r#"{"a b"}"#, "a b"),
        (r#"{"a \"b\" \\ c"}"#, r#"a "b" \ c"#),
        (r#"{"{a,b}"}"#, "{a,b}"),
        (r#"{""}"#, ""),
        (r#"{"NULL"}"#, "NULL"),
        (r#"{"\é\""}"#, "é\""),
        ("{\"two\nlines\"}", "two\nlines"),
        ("{日本}", "日本"),
    ] {
        assert_eq!(apply(&mut elements(json!("hash"), Kind::Text), array), format!("{{{}}}", alone(element)));
    }
}

#[test]
fn dimensions_and_bounds_stay() {
    let mut one = elements(json!({"rule": "integer", "min": 7, "max": 7}), Kind::Integer);
    for (array, becomes) in [
        ("{}", "{}"),
        ("{{1,2},{3,4}}", "{{7,7},{7,7}}"),
        ("{{{1}},{{NULL}}}", "{{{7}},{{NULL}}}"),
        ("[0:1]={1,2}", "[0:1]={7,7}"),
        ("[-1:-1][5:6]={{1,2}}", "[-1:-1][5:6]={{7,7}}"),
    ] {
        assert_eq!(apply(&mut one, array), becomes);
    }
}

#[test]
fn an_element_is_quoted_where_it_must_be() {
    let mut one = elements(json!("address"), Kind::Text);
    let made = apply(&mut one, "{home}");
    assert!(made.starts_with("{\"") && made.ends_with(" Street 1\"}"), "{made}");
    let made = apply(&mut elements(json!("free-text"), Kind::Text), r#"{"",abc}"#);
    assert!(made.starts_with(r#"{"","#), "{made}");
    let made = apply(&mut elements(json!("hash"), Kind::Bytes), r#"{"\\x00ff"}"#);
    assert_eq!(made, format!(r#"{{"\{}"}}"#, replace(json!("hash"), Kind::Bytes, r"\x00ff")));
    let made = apply(
        &mut elements(json!({"rule": "date-shift", "days": 9}), Kind::Timestamp),
        r#"{"2024-01-15 10:00:00",infinity}"#,
    );
    assert!(made.starts_with("{\"202") && made.ends_with(" 10:00:00\",infinity}"), "{made}");
    assert_eq!(
        apply(&mut elements(json!("numeric"), Kind::Numeric), r#"{"$1,234.00"}"#).len(),
        "{1234.00}".len()
    );
}

#[test]
fn null_and_constant_take_the_array_as_a_whole() {
    let array = Slot { array: true, not_null: false, length: Some(1), ..slot(Kind::Text) };
    let mut constant = replacement(json!({"rule": "constant", "value": "{none}"}), array);
    assert_eq!(apply(&mut constant, "{a,b}"), "{none}");
    assert_eq!(counts(&constant), (1, 0));
    let mut null = replacement(Value::Null, array);
    assert_eq!(null.apply("{a,b}", &mut String::new()), Ok(Replaced::Null));
    assert_eq!(null.seen().parts[0].within, Within::Column);
    let documents = Slot { array: true, ..slot(Kind::Json) };
    assert!(refusal(json!({"rule": "json", "paths": {"$.a": "name"}}), documents).contains("does not fit"));
}

#[test]
fn what_is_no_array_is_not_passed_through() {
    let malformed = [
        "", "a", "{", "}", "{a", "{a}b", "{\"a}", "{\"a\\", "[0:1]", "[0:1]{a}", "{{a}", "{a}}", "\"a\"", ",",
    ];
    for text in malformed {
        let mut one = elements(json!("name"), Kind::Text);
        assert!(one.apply(text, &mut String::new()).is_err(), "{text}");
    }
}
