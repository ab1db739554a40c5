//! Credentials, found by what they look like: names by their words ([`named`]), texts and values by
//! the forms that issuers give their keys, by what is assigned to such a name, and by randomness
//! ([`in_text`], [`in_code`]). One list for all that asks: the cut of live wires, the attestation,
//! the problems of a policy, a draft.

mod code;
mod names;
mod shapes;

use std::{ops::Range, sync::LazyLock};

use regex::Regex;

pub use names::named;
pub(crate) use names::words;
pub use shapes::{EXAMPLES, sql_patterns};

/// What stands for a credential that was taken out of a text.
pub const REDACTED: &str = "redacted";

/// A credential in a text: what it is, never what it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    pub at: Range<usize>,
    pub kind: &'static str,
}

/// What assigns a value to a name: `token=…`, `api key: "…"`, `"secret": "…"`. The name, what
/// stands between, and the value in quotes or without.
static ASSIGNED: LazyLock<Regex> = LazyLock::new(|| {
    shapes::regex(concat!(
        "(?i)",
        r"([a-z][\w.-]*(?:[ \t](?:key|token|code|secret|password|passphrase|string|url))?)",
        r#"["'\]]{0,2}(\s*(?:=>|:=|==|=|:)\s*)"#,
        r#"(?:(?:'|"){1,2}([^'"\s|]{4,})['"]|([^\s'",;()&|<>]{4,}))"#,
        r"(\()?",
    ))
});

/// Credentials in what people write: a comment, a value.
pub fn in_text(text: &str) -> Vec<Found> {
    let mut found: Vec<Found> = shapes::find(text).collect();
    let mut from = 0;
    while let Some(captures) = ASSIGNED.captures_at(text, from) {
        let (Some(name), Some(between)) = (captures.get(1), captures.get(2)) else { break };
        // What is assigned may be an assignment: options=password=….
        from = between.end();
        let quoted = captures.get(3);
        let Some(value) = quoted.or(captures.get(4)).filter(|value| !is_placeholder(value.as_str())) else {
            continue;
        };
        let called = quoted.is_none() && captures.get(5).is_some();
        let tight = between.as_str() == "=";
        let certain = names::is_password(name.as_str()) && (quoted.is_some() || tight);
        if !called && named(name.as_str()) && (certain || is_no_word(value.as_str())) {
            found.push(Found { at: value.range(), kind: "what is assigned to such a name" });
        }
    }
    for (at, token) in tokens(text) {
        if is_random(token) {
            found.push(Found { at: at..at + token.len(), kind: "long random text" });
        }
    }
    in_order(found)
}

/// Credentials in SQL, or in a language whose literals look like SQL's: in its literals and
/// comments, and in literals that are assigned to such a name. An identifier is none, whatever it
/// is called.
pub fn in_code(code: &str) -> Vec<Found> {
    let mut found: Vec<Found> = shapes::find(code).collect();
    for part in code::texts(code) {
        let shifted = |inner: Found| Found {
            at: inner.at.start + part.start..inner.at.end + part.start,
            kind: inner.kind,
        };
        found.extend(in_text(&code[part.clone()]).into_iter().map(shifted));
    }
    for (name, value) in code::assigned(code) {
        let text = &code[value.clone()];
        let secret = names::is_password(&code[name.clone()]) || is_no_word(text);
        if named(&code[name]) && secret && !is_placeholder(text) {
            found.push(Found { at: value, kind: "what is assigned to such a name" });
        }
    }
    in_order(found)
}

/// By their places; of two that lie in each other the outer one.
fn in_order(mut found: Vec<Found>) -> Vec<Found> {
    found.sort_by_key(|found| (found.at.start, std::cmp::Reverse(found.at.end)));
    let mut end = 0;
    found.retain(|found| {
        let new = found.at.end > end;
        end = end.max(found.at.end);
        new
    });
    found
}

/// Whether a text holds a credential in one of the forms that issuers give theirs.
pub fn has_form(text: &str) -> bool {
    shapes::find(text).next().is_some()
}

