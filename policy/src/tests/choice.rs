//! The choice of a snapshot: single cases, the two nights on which the clocks change, and
//! properties of any choice.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp, ToSpan, civil, tz::TimeZone};
use proptest::prelude::*;

use crate::{Choice, Otherwise, Snapshot, SnapshotKind, SnapshotRule, snapshots};

fn berlin() -> TimeZone {
    TimeZone::get("Europe/Berlin").unwrap()
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn rule(window: Option<&str>) -> SnapshotRule {
    SnapshotRule {
        kind: SnapshotKind::Automated,
        window: window.map(|window| window.parse().unwrap()),
        tags: BTreeMap::new(),
        max_age: SignedDuration::from_hours(26),
        otherwise: Otherwise::Fail,
    }
}

fn snapshot(id: &str, taken: &str) -> Snapshot {
    let arn = format!("arn:aws:rds:eu-central-1:111122223333:cluster-snapshot:{id}");
    let (kind, status) = ("automated".into(), "available".into());
    Snapshot { id: id.into(), arn, taken: at(taken), kind, tags: BTreeMap::new(), status, encrypted: true }
}

fn chosen(choice: &Choice) -> Option<&str> {
    choice.chosen.as_ref().map(|snapshot| snapshot.id.as_str())
}

#[test]
fn the_newest_that_fits_is_chosen_and_of_every_other_is_said_why_not() {
    let mut copied = snapshot("creating", "2026-01-15T02:30:00Z");
    copied.status = "creating".into();
    let mut manual = snapshot("manual", "2026-01-15T02:00:00Z");
    manual.kind = "manual".into();
    let mut plain = snapshot("plain", "2026-01-15T01:45:00Z");
    plain.encrypted = false;
    let mut own = snapshot("own", "2026-01-15T01:30:00Z");
    own.tags.insert("managed-by".into(), "aurora-runbooks".into());
    let snapshots = [
        snapshot("night", "2026-01-15T01:00:00Z"),
        snapshot("older", "2026-01-15T00:30:00Z"),
        snapshot("old", "2026-01-13T01:00:00Z"),
        snapshot("evening", "2026-01-14T18:00:00Z"),
        snapshot("later", "2026-01-15T03:00:00Z"),
        copied,
        manual,
        plain,
        own,
    ];
    let choice = rule(Some("00:00-06:00")).choose(&snapshots, at("2026-01-15T02:30:00Z"), &berlin());
    assert_eq!(chosen(&choice), Some("night"));
    let expected = [
        "later of 2026-01-15 04:00 CET: passed over: it was taken 30m after the start of the run",
        "creating of 2026-01-15 03:30 CET: passed over: it is creating, not available",
        "manual of 2026-01-15 03:00 CET: passed over: it is manual, not automated",
        "plain of 2026-01-15 02:45 CET: passed over: it is not encrypted, so that it cannot be copied under \
        the customer key",
        "own of 2026-01-15 02:30 CET: passed over: it is a runbook's own copy",
        "night of 2026-01-15 02:00 CET: chosen: it is the newest that fits",
        "older of 2026-01-15 01:30 CET: passed over: it fits, and night is newer",
        "evening of 2026-01-14 19:00 CET: passed over: it was taken at 19:00, outside 00:00-06:00",
        "old of 2026-01-13 02:00 CET: passed over: it is 49h 30m old, more than 26h",
    ];
    assert_eq!(choice.because, expected);
}

#[test]
fn every_tag_of_the_rule_must_be_carried() {
    let mut rule = rule(None);
    rule.tags = BTreeMap::from([("backup".into(), "nightly".into()), ("checked".into(), "yes".into())]);
    let mut tagged = snapshot("tagged", "2026-01-15T01:00:00Z");
    tagged.tags = BTreeMap::from([("backup".into(), "weekly".into()), ("other".into(), "yes".into())]);
    let because = rule.choose(std::slice::from_ref(&tagged), at("2026-01-15T02:00:00Z"), &berlin()).because;
    assert!(
        because[0].ends_with("it has the tag backup=weekly, not nightly, and has no tag checked"),
        "{because:?}"
    );
    tagged.tags.extend(rule.tags.clone());
    assert!(rule.choose(&[tagged], at("2026-01-15T02:00:00Z"), &berlin()).chosen.is_some());
}

#[test]
fn an_age_too_great_by_a_second_does_not_look_as_great_as_allowed() {
    let snapshots = [snapshot("old", "2026-01-15T00:00:00Z")];
    let choice = rule(None).choose(&snapshots, at("2026-01-16T02:00:00Z"), &berlin());
    assert_eq!(chosen(&choice), Some("old"));
    let choice = rule(None).choose(&snapshots, at("2026-01-16T02:00:01Z"), &berlin());
    assert!(choice.because[0].ends_with("it is 26h 1m old, more than 26h"), "{:?}", choice.because);
}

#[test]
fn in_spring_the_window_is_of_the_wall_clock() {
    // On 2026-03-29 the clocks go from 02:00 CET to 03:00 CEST at 01:00 UTC.
    let snapshots = [snapshot("before", "2026-03-29T00:59:00Z"), snapshot("after", "2026-03-29T01:00:00Z")];
    let run = at("2026-03-29T06:00:00Z");
    assert_eq!(chosen(&rule(Some("01:00-03:00")).choose(&snapshots, run, &berlin())), Some("before"));
    assert_eq!(chosen(&rule(Some("03:00-04:00")).choose(&snapshots, run, &berlin())), Some("after"));
    // The hour that does not exist holds nothing, and is no reason to fail.
    assert_eq!(chosen(&rule(Some("02:00-03:00")).choose(&snapshots, run, &berlin())), None);
}

#[test]
fn in_autumn_both_hours_of_the_same_name_are_in_the_window() {
    // On 2026-10-25 the hour from 02:00 to 03:00 comes twice: in CEST from 00:00 UTC, in CET from
    // 01:00 UTC.
    let first = snapshot("first", "2026-10-25T00:30:00Z");
    let second = snapshot("second", "2026-10-25T01:30:00Z");
    let run = at("2026-10-25T06:00:00Z");
    let rule = rule(Some("02:00-03:00"));
    assert_eq!(chosen(&rule.choose(&[first.clone(), second.clone()], run, &berlin())), Some("second"));
    let choice = rule.choose(&[first, snapshot("later", "2026-10-25T02:00:00Z")], run, &berlin());
    assert_eq!(chosen(&choice), Some("first"));
    assert!(choice.because[1].starts_with("first of 2026-10-25 02:30 CEST: chosen"), "{:?}", choice.because);
}

#[test]
fn an_age_is_counted_in_hours_that_passed() {
    // 26 hours of the wall clock over the night of spring are 25 that passed.
    let snapshots = [snapshot("saturday", "2026-03-28T02:00:00Z")];
    let run = civil::date(2026, 3, 29).at(5, 0, 0, 0).to_zoned(berlin()).unwrap().timestamp();
    assert_eq!(chosen(&rule(None).choose(&snapshots, run, &berlin())), Some("saturday"));
}

#[test]
fn snapshots_are_read_as_the_command_line_prints_them() {
    let printed = include_str!("../../examples/snapshots.json");
    let source = |of: &str| -> crate::Source {
        let rest =
            r#""account": "1", "role": "r", "kms-key": "k", "snapshot": {"type": "manual", "max-age": "1d"}"#;
        serde_json::from_str(&format!("{{{of}, {rest}}}")).unwrap()
    };
    let orders = source(r#""cluster": "orders""#);
    let snapshots = snapshots(printed, &orders).unwrap();
    let choice = rule(Some("00:00-06:00")).choose(&snapshots, at("2026-03-27T02:30:00Z"), &berlin());
    assert_eq!(chosen(&choice), Some("rds:orders-2026-03-27-01-12"), "{:?}", choice.because);
    assert!(crate::snapshots("[]", &orders).is_err());
    // Another account's sync: what is tagged as sanitised by it, and no other.
    let tagged = |name: &str, sync: &str, role: &str| {
        let attested = if name == "d" { "another" } else { "run" };
        let tags = [
            ("managed-by", "aurora-runbooks"),
            ("sync", sync),
            ("role", role),
            ("execution", "run"),
            ("attested-run", attested),
        ];
        let tags = tags.map(|(key, value)| serde_json::json!({ "Key": key, "Value": value }));
        serde_json::json!({
            "DBClusterSnapshotIdentifier": name,
            "DBClusterSnapshotArn": format!("a:{name}"),
            "DBClusterIdentifier": "q",
            "SnapshotCreateTime": "2026-03-27T01:00:00Z",
            "SnapshotType": "manual",
            "Status": "available",
            "StorageEncrypted": true,
            "TagList": tags,
        })
    };
    let all = [
        ("a", "orders", "sanitized"),
        ("b", "orders", "copy"),
        ("c", "stock", "sanitized"),
        ("d", "orders", "sanitized"),
    ];
    let all = all.map(|(name, sync, role)| tagged(name, sync, role));
    let printed = serde_json::json!({ "DBClusterSnapshots": all }).to_string();
    let sync = source(r#""sync": "orders""#);
    let found = crate::snapshots(&printed, &sync).unwrap();
    let choice = sync.snapshot.choose(&found, at("2026-03-27T02:30:00Z"), &berlin());
    assert_eq!((found.len(), chosen(&choice)), (1, Some("a")), "{:?}", choice.because);
}

fn any_snapshot() -> impl Strategy<Value = Snapshot> {
    let word = |words: &'static [&'static str]| prop::sample::select(words).prop_map(str::to_owned);
    let tags = prop::collection::btree_map(word(&["backup", "checked"]), word(&["yes", "no"]), 0..3);
    let parts = (
        0..200_000i64,
        word(&["automated", "manual"]),
        word(&["available", "available", "creating"]),
        any::<bool>(),
        tags,
    );
    parts.prop_map(|(seconds, kind, status, encrypted, tags)| {
        let taken = at("2026-10-24T00:00:00Z") + seconds.seconds();
        let (id, arn) = (format!("s{seconds}-{kind}"), format!("arn:{seconds}"));
        Snapshot { id, arn, taken, kind, tags, status, encrypted }
    })
}

fn any_rule() -> impl Strategy<Value = SnapshotRule> {
    let window = prop::option::of((0..24i8, 1..24i8).prop_map(|(from, length)| {
        let time = |hour| civil::Time::new(hour % 24, 0, 0, 0).unwrap();
        crate::Window { from: time(from), until: time(from + length) }
    }));
    (window, 1..60i64, any::<bool>(), any::<bool>()).prop_map(|(window, hours, automated, tagged)| {
        SnapshotRule {
            kind: if automated { SnapshotKind::Automated } else { SnapshotKind::Manual },
            window,
            tags: if tagged { BTreeMap::from([("backup".into(), "yes".into())]) } else { BTreeMap::new() },
            max_age: SignedDuration::from_hours(hours),
            otherwise: Otherwise::Fail,
        }
    })
}

/// The rule once more, as one expression.
fn fits(rule: &SnapshotRule, snapshot: &Snapshot, run: Timestamp) -> bool {
    let time = snapshot.taken.to_zoned(berlin()).time();
    snapshot.status == "available"
        && snapshot.encrypted
        && snapshot.kind == rule.kind.as_str()
        && snapshot.taken <= run
        && run.duration_since(snapshot.taken) <= rule.max_age
        && rule.tags.iter().all(|(key, value)| snapshot.tags.get(key) == Some(value))
        && rule.window.is_none_or(|window| match window.from < window.until {
            true => (window.from..window.until).contains(&time),
            false => !(window.until..window.from).contains(&time),
        })
}

proptest! {
    #[test]
    fn what_is_chosen_fits_and_nothing_newer_does(
        rule in any_rule(),
        snapshots in prop::collection::vec(any_snapshot(), 0..12),
        after in 0..250_000i64,
    ) {
        let run = at("2026-10-24T00:00:00Z") + after.seconds();
        let choice = rule.choose(&snapshots, run, &berlin());
        let fitting = snapshots.iter().filter(|snapshot| fits(&rule, snapshot, run));
        let newest = fitting.map(|snapshot| snapshot.taken).max();
        prop_assert_eq!(choice.chosen.as_ref().map(|snapshot| snapshot.taken), newest);
        prop_assert!(choice.chosen.as_ref().is_none_or(|snapshot| fits(&rule, snapshot, run)));
        prop_assert_eq!(choice.because.len(), snapshots.len());
        let chosen = choice.because.iter().filter(|sentence| sentence.contains(": chosen: ")).count();
        prop_assert_eq!(chosen, usize::from(choice.chosen.is_some()));
    }

    #[test]
    fn the_order_of_the_snapshots_decides_nothing(
        rule in any_rule(),
        (snapshots, shuffled) in prop::collection::vec(any_snapshot(), 0..8)
            .prop_flat_map(|snapshots| (Just(snapshots.clone()), Just(snapshots).prop_shuffle())),
    ) {
        let run = at("2026-10-25T12:00:00Z");
        let taken = |snapshots| rule.choose(snapshots, run, &berlin()).chosen.map(|snapshot| snapshot.taken);
        prop_assert_eq!(taken(&snapshots), taken(&shuffled));
    }
}
