//! What a text, an address or a hash becomes.

use super::*;

fn sized(length: usize, unique: bool) -> Slot {
    Slot { length: Some(length), unique, ..slot(Kind::Text) }
}

/// The form with `9` for a decimal digit, `f` for another hexadecimal one or a small letter, `A`
/// for a capital.
fn shape(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '0'..='9' => '9',
            'a'..='z' => 'f',
            'A'..='Z' => 'A',
            c => c,
        })
        .collect()
}

#[test]
fn the_digits_of_an_address_are_those_of_a_keyed_hash() {
    // By Python's hmac, of "email:anna@shop.example".
    assert_eq!(replace(json!("email"), Kind::Text, "anna@shop.example"), "ud10abb7302b3082a7c72@example.com");
    let hash = r"\x901ca920c7201ae3bebbce194640dd871e54d5d0748460521b7c78187bd0a150";
    assert_eq!(replace(json!("hash"), Kind::Bytes, r"\x00ff"), hash);
}

#[test]
fn each_rule_has_its_form() {
    let of =
        |rule: &str, unique| apply(&mut replacement(json!(rule), Slot { unique, ..slot(Kind::Text) }), "x");
    let hex = |text: &str| shape(text).replace('9', "f");
    assert_eq!(hex(&of("email", false)), format!("{}@fffffff.fff", "f".repeat(21)));
    assert_eq!(hex(&of("url", false)), format!("fffff://fffffff.fff/{}", "f".repeat(20)));
    assert_eq!(shape(&of("name", false)), "Afffffffff");
    assert_eq!(shape(&of("name", true)), "Afffffffffffffffffff");
    assert_eq!(shape(&of("address", false)), "Afffffffff Afffff 9");
    assert_eq!(shape(&of("address", true)), "Afffffffffffffffffff Afffff 9");
    assert_eq!(shape(&of("phone", false)), "+999999999999999");
    assert_eq!(shape(&of("phone", true)), "+99999999999999999999");
    assert_eq!(hex(&of("hash", false)), "f".repeat(40));
    assert_eq!(hex(&of("uuid", false)), "ffffffff-ffff-ffff-ffff-ffffffffffff");
}

#[test]
fn what_fits_into_a_short_column_is_shorter_and_too_short_a_one_is_refused() {
    for (rule, fixed) in [("email", 13), ("url", 20), ("name", 0), ("address", 9), ("phone", 1), ("hash", 0)]
    {
        for (unique, least) in [(false, 4), (true, 12)] {
            let length = fixed + least;
            let made = apply(&mut replacement(json!(rule), sized(length, unique)), "somebody");
            assert_eq!(made.len(), length, "{rule} {made}");
            let why = refusal(json!(rule), sized(length - 1, unique));
            assert_eq!(why.contains("stay unique"), unique, "{rule} {why}");
        }
    }
    assert_eq!(apply(&mut replacement(json!("hash"), sized(39, true)), "somebody").len(), 39);
    assert!(refusal(json!("uuid"), sized(35, false)).contains("35"));
    assert!(refusal(json!("ip"), sized(14, false)).contains("14"));
    assert!(refusal(json!("ip"), sized(38, true)).contains("38"));
}

#[test]
fn unique_values_stay_unique() {
    let made = |rule: &str, slot: Slot, values: u32| {
        let mut one = replacement(json!(rule), Slot { unique: true, ..slot });
        let made: BTreeSet<String> = (0..values).map(|n| apply(&mut one, &format!("\\x{n:06}"))).collect();
        assert_eq!(made.len(), values as usize, "{rule}");
    };
    // The form with the least to choose from: 48 bits.
    made("name", sized(12, true), 100_000);
    for rule in ["email", "name", "phone", "address", "url", "hash", "uuid", "ip"] {
        made(rule, slot(Kind::Text), 5_000);
    }
    for (kind, rule) in [(Kind::Bytes, "hash"), (Kind::Uuid, "uuid"), (Kind::Ip, "ip")] {
        made(rule, slot(kind), 5_000);
    }
    assert!(refusal(json!("free-text"), Slot { unique: true, ..slot(Kind::Text) }).contains("use hash"));
}

#[test]
fn values_that_differ_in_case_are_equal_where_the_column_says_so() {
    let lower = Slot { lower: true, ..slot(Kind::Text) };
    for rule in ["email", "free-text", "hash", "uuid"] {
        let mut one = replacement(json!(rule), lower);
        assert_eq!(apply(&mut one, "ÄNNE@Shop.Example"), apply(&mut one, "änne@shop.example"));
        let mut other = replacement(json!(rule), slot(Kind::Text));
        assert_ne!(apply(&mut other, "ÄNNE@Shop.Example"), apply(&mut other, "änne@shop.example"));
    }
}

