//! Where texts stand in SQL: its literals and comments, and what of them is assigned to a name.

use std::{ops::Range, sync::LazyLock};

use regex::Regex;

use super::shapes::regex;

/// A name, a type and a default of a declaration perhaps, and a literal: `token := '…'`, `api_key
/// text DEFAULT '…'`, `p.token = '…'`, `"token": "…"`, `current_setting('app.token') = '…'`.
static ASSIGNED: LazyLock<Regex> = LazyLock::new(|| {
    regex(concat!(
        "(?i)",
        r#"([a-z_][\w.]*)(?:'(?:::\w+)?(?:,\s*\w+)?\)|"?\)?(?:::\w+)?)"#,
        r"(?:\s+(?:constant\s+)?",
        r"(?:text|varchar|bpchar|character varying|char|citext|name|json|jsonb|bytea)(?:\s*\(\d+\))?)?",
        r"\s*(?:=>|:=|==|=|:|\bdefault\b|\bto\b)\s*",
        r#"\(?E?(?:'([^']{4,})'|"([^"\s]{4,})")"#,
    ))
});

/// What stands in literals, in comments and in double quotes, at any depth of dollar quotes.
pub(super) fn texts(code: &str) -> Vec<Range<usize>> {
    let bytes = code.as_bytes();
    let mut texts = Vec::new();
    let mut at = 0;
    let until = |from: usize, end: &str| code[from..].find(end).map_or(code.len(), |found| from + found);
    while at < bytes.len() {
        let rest = &bytes[at..];
        let (from, to, next) = match rest {
            [b'-', b'-', ..] => (at + 2, until(at, "\n"), until(at, "\n")),
            [b'/', b'*', ..] => (at + 2, until(at + 2, "*/"), until(at + 2, "*/") + 2),
            [quote @ (b'\'' | b'"'), ..] => {
                let end = quoted(bytes, at + 1, *quote);
                (at + 1, end, end + 1)
            }
            // What is within dollar quotes is code again.
            _ => {
                at += 1;
                continue;
            }
        };
        texts.push(from..to);
        at = next;
    }
    texts
}

/// The end of what began in this quote. Two of them are one in the text.
fn quoted(bytes: &[u8], from: usize, quote: u8) -> usize {
    let mut at = from;
    while at < bytes.len() {
        match bytes[at] {
            c if c == quote && bytes.get(at + 1) == Some(&quote) => at += 2,
            c if c == quote => break,
            _ => at += 1,
        }
    }
    at.min(bytes.len())
}

/// Names, and the literals that are assigned to them or compared with them.
pub(super) fn assigned(code: &str) -> Vec<(Range<usize>, Range<usize>)> {
    let found = ASSIGNED.captures_iter(code).filter_map(|captures| {
        let value = captures.get(2).or(captures.get(3))?;
        Some((captures.get(1)?.range(), value.range()))
    });
    found.collect()
}
