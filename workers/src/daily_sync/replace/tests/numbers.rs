//! What a number becomes.

use super::*;

fn numeric(kind: Kind) -> Replacement {
    replacement(json!("numeric"), slot(kind))
}

fn range(min: Value, max: Value, kind: Kind) -> Replacement {
    replacement(json!({"rule": "numeric", "min": min, "max": max}), slot(kind))
}

#[test]
fn an_integer_becomes_another_one_for_one() {
    for small in [true, false] {
        let mut one = replacement(json!("integer"), Slot { small, unique: true, ..slot(Kind::Integer) });
        let mut made = BTreeSet::new();
        for value in -50_000_i64..50_000 {
            let other: i64 = apply(&mut one, &value.to_string()).parse().unwrap();
            assert_ne!(other, value);
            assert_eq!(other < 0, value < 0);
            assert!(made.insert(other), "{other} comes twice");
        }
        assert_eq!(counts(&one), (100_000, 0));
    }
}

#[test]
fn all_numbers_of_sixteen_bits_become_all_of_them() {
    let mut one = replacement(json!("integer"), Slot { small: true, ..slot(Kind::Integer) });
    let made: BTreeSet<i16> =
        (i16::MIN..=i16::MAX).map(|value| apply(&mut one, &value.to_string()).parse().unwrap()).collect();
    assert_eq!(made.len(), 65_536);
}

#[test]
fn an_integer_fits_the_type_that_it_is_of() {
    let mut one = replacement(json!("integer"), slot(Kind::Integer));
    for edge in [0_u32, 10, 15, 29, 30, 31, 32, 39, 40, 41, 49, 50, 51, 62, 63].map(|bit| 1_i128 << bit) {
        for value in [edge - 1, edge, edge + 1, -edge, 1 - edge, -1 - edge] {
            let Ok(value) = i64::try_from(value) else { continue };
            let other: i64 = apply(&mut one, &value.to_string()).parse().unwrap();
            assert_ne!(other, value);
            assert_eq!(i32::try_from(value).is_ok(), i32::try_from(other).is_ok(), "{value} {other}");
        }
    }
    for no_number in ["1.5", "", "9223372036854775808", "1e3", "0x1"] {
        unfit(json!("integer"), Kind::Integer, no_number);
    }
}

#[test]
fn an_integer_of_a_range_is_in_it_and_reaches_its_ends() {
    let of = json!({"rule": "integer", "min": -3, "max": 3});
    let mut one = replacement(of.clone(), slot(Kind::Integer));
    let made: BTreeSet<i64> =
        (0..1_000).map(|value| apply(&mut one, &value.to_string()).parse().unwrap()).collect();
    assert_eq!(made, BTreeSet::from_iter(-3..=3));
    // Some are what they were, by chance.
    assert_eq!(counts(&one), (1_000, 0));
    assert!(refusal(of, Slot { unique: true, ..slot(Kind::Integer) }).contains("leave min and max out"));
    assert!(refusal(json!({"rule": "integer", "max": -1}), slot(Kind::Integer)).contains("min 0"));
    let whole = json!({"rule": "integer", "min": i64::MIN, "max": i64::MAX});
    apply(&mut replacement(whole, slot(Kind::Integer)), "1").parse::<i64>().unwrap();
    let small = Slot { small: true, ..slot(Kind::Integer) };
    let mut one = replacement(json!({"rule": "integer", "min": 1}), small);
    assert!((0..1_000).all(|value| apply(&mut one, &value.to_string()).parse::<i16>().is_ok()));
    assert!(refusal(json!({"rule": "integer", "max": 40_000}), small).contains("32767"));
}

#[test]
fn a_numeric_keeps_its_scale_and_stays_within_a_fifth() {
    for value in ["1234.50", "3", "9.99", "-0.0300", "99.99", "1000000000000000000000000.01", "0.00004"] {
        let mut one = numeric(Kind::Numeric);
        let made = apply(&mut one, value);
        assert_ne!(made, value);
        assert_eq!(counts(&one), (1, 0));
        let scale = |text: &str| text.split_once('.').map_or(0, |(_, rest)| rest.len());
        assert_eq!(scale(&made), scale(value), "{made}");
        let (was, is): (f64, f64) = (value.parse().unwrap(), made.parse().unwrap());
        let unit = 10_f64.powi(-(scale(value) as i32));
        assert!((is - was).abs() <= was.abs() * 0.2 + unit / 2.0 + 1e-9 * was.abs(), "{value} {made}");
    }
}

#[test]
fn no_numeric_is_left_as_it_was_but_those_that_rounding_gives_no_other() {
    let mut one = numeric(Kind::Numeric);
    for value in 3..20_000 {
        let made: i64 = apply(&mut one, &value.to_string()).parse().unwrap();
        assert_ne!(made, value);
        assert!((made * 10 - value * 10).abs() <= value * 2 + 5, "{value} {made}");
    }
    assert_eq!(counts(&one), (19_997, 0));
    let stay = ["0", "1", "2", "-1", "0.00", "0.02", "NaN", "Infinity", "-Infinity"];
    for value in stay {
        assert_eq!(apply(&mut one, value), value);
    }
    assert_eq!(counts(&one).1, stay.len() as u64);
    // 100 of them would stay by chance, were they not moved.
    let mut one = numeric(Kind::Integer);
    (100..200).cycle().take(1_000).for_each(|value: i32| drop(apply(&mut one, &value.to_string())));
    assert_eq!(counts(&one).1, 0);
}

