//! What a document becomes.

use std::collections::BTreeMap;

use super::*;

fn document(paths: Value) -> Replacement {
    replacement(json!({"rule": "json", "paths": paths}), slot(Kind::Json))
}

/// What the document becomes, and what was unknown in it.
fn through(paths: Value, text: &str) -> (String, BTreeMap<String, u64>) {
    let mut one = document(paths);
    let made = apply(&mut one, text);
    (made, one.seen().unknown)
}

fn unknown<const N: usize>(paths: [(&str, u64); N]) -> BTreeMap<String, u64> {
    paths.into_iter().map(|(path, count)| (path.to_owned(), count)).collect()
}

#[test]
fn each_path_has_its_rule_and_the_text_between_stays() {
    let paths = json!({"$.name": "name", "$.contact.email": "email", "$.cards[*].holder": "name",
        "$.cards[*].last4": "keep", "$.prices.*": {"rule": "integer", "min": 7, "max": 7},
        "$.active": "keep"});
    let name = replace(json!("name"), Kind::Text, "Anna");
    let email = replace(json!("email"), Kind::Text, "a@x.example");
    let (made, unknown) = through(
        paths,
        r#" {"name" : "Anna", "contact": {"email":"a@x.example"} ,"cards":[
            {"last4":"1234","holder":"Anna"}, {}], "prices":{"EUR":1,"USD":2.50}, "active":  true } "#,
    );
    let expected = format!(
        r#" {{"name" : "{name}", "contact": {{"email":"{email}"}} ,"cards":[
            {{"last4":"1234","holder":"{name}"}}, {{}}], "prices":{{"EUR":7,"USD":7}}, "active":  true }} "#
    );
    assert_eq!(made, expected);
    assert!(unknown.is_empty(), "{unknown:?}");
}

#[test]
fn a_value_that_no_path_covers_is_counted_and_becomes_null() {
    let paths = json!({"$.contact.email": "email"});
    let (made, found) = through(
        paths,
        r#"{"Email":"a@x","contact":{"email":null,"Email":"a@x","tags":["a",1,[true,null]]},"n":-1.5e3}"#,
    );
    assert_eq!(
        made,
        r#"{"Email":null,"contact":{"email":null,"Email":null,"tags":[null,null,[null,null]]},"n":null}"#
    );
    let expected = [
        ("$.Email", 1),
        ("$.contact.Email", 1),
        ("$.contact.tags[*]", 2),
        ("$.contact.tags[*][*]", 1),
        ("$.n", 1),
    ];
    assert_eq!(found, unknown(expected));
    for (whole, path) in [("\"a@x\"", "$"), ("7", "$"), ("[7]", "$[*]")] {
        let (made, found) = through(json!({"$.a": "name"}), whole);
        assert_eq!((made.contains('7'), found), (false, unknown([(path, 1)])));
    }
}