/// Whether a value of a column looks like a credential, by its own form alone.
pub fn is_value(value: &str) -> bool {
    has_form(value) || is_random(value.trim())
}

/// The text without the credentials that were found in it.
pub fn redacted(text: &str, found: &[Found]) -> String {
    let mut out = String::new();
    let mut end = 0;
    for Found { at, .. } in found {
        // One may lie within another.
        if at.start >= end {
            out += &text[end..at.start];
            out += REDACTED;
            end = at.end;
        } else if at.end > end {
            end = at.end;
        }
    }
    out + &text[end..]
}

/// What stands for a value: a parameter, a hole of a format, another column.
fn is_placeholder(value: &str) -> bool {
    let lower = value.to_lowercase();
    let same = value.chars().all(|c| value.starts_with(c));
    let words =
        [REDACTED, "removed", "null", "none", "true", "false", "changeme", "password", "secret", "gone"];
    same || words.contains(&lower.trim_end_matches('.'))
        || value.starts_with(['$', '%', '{', '<', ':', '@', '?', '*', '['])
        || lower.starts_with("new.")
        || lower.starts_with("old.")
}

/// A word of a language, or a name of a column, is no credential unless it is called a password.
fn is_no_word(value: &str) -> bool {
    let digit = value.chars().any(|c| c.is_ascii_digit());
    let name = value.split('.').all(|part| part.starts_with(|c: char| c.is_ascii_lowercase() || c == '_'))
        && value.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "_.".contains(c));
    let qualified = name && value.contains('.');
    !qualified && value.len() >= 6 && (digit || value.len() >= 16 && entropy(value) >= 3.5 && !name)
}

/// The runs of characters that a key in base64, hexadecimal or the like is written with.
fn tokens(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let of_token = |c: char| c.is_ascii_alphanumeric() || "+/_-".contains(c);
    text.split(move |c: char| !of_token(c)).filter(|token| token.len() >= 20).map(move |token| {
        // Both lie in the same text.
        (token.as_ptr() as usize - text.as_ptr() as usize, token)
    })
}

/// Long, of letters and digits, and as mixed as no word and no name is: by Shannon's entropy, in
/// bits a character, and by how often letters, digits and cases change. A UUID is none: it is what
/// keys of tables look like.
fn is_random(token: &str) -> bool {
    let token = token.trim_end_matches('=');
    let has = |test: fn(&char) -> bool| token.chars().any(|c| test(&c));
    if token.len() < 20
        || !token.chars().all(|c| c.is_ascii_alphanumeric() || "+/_-".contains(c))
        || !has(char::is_ascii_digit)
        || !has(char::is_ascii_alphabetic)
        || is_uuid(token)
    {
        return false;
    }
    let hexadecimal = token.chars().all(|c| c.is_ascii_digit() || ('a'..='f').contains(&c))
        || token.chars().all(|c| c.is_ascii_digit() || ('A'..='F').contains(&c));
    if hexadecimal {
        return token.len() >= 32 && entropy(token) >= 3.0;
    }
    // A path of words and numbers is none, however many there are.
    if token.split(['+', '/', '_', '-']).all(|part| part.len() < 12) {
        return false;
    }
    let words = names::words(token);
    let letters: usize = words.iter().map(String::len).sum();
    entropy(token) >= 3.5 && letters < 3 * words.len()
}

fn is_uuid(token: &str) -> bool {
    let groups: Vec<_> = token.split('-').map(str::len).collect();
    groups == [8, 4, 4, 4, 12] && token.chars().all(|c| c.is_ascii_hexdigit() || c == '-')
}

fn entropy(text: &str) -> f64 {
    let mut counts = [0u32; 256];
    text.bytes().for_each(|byte| counts[usize::from(byte)] += 1);
    let length = text.len() as f64;
    let bits = |count: &u32| f64::from(*count) / length * (f64::from(*count) / length).log2();
    -counts.iter().filter(|count| **count > 0).map(bits).sum::<f64>()
}

#[cfg(test)]
mod tests;