#[test]
fn blanks_at_the_end_of_a_char_are_none_of_its_value() {
    let mut one = replacement(json!("hash"), Slot { length: Some(12), ..slot(Kind::Char) });
    let mut other = replacement(json!("hash"), sized(12, false));
    assert_eq!(apply(&mut one, "anna        "), apply(&mut other, "anna"));
    assert_ne!(apply(&mut other, "anna "), apply(&mut other, "anna"));
    assert_eq!(replace(json!("free-text"), Kind::Char, "  anna     ").len(), 6);
    assert_eq!(replace(json!("free-text"), Kind::Char, "     "), "");
    let mut long = replacement(json!("free-text"), slot(Kind::Char));
    apply(&mut long, "a sentence of some length     ");
    let mut same = replacement(json!("free-text"), slot(Kind::Text));
    apply(&mut same, "a sentence of some length");
    assert_eq!(long.seen().parts[0].marks, same.seen().parts[0].marks);
}

#[test]
fn free_text_is_as_long_as_it_was_and_well_spaced() {
    let mut one = replacement(json!("free-text"), slot(Kind::Text));
    for length in 0..300 {
        for letter in ["a", "é", "日", " "] {
            let made = apply(&mut one, &letter.repeat(length));
            assert_eq!(made.len(), length);
            assert!(made.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b' '), "{made}");
            assert_eq!(made.trim(), made);
            assert!(!made.contains("  "), "{made}");
            assert!(length > 2 || !made.contains(' '), "{made}");
        }
    }
    let long = apply(&mut one, &"x".repeat(1_000));
    let words = long.split(' ').count();
    assert!((80..250).contains(&words), "{words} words in {long}");
    // Lower case can have more characters, and may not fit.
    let lower = Slot { lower: true, ..sized(3, false) };
    assert_eq!(apply(&mut replacement(json!("free-text"), lower), "İİİ").len(), 3);
}

#[test]
fn no_text_comes_out_as_it_was() {
    // Every text of one and of two letters: among so many, chance alone would leave some.
    let letters = || ('a'..='z').map(String::from);
    let pairs = letters().flat_map(|a| letters().map(move |b| a.clone() + &b));
    let mut one = replacement(json!("free-text"), slot(Kind::Text));
    for text in letters().chain(pairs) {
        assert_ne!(apply(&mut one, &text), text);
    }
    assert_eq!(counts(&one), (26 + 26 * 26, 0));
    // Nothing is as it was, and says nothing.
    assert_eq!(apply(&mut one, ""), "");
    assert_eq!(counts(&one).1, 0);
    // All that the replacement of a name of four letters can be.
    let mut one = replacement(json!("name"), sized(4, false));
    let letters = "aeioubdfklmnrstv";
    for first in letters.chars().map(|letter| letter.to_ascii_uppercase()) {
        for (second, third) in letters.chars().flat_map(|b| letters.chars().map(move |c| (b, c))) {
            for fourth in letters.chars() {
                let name = String::from_iter([first, second, third, fourth]);
                assert_ne!(apply(&mut one, &name), name);
            }
        }
    }
    assert_eq!(counts(&one), (65_536, 0));
}

#[test]
fn an_address_stays_of_its_family_unless_it_must_be_unique() {
    for kind in [Kind::Ip, Kind::Text] {
        assert!(replace(json!("ip"), kind, "203.0.113.9").starts_with("10."));
        assert!(replace(json!("ip"), kind, "2001:db8::1").starts_with("fd00:"));
        let unique = Slot { unique: true, ..slot(kind) };
        assert!(apply(&mut replacement(json!("ip"), unique), "203.0.113.9").starts_with("fd00:"));
    }
    // One that fits, where the other does not.
    assert!(apply(&mut replacement(json!("ip"), sized(15, false)), "::1").starts_with("10."));
    assert!(!replace(json!("ip"), Kind::Ip, "203.0.113.9/24").contains('/'));
}

#[test]
fn a_network_stays_as_wide_as_it_was() {
    let mut one = replacement(json!("ip"), slot(Kind::Cidr));
    for (network, address, length) in
        [("203.0.113.0/24", "10.", 24), ("203.0.113.9/32", "10.", 32), ("2001:db8::/32", "fd00:", 32)]
    {
        let made = apply(&mut one, network);
        assert!(made.starts_with(address) && made.ends_with(&format!("/{length}")), "{made}");
        // No bit is set behind the length, or PostgreSQL refuses it.
        let (address, _) = made.split_once('/').unwrap();
        let behind = match address.parse().unwrap() {
            std::net::IpAddr::V4(v4) => u128::from(v4.to_bits()) & ((1 << (32 - length)) - 1),
            std::net::IpAddr::V6(v6) => v6.to_bits() & ((1 << (128 - length)) - 1),
        };
        assert_eq!(behind, 0, "{made}");
    }
    assert_eq!(counts(&one).1, 0);
    // Of these there is one of that length, in the private networks.
    for (whole, becomes) in [("0.0.0.0/0", "0.0.0.0/0"), ("10.0.0.0/8", "10.0.0.0/8"), ("::/0", "::/0")] {
        assert_eq!(apply(&mut one, whole), becomes);
    }
    assert_eq!(counts(&one).1, 3);
    let mut unique = replacement(json!("ip"), Slot { unique: true, ..slot(Kind::Cidr) });
    assert!(apply(&mut unique, "203.0.113.0/24").ends_with("/120"));
    assert!(apply(&mut unique, "10.0.0.0/8").ends_with("/104"));
    assert!(apply(&mut unique, "2001:db8::/32").ends_with("/64"));
}
