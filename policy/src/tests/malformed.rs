//! Malformed policies: each is the base with one thing changed, and each says at which line and
//! field it is wrong. They stand in malformed.txt.

use crate::{Error, Errors, Policy};

const BASE: &str = include_str!("base.yaml");

const CASES: &str = include_str!("malformed.txt");

/// What stands in the base, what stands there instead, and what is said of it.
struct Case {
    from: String,
    to: String,
    line: usize,
    field: &'static str,
    message: &'static str,
}

fn cases() -> impl Iterator<Item = Case> {
    CASES.split("\n\n").filter(|block| block.starts_with(['-', '+'])).map(|block| {
        let (mut from, mut to, mut said) = (String::new(), String::new(), None);
        for line in block.lines() {
            match line.split_at(2) {
                ("- ", text) => from += &text.replace('↵', "\n"),
                ("+ ", text) => to += &text.replace('↵', "\n"),
                _ => said = line.split_once(": "),
            }
        }
        let (place, message) = said.unwrap_or_else(|| panic!("nothing is said of\n{block}"));
        let (line, field) = place.split_once(' ').unwrap_or((place, ""));
        Case { from, to, line: line.parse().unwrap(), field, message }
    })
}

#[test]
fn the_base_is_well_formed() {
    Policy::parse(BASE).unwrap();
}

#[test]
fn every_malformed_policy_is_refused_with_line_and_field() {
    let (mut count, mut wrong) = (0, Vec::new());
    for Case { from, to, line, field, message } in cases() {
        count += 1;
        assert!(BASE.contains(&from), "the base has no {from:?}");
        match Policy::parse(&BASE.replacen(&from, &to, 1)) {
            Ok(_) => wrong.push(format!("{to:?} was taken")),
            Err(Errors(errors)) => {
                let as_said = matches!(errors.as_slice(), [error]
                    if (error.line, &*error.field) == (line, field) && error.message.contains(message));
                if !as_said {
                    let errors = Errors(errors);
                    wrong.push(format!("{to:?}: line {line}, {field}: {message}\n    but: {errors}"));
                }
            }
        }
    }
    assert!(count > 100, "only {count} cases");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn several_mistakes_are_reported_at_once() {
    let form = BASE
        .replace("type: automated", "type: x")
        .replace("count: 1", "count: x")
        .replace("email: email\n", "email: x\n");
    let lines =
        |text: &str| Policy::parse(text).unwrap_err().0.iter().map(|error| error.line).collect::<Vec<_>>();
    assert_eq!(lines(&form), [8, 43, 52, 62, 78]);
    let sense = BASE
        .replace("role: arn:aws:iam::1111", "role: arn:aws:iam::9999")
        .replace("{database: shop", "{database: x");
    assert_eq!(lines(&sense), [5, 39, 42]);
}

#[test]
fn an_error_reads_like_a_sentence_of_a_compiler() {
    let error = Error {
        line: 14,
        column: 9,
        field: "syncs.orders.targets[1].swap".into(),
        message: "\"x\" is not one of rename, secret".into(),
    };
    assert_eq!(
        error.to_string(),
        "line 14, column 9: syncs.orders.targets[1].swap: \"x\" is not one of rename, secret"
    );
}

#[test]
fn a_target_in_production_is_never_a_source() {
    let text =
        BASE.replace("444455556666", "111122223333").replace("cluster: orders-dev\n", "cluster: orders\n");
    let Errors(errors) = Policy::parse(&text).unwrap_err();
    assert_eq!((errors.len(), errors[0].line), (1, 24), "{errors:?}");
    assert!(errors[0].message.contains("is the source of orders"));
}

/// An execution has room for so many.
#[test]
fn fifteen_targets_are_taken_and_sixteen_are_not() {
    let begin = BASE.find("      - cluster: orders-support\n").unwrap();
    let end = BASE.find("    masking:\n").unwrap();
    let one = &BASE[begin..end];
    // The base has two.
    let with = |more: usize| {
        let more: String = (0..more).map(|number| one.replace("support", &format!("s{number}"))).collect();
        Policy::parse(&[&BASE[..end], &more, &BASE[end..]].concat())
    };
    with(13).unwrap();
    let Err(Errors(errors)) = with(14) else { panic!("sixteen are taken") };
    let [error] = errors.as_slice() else { panic!("{} mistakes", errors.len()) };
    assert_eq!(error.field, "syncs.orders.targets");
    assert!(error.message.contains("has 16 targets, and one execution has room for 15"), "{}", error.message);
}
