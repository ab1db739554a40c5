//! What a report does not say: account numbers, addresses, names of endpoints, ids of keys.

use std::net::IpAddr;

/// Every word of these kinds is replaced, and each of the secrets wherever it stands.
pub fn redact(text: &str, secrets: &[String]) -> String {
    let mut text = text.to_owned();
    for secret in secrets.iter().filter(|secret| !secret.is_empty()) {
        text = text.replace(secret.as_str(), "<secret>");
    }
    let mut redacted = String::with_capacity(text.len());
    let mut word = String::new();
    for c in text.chars() {
        if c.is_ascii_alphanumeric() || c == '-' || c == '.' {
            word.push(c);
        } else {
            redacted.push_str(replaced(&word));
            word.clear();
            redacted.push(c);
        }
    }
    redacted.push_str(replaced(&word));
    redacted
}

fn replaced(word: &str) -> &str {
    let bare = word.trim_end_matches('.');
    let is_number = |word: &str| word.len() == 12 && word.bytes().all(|byte| byte.is_ascii_digit());
    if bare.split(['-', '.']).any(is_number) {
        "<account>"
    } else if bare.contains('.') && bare.parse::<IpAddr>().is_ok() {
        "<address>"
    } else if bare.ends_with(".amazonaws.com") {
        "<endpoint>"
    } else if holds_uuid(bare) {
        "<id>"
    } else {
        word
    }
}

fn holds_uuid(word: &str) -> bool {
    let lengths: Vec<usize> = word.split('-').map(str::len).collect();
    let hex = word.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    hex && lengths.windows(5).any(|five| five == [8, 4, 4, 4, 12])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_names_the_account_or_opens_a_door_is_left() {
        let text = "arn:aws:rds:eu-west-1:444455556666:cluster:orders, key \
            arn:aws:kms:eu-west-1:444455556666:key/1234abcd-12ab-34cd-56ef-1234567890ab; no pg_hba.conf \
            entry for host \"203.0.113.7\", at orders.cluster-c1a2b3c4d5e6.eu-west-1.rds.amazonaws.com. \
            hunter22 of secret rds!cluster-1234abcd-12ab-34cd-56ef-1234567890ab-AbCdEf in \
            sandbox-444455556666";
        let redacted = redact(text, &["hunter22".to_owned()]);
        for part in ["4444", "1234abcd", "203.0", "c1a2b3", "hunter22"] {
            assert!(!redacted.contains(part), "{part} is left: {redacted}");
        }
        assert!(redacted.starts_with("arn:aws:rds:eu-west-1:<account>:cluster:orders, key"), "{redacted}");
    }

    #[test]
    fn versions_and_dates_stay() {
        let text = "16.14 of 2026-11-25T02:00:00Z, preupgrade-orders-16-14-to-18-4-2026-11-25-02-00";
        assert_eq!(redact(text, &[]), text);
    }
}