#[test]
fn equal_numerics_become_equal_ones_whatever_their_scale() {
    let mut one = numeric(Kind::Numeric);
    let exact: f64 = apply(&mut one, "12345678.00000000").parse().unwrap();
    for equal in ["12345678", "12345678.0", "12345678.000"] {
        let other: f64 = apply(&mut one, equal).parse().unwrap();
        assert!((exact - other).abs() <= 0.5, "{equal}");
    }
    let mut one = range(json!(0), json!(1_000_000), Kind::Numeric);
    assert_eq!(apply(&mut one, "7.50").trim_end_matches('0'), apply(&mut one, "7.50"));
}

#[test]
fn a_numeric_never_gets_a_digit_more() {
    let mut one = numeric(Kind::Numeric);
    for value in 0..10_000 {
        let value = format!("{}.{:02}", 90 + value % 10, value / 100);
        assert!(apply(&mut one, &value).len() <= 5, "numeric(4,2) does not hold it");
    }
    for largest in [i64::from(i16::MAX), i32::MAX.into(), i64::MAX] {
        let mut one = numeric(Kind::Integer);
        for value in (0..1_000).flat_map(|n| [largest - n, n - largest - 1]) {
            let made: i64 = apply(&mut one, &value.to_string()).parse().unwrap();
            assert!((-largest - 1..=largest).contains(&made), "{value} {made}");
        }
    }
    for (float, largest) in [("3.4028235e+38", f32::MAX.into()), ("1.7976931348623157e+308", f64::MAX)] {
        let made: f64 = apply(&mut numeric(Kind::Float), float).parse().unwrap();
        assert!(made <= largest, "{made}");
    }
}

#[test]
fn a_float_is_read_in_each_of_its_forms() {
    for value in ["1.5", "-1234567", "1e+20", "1.5e-07", "0.1", "-0.75"] {
        let mut one = numeric(Kind::Float);
        let made = apply(&mut one, value);
        let (was, is): (f64, f64) = (value.parse().unwrap(), made.parse().unwrap());
        assert!((is / was - 1.0).abs() <= 0.21, "{value} {made}");
        assert_ne!(value, made);
        // Also where the column is a float4, with six digits for sure.
        assert!((is / was - 1.0).abs() >= 0.000_9, "{value} {made}");
    }
    for no_number in ["", "-", "1.2.3", "1e", "e5", "1e+", "one", "--1", "1 "] {
        unfit(json!("numeric"), Kind::Float, no_number);
    }
}

#[test]
fn money_is_read_as_the_locale_c_writes_it() {
    for value in ["$1,234.50", "-$1,234.50", "$12.00"] {
        let made = apply(&mut numeric(Kind::Numeric), value);
        let (was, is): (f64, f64) = (value.replace(['$', ','], "").parse().unwrap(), made.parse().unwrap());
        assert!((is / was - 1.0).abs() <= 0.2, "{value} {made}");
    }
    assert_eq!(apply(&mut numeric(Kind::Numeric), "$0.00"), "$0.00");
}

#[test]
fn a_numeric_of_a_range_is_in_it_with_the_scale_that_it_had() {
    let mut one = range(json!(-1.5), json!(2.25), Kind::Numeric);
    for value in 0..2_000 {
        let made = apply(&mut one, &format!("{value}.000"));
        assert_eq!(made.split_once('.').unwrap().1.len(), 3, "{made}");
        assert!((-1.5..=2.25).contains(&made.parse().unwrap()), "{made}");
    }
    let made: BTreeSet<String> = (0..1_000).map(|value| apply(&mut one, &value.to_string())).collect();
    assert_eq!(made, BTreeSet::from(["-1", "0", "1", "2"].map(str::to_owned)));
    // By chance some are what they were.
    assert_eq!(counts(&one).1, 0);
    for no_number in ["NaN", "Infinity", "-Infinity"] {
        assert!((-1.5..=2.25).contains(&apply(&mut one, no_number).parse().unwrap()));
    }
    let wide = format!("1.{}", "0".repeat(40));
    assert_eq!(apply(&mut one, &wide).split_once('.').unwrap().1.len(), 40);
    // No number of that scale is between them.
    assert!((0.2..=0.3).contains(
        &replace(json!({"rule": "numeric", "min": 0.2, "max": 0.3}), Kind::Numeric, "5",).parse().unwrap()
    ));
}

#[test]
fn a_range_of_floats_is_not_in_steps_of_one() {
    let mut one = range(json!(0), json!(1), Kind::Float);
    let made: BTreeSet<String> = (0..1_000).map(|value| apply(&mut one, &value.to_string())).collect();
    assert!(made.len() > 900);
    assert!(made.iter().all(|made| (0.0..=1.0).contains(&made.parse().unwrap())));
}

#[test]
fn a_range_that_has_no_number_is_refused() {
    let of = |min: Value, max: Value| json!({"rule": "numeric", "min": min, "max": max});
    for (min, max, kind) in [(json!(2), json!(1), Kind::Numeric), (json!(0.2), json!(0.8), Kind::Integer)] {
        refusal(of(min, max), slot(kind));
    }
    assert!(refusal(json!({"rule": "numeric", "min": 2_000_000}), slot(Kind::Float)).contains("more than"));
    assert!(refusal(of(json!(0), json!(1e300)), slot(Kind::Numeric)).contains("18 digits"));
    assert!(refusal(of(json!(1e-30), json!(1)), slot(Kind::Numeric)).contains("18 digits"));
    assert!(refusal(json!("numeric"), Slot { unique: true, ..slot(Kind::Numeric) }).contains("unique"));
}