#[test]
fn null_and_what_is_empty_say_nothing() {
    let (made, found) = through(json!({"$.a": "name"}), r#"{"b":null,"c":{},"d":[ ],"e":[null,{}]}"#);
    assert_eq!(made, r#"{"b":null,"c":{},"d":[ ],"e":[null,{}]}"#);
    assert!(found.is_empty());
    assert_eq!(through(json!({"$.a": "name"}), "null").0, "null");
    let mut one = document(json!({"$.a": "name", "$.b": "free-text"}));
    assert_eq!(apply(&mut one, r#"{"a":null,"b":[ ]}"#), r#"{"a":null,"b":[ ]}"#);
    let [a, b] = &*one.seen().parts else { panic!() };
    assert_eq!((a.values, a.nulls, b.values, b.nulls), (0, 1, 0, 1));
}

#[test]
fn a_path_may_decide_about_all_that_is_below_it() {
    let text = r#"{"a":{"b":["x",{"c":"]}\""}],"jane@x.example":1},"d":2}"#;
    let of = |rule: Value| through(json!({"$.a": rule, "$.d": "keep"}), text);
    assert_eq!(of(json!("keep")), (text.to_owned(), BTreeMap::new()));
    assert_eq!(of(json!("null")), (r#"{"a":null,"d":2}"#.to_owned(), BTreeMap::new()));
    assert_eq!(of(json!({"rule": "constant", "value": "\"x\"\n"})).0, r#"{"a":"\"x\"\u000a","d":2}"#);
    let mut one = document(json!({"$.a": "keep", "$.d": "keep", "$.e": {"rule": "null", "optional": true}}));
    apply(&mut one, text);
    let values: Vec<u64> = one.seen().parts.iter().map(|part| part.values).collect();
    assert_eq!(values, [1, 1, 0]);
    assert!(one.seen().parts.iter().all(|part| part.marks.is_empty()));
}

#[test]
fn a_value_that_the_rule_is_not_for_becomes_null() {
    for (rule, value, becomes) in [
        (json!("name"), r#"{"first":"Anna"}"#, Some("null")),
        (json!("name"), r#"["Anna"]"#, Some("null")),
        (json!("integer"), "\"7\"", Some("null")),
        (json!("integer"), "7.5", Some("null")),
        (json!("integer"), "1e400", Some("null")),
        (json!("integer"), "true", Some("null")),
        (json!("integer"), "[7]", Some("null")),
        (json!("numeric"), "\"7\"", Some("null")),
        (json!({"rule": "date-shift", "days": 3}), "20240101", Some("null")),
        (json!({"rule": "date-shift", "days": 3}), "\"2024-01-01 of Anna\"", Some("null")),
        (json!({"rule": "date-shift", "days": 3}), "\"infinity\"", Some("null")),
        (json!("null"), "7", Some("null")),
        // Text rules make text of numbers and of true and false.
        (json!("phone"), "491701234567", None),
        (json!("hash"), "true", None),
    ] {
        let mut one = document(json!({"$.a": rule}));
        let made = apply(&mut one, &format!(r#"{{"a":{value}}}"#));
        match becomes {
            Some(becomes) => assert_eq!(made, format!(r#"{{"a":{becomes}}}"#), "{value}"),
            None => assert!(made.starts_with(r#"{"a":""#) && made.len() > 15, "{made}"),
        }
        assert_eq!(counts(&one), (1, 0));
    }
}

#[test]
fn numbers_stay_numbers_and_dates_keep_their_form() {
    let mut one =
        document(json!({"$.n": "numeric", "$.i": "integer", "$.d": {"rule": "date-shift", "days": 3}}));
    for number in ["12.50", "-0.05", "1e5", "1.5E-7", "123456789012345678901234567890", "1e400"] {
        let made = apply(&mut one, &format!(r#"{{"n":{number}}}"#));
        assert_ne!(made, format!(r#"{{"n":{number}}}"#));
        if number != "1e400" {
            let made: Value = serde_json::from_str(&made).unwrap();
            let (was, is): (f64, f64) = (number.parse().unwrap(), made["n"].as_f64().unwrap());
            assert!((is / was - 1.0).abs() <= 0.21, "{number} {is}");
        }
    }
    assert_eq!(apply(&mut one, r#"{"n":0}"#), r#"{"n":0}"#);
    assert_eq!(one.seen().parts[2].unchanged, 1);
    let made = apply(&mut one, r#"{"i":-5,"d":"2024-02-29T10:00:00.000Z"}"#);
    let expected: i64 = replace(json!("integer"), Kind::Integer, "-5").parse().unwrap();
    let made: Value = serde_json::from_str(&made).unwrap();
    assert_eq!(made["i"], expected);
    assert!(made["d"].as_str().unwrap().ends_with("T10:00:00.000Z"));
    for border in ["0001-01-01", "9999-12-31"] {
        let made = apply(&mut one, &format!(r#"{{"d":"{border}"}}"#));
        assert_eq!(made.len(), r#"{"d":"0001-01-01"}"#.len(), "{made}");
    }
}

#[test]
fn keys_and_strings_are_what_their_escapes_say() {
    let name = replace(json!("name"), Kind::Text, "Zoë \"Z\" 😀");
    let paths = json!({"$['e mail']": "name", "$.naïve": "name", "$['a\"b']": "name"});
    let escaped =
        r#"{"e\u0020mail":"Zo\u00eb \"Z\" \ud83d\uDE00","na\u00EFve":"Zoë \u0022Z\" 😀","a\"b":"x"}"#;
    let (made, found) = through(paths, escaped);
    let x = replace(json!("name"), Kind::Text, "x");
    assert_eq!(made, format!(r#"{{"e\u0020mail":"{name}","na\u00EFve":"{name}","a\"b":"{x}"}}"#));
    assert!(found.is_empty(), "{found:?}");
    // Half a pair, as a json may hold: some text, and the same for the same.
    let mut one = document(json!({"$[*]": "free-text"}));
    let made = apply(&mut one, r#"["\ud800","\ud800x","\udc00\ud800","\u0000a"]"#);
    let made: Vec<String> = serde_json::from_str(&made).unwrap();
    assert_eq!(made.iter().map(String::len).collect::<Vec<_>>(), [1, 2, 2, 2]);
    let made = apply(&mut document(json!({"$[*]": "hash"})), r#"["\udc00"]"#);
    assert_eq!(made, format!("[\"{}\"]", replace(json!("hash"), Kind::Text, "\u{fffd}")));
}

#[test]
fn a_key_that_comes_twice_is_replaced_twice() {
    let name = replace(json!("name"), Kind::Text, "a");
    let (made, _) = through(json!({"$.x": "name"}), r#"{"x":"a","x":"a"}"#);
    assert_eq!(made, format!(r#"{{"x":"{name}","x":"{name}"}}"#));
}

#[test]
fn a_named_key_comes_before_the_wildcard_and_keeps_what_that_says_below() {
    let seven = json!({"rule": "integer", "min": 7, "max": 7});
    let eight = json!({"rule": "integer", "min": 8, "max": 8});
    for paths in [
        json!({"$.a.x": seven, "$.*.y": eight, "$.*.z[*]": "keep"}),
        json!({"$.*.z[*]": "keep", "$.*.y": eight, "$.a.x": seven}),
    ] {
        let (made, found) = through(paths, r#"{"a":{"x":1,"y":1,"z":[1]},"b":{"x":1,"y":1,"z":[1]}}"#);
        assert_eq!(made, r#"{"a":{"x":7,"y":8,"z":[1]},"b":{"x":null,"y":8,"z":[1]}}"#);
        assert_eq!(found, unknown([("$.*.x", 1)]));
    }
    let paths = json!({"$.a.*.p": seven, "$.*.k.q": eight, "$.*.*.r": "keep"});
    let (made, found) =
        through(paths, r#"{"a":{"k":{"p":1,"q":1,"r":1},"l":{"p":1,"r":1}},"b":{"k":{"q":1}}}"#);
    assert_eq!(made, r#"{"a":{"k":{"p":7,"q":8,"r":1},"l":{"p":7,"r":1}},"b":{"k":{"q":8}}}"#);
    assert!(found.is_empty(), "{found:?}");
    let same = json!({"rule": "json", "paths": {"$.a": "keep", "$.*": "email"}});
    assert!(refusal(same, slot(Kind::Json)).contains("one and the same"));
    let inner = json!({"rule": "json", "paths": {"$.a": {"rule": "sql", "expression": "1"}}});
    assert!(refusal(inner, slot(Kind::Json)).contains("at $.a: "));
}

#[test]
fn with_longer_paths_below_it_a_rule_is_for_the_values_that_stand_there_themselves() {
    let paths = json!({"$.a[*]": "keep", "$.a[*].b": {"rule": "constant", "value": "x"}});
    let (made, found) = through(paths, r#"{"a":["none",{"b":1,"c":2},[3]]}"#);
    assert_eq!(made, r#"{"a":["none",{"b":"x","c":null},[null]]}"#);
    assert_eq!(found, unknown([("$.a[*].c", 1), ("$.a[*][*]", 1)]));
}

#[test]
fn a_key_that_looks_like_a_value_is_counted_wherever_no_path_names_it() {
    let long = "x".repeat(65);
    for key in ["jane@x.example", "Jane Roe", "123456", "", &long, "a\\u0000b"] {
        let (_, found) = through(json!({"$.m.*": "keep"}), &format!(r#"{{"m":{{"{key}":1,"fine":2}}}}"#));
        assert_eq!(found, unknown([("$.m.* (keys)", 1)]), "{key}");
        // Even when nothing is under it.
        let (_, found) = through(json!({"$.a": "keep"}), &format!(r#"{{"m":{{"{key}":null}}}}"#));
        assert_eq!(found, unknown([("$.m.* (keys)", 1)]), "{key}");
    }
    for key in ["EUR", "12345", "user-name", "a.b", "größe", &long[1..]] {
        let (_, found) = through(json!({"$.m.*": "keep"}), &format!(r#"{{"m":{{"{key}":1}}}}"#));
        assert!(found.is_empty(), "{key}");
    }
    let (_, found) = through(json!({"$['e mail']": "keep"}), r#"{"e mail":1}"#);
    assert!(found.is_empty());
}

#[test]
fn keys_that_are_values_or_too_many_are_shown_together() {
    let mut one = document(json!({"$.known.deep": "keep"}));
    for n in 0..60 {
        apply(&mut one, &format!(r#"{{"known":{{"deep":1,"x":1}},"map":{{"k{n}":{{"v":1}}}}}}"#));
    }
    apply(&mut one, r#"{"map":{"Jane Roe":{"v":1},"a']b":{"v":1}}}"#);
    let expected = [("$.known.x", 60), ("$.map.* (keys)", 1), ("$.map.*.v", 62)];
    assert_eq!(one.seen().unknown, unknown(expected));

    let mut one = document(json!({"$.a": "keep"}));
    (0..50).for_each(|n| drop(apply(&mut one, &format!(r#"{{"k{n}":1}}"#))));
    assert_eq!(one.seen().unknown.len(), 50);
    (0..50).for_each(|n| drop(apply(&mut one, &format!(r#"{{"k{n}":1}}"#))));
    assert_eq!(one.seen().unknown.len(), 50);
    apply(&mut one, r#"{"k50":1,"a":2}"#);
    assert_eq!(one.seen().unknown, unknown([("$.*", 101)]));
}

#[test]
fn what_is_kept_of_unknown_paths_has_an_end() {
    let mut one = document(json!({"$.a": "keep"}));
    for (a, b, c) in (0..40).flat_map(|a| (0..40).flat_map(move |b| (0..40).map(move |c| (a, b, c)))) {
        apply(&mut one, &format!(r#"{{"x{a}":{{"x{b}":{{"x{c}":"v"}}}}}}"#));
    }
    assert_eq!(one.seen().unknown.len(), 500);
    let depth = 100_000;
    let deep = format!("{}{}{}", "{\"x\":[".repeat(depth), "\"v\"", "]}".repeat(depth));
    let mut one = document(json!({"$.a": "keep"}));
    assert_eq!(apply(&mut one, &deep), deep.replace("\"v\"", "null"));
    assert_eq!(one.seen().unknown.values().sum::<u64>(), 1);
    assert!(one.seen().unknown.keys().all(|path| path.len() < 200));
}

#[test]
fn unknown_paths_are_paths_that_a_policy_takes() {
    let mut one = document(json!({"$.a": "keep"}));
    apply(&mut one, r#"{"x y":{"it's":[1]},"ü-1":{"a.b":2},"c['d']":[[3]],"$":{"*":4}}"#);
    for path in one.seen().unknown.keys().filter(|path| !path.ends_with(" (keys)")) {
        let parsed: policy::JsonPath = path.parse().unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(parsed.to_string(), *path);
    }
    assert_eq!(one.seen().unknown.len(), 5, "{:?}", one.seen().unknown);
}

#[test]
fn what_is_no_document_is_not_passed_through() {
    let malformed = [
        "",
        " ",
        "{",
        "}",
        "[",
        "]",
        "[1,]",
        "[,1]",
        "{,}",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{a:1}",
        "[1}",
        "{\"a\":1]",
        "[1 2]",
        "1 2",
        "[1]]",
        "\"a",
        "\"a\\",
        "nul",
        "nulll",
        "{\"a\":{\"b\":1}",
        "[{]",
        "jane",
        "é",
        "{\"\\x\":1}",
        "{\"\\u12\":1}",
    ];
    for text in malformed {
        for paths in [json!({"$.a": "name"}), json!({"$.a": "keep"}), json!({"$[*]": "name"})] {
            let mut out = String::new();
            assert!(document(paths).apply(text, &mut out).is_err(), "{text} became {out}");
        }
    }
    assert!(document(json!({"$.a": "name"})).apply(r#"{"a":"\u12é"}"#, &mut String::new()).is_err());
}
