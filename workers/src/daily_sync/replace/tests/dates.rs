//! What a date or time becomes.

use jiff::{ToSpan, civil::Date};

use super::*;

fn shift(days: u32, kind: Kind) -> Replacement {
    replacement(json!({"rule": "date-shift", "days": days}), slot(kind))
}

#[test]
fn a_date_moves_by_at_most_the_days_and_never_stays() {
    let first: Date = "1890-01-01".parse().unwrap();
    let mut distances = BTreeSet::new();
    let mut one = shift(3, Kind::Date);
    for days in 0..60_000 {
        let was = first + days.days();
        let is: Date = apply(&mut one, &was.to_string()).parse().unwrap();
        distances.insert((is - was).get_days());
    }
    assert_eq!(distances, BTreeSet::from([-3, -2, -1, 1, 2, 3]));
    assert_eq!(counts(&one), (60_000, 0));
    let mut far = shift(36_500, Kind::Date);
    let is: Date = apply(&mut far, "2024-02-29").parse().unwrap();
    assert!((is - first).get_days().unsigned_abs() < 100_000);
}

#[test]
fn every_day_of_four_centuries_is_counted_as_another_calendar_counts_it() {
    let mut one = shift(1, Kind::Date);
    let mut day: Date = "1999-12-31".parse().unwrap();
    while day.year() < 2401 {
        let made: Date = apply(&mut one, &day.to_string()).parse().unwrap();
        assert!(made == day.tomorrow().unwrap() || made == day.yesterday().unwrap(), "{day} {made}");
        day = day.tomorrow().unwrap();
    }
}

#[test]
fn the_time_of_day_and_the_zone_stay() {
    for (text, time) in [
        ("2024-02-29 23:59:59.123456", " 23:59:59.123456"),
        ("2024-02-29 00:00:00+00", " 00:00:00+00"),
        ("12024-02-29 01:02:03+05:30", " 01:02:03+05:30"),
    ] {
        let made = apply(&mut shift(30, Kind::Timestamp), text);
        assert!(made.ends_with(time), "{made}");
        assert_ne!(made, text);
    }
    let before_christ = apply(&mut shift(30, Kind::Timestamp), "0044-03-15 12:00:00+00 BC");
    assert!(before_christ.starts_with("0044-0") && before_christ.ends_with(" 12:00:00+00 BC"));
}

/// All days that one day becomes, under as many keys.
fn all(days: u32, kind: Kind, value: &str) -> BTreeSet<String> {
    let of = rule(json!({"rule": "date-shift", "days": days}));
    let made = |n: u32| {
        let key = Key::new(&format!("key {n}"));
        apply(&mut Replacement::new(&key, &of, &slot(kind)).unwrap(), value)
    };
    (0..60).map(made).collect()
}

#[test]
fn at_its_borders_a_type_leaves_one_direction() {
    for (kind, border, next) in [
        (Kind::Date, "4714-11-24 BC", "4714-11-25 BC"),
        (Kind::Date, "5874897-12-31", "5874897-12-30"),
        (Kind::Timestamp, "4714-11-24 00:00:00 BC", "4714-11-25 00:00:00 BC"),
        (Kind::Timestamp, "294276-12-31 23:59:59.999999", "294276-12-30 23:59:59.999999"),
    ] {
        assert_eq!(all(1, kind, border), BTreeSet::from([next.to_owned()]));
    }
}

#[test]
fn there_is_no_year_0_and_a_leap_year_before_it() {
    let both = |value| all(1, Kind::Date, value).into_iter().collect::<Vec<_>>();
    assert_eq!(both("0001-01-01"), ["0001-01-02", "0001-12-31 BC"]);
    assert_eq!(both("0001-12-31 BC"), ["0001-01-01", "0001-12-30 BC"]);
    assert_eq!(both("0001-03-01 BC"), ["0001-02-29 BC", "0001-03-02 BC"]);
    assert_eq!(both("9999-12-31"), ["10000-01-01", "9999-12-30"]);
    assert_eq!(both("1900-03-01"), ["1900-02-28", "1900-03-02"]);
    assert_eq!(both("2000-02-29"), ["2000-02-28", "2000-03-01"]);
}

#[test]
fn infinity_stays_and_is_not_counted_against_the_rule() {
    let mut one = shift(30, Kind::Timestamp);
    for value in ["infinity", "-infinity"] {
        assert_eq!(apply(&mut one, value), value);
    }
    assert_eq!(counts(&one), (2, 0));
    assert!(one.seen().parts[0].marks.is_empty());
}

#[test]
fn what_is_no_date_is_not_passed_through() {
    let of = json!({"rule": "date-shift", "days": 3});
    for text in
        ["", "2024", "2024-1-1", "2024-13-01", "2024-02-30", "2023-02-29", "24-01-01", "2024-01-011", "now"]
    {
        unfit(of.clone(), Kind::Date, text);
    }
    assert!(refusal(json!({"rule": "date-shift", "days": 0}), slot(Kind::Date)).contains("0 days"));
}
