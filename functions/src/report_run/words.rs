//! How times, numbers and long texts are written for people.

use jiff::{SignedDuration, Timestamp};
pub use runbook::visible::visible;

/// As `2h 1m`: the two largest units, rounded.
pub fn duration(seconds: i64) -> String {
    match seconds.max(0) {
        seconds @ 0..60 => format!("{seconds}s"),
        seconds @ 60..3600 => format!("{}m {}s", seconds / 60, seconds % 60),
        seconds if seconds + 30 < 86_400 => {
            let minutes = (seconds + 30) / 60;
            format!("{}h {}m", minutes / 60, minutes % 60)
        }
        seconds => {
            let hours = (seconds + 1800) / 3600;
            format!("{}d {}h", hours / 24, hours % 24)
        }
    }
}

/// Whole seconds, rounded.
pub fn seconds(duration: SignedDuration) -> i64 {
    duration.as_secs_f64().round() as i64
}

pub fn milliseconds(milliseconds: u64) -> String {
    match milliseconds {
        0..1000 => format!("{milliseconds} ms"),
        1000..60_000 => format!("{:.1} s", milliseconds as f64 / 1000.0),
        _ => duration(i64::try_from(milliseconds / 1000).unwrap_or(i64::MAX)),
    }
}

/// 1204118 as `1,204,118`.
pub fn number(number: impl Into<i128>) -> String {
    let number: i128 = number.into();
    let digits = number.unsigned_abs().to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if number < 0 { format!("-{text}") } else { text }
}

pub fn count(number: impl Into<i128>, one: &str, many: &str) -> String {
    let number: i128 = number.into();
    format!("{} {}", self::number(number), if number == 1 { one } else { many })
}

/// What a run costs is cents, what a month costs is more.
pub fn money(amount: f64, currency: &str) -> String {
    if amount != 0.0 && amount.abs() < 0.1 {
        format!("{amount:.4} {currency}")
    } else {
        format!("{amount:.2} {currency}")
    }
}

pub fn date_and_time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

pub fn time(at: Timestamp) -> String {
    at.strftime("%H:%M:%S").to_string()
}

/// At most so many characters, with a mark where it was cut.
pub fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{} … (cut; report.json has all of it)", &text[..end]),
        None => text.to_owned(),
    }
}

/// Of a region, a partition or a cluster: it is a word of a link or of a command and nothing else.
pub fn is_plain(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_well() {
        let texts = [0, 4, 61, 3599, 7_300, 86_390, 86_400, 100_000].map(duration);
        assert_eq!(texts, ["0s", "4s", "1m 1s", "59m 59s", "2h 2m", "1d 0h", "1d 0h", "1d 4h"]);
        assert_eq!([12, 1234, 97_000].map(milliseconds), ["12 ms", "1.2 s", "1m 37s"]);
    }

    #[test]
    fn numbers_and_amounts_read_well() {
        assert_eq!(
            [0, 999, 1000, 1_204_118, -4500].map(number),
            ["0", "999", "1,000", "1,204,118", "-4,500"]
        );
        assert_eq!(
            (count(1, "poll", "polls"), count(2, "poll", "polls")),
            ("1 poll".into(), "2 polls".into())
        );
        assert_eq!((money(0.0241, "USD"), money(12.345, "USD")), ("0.0241 USD".into(), "12.35 USD".into()));
    }

    #[test]
    fn a_long_text_is_cut_with_a_mark() {
        assert_eq!(cut("äöü", 3), "äöü");
        assert!(cut("äöüß", 3).starts_with("äöü … (cut"));
    }
}
