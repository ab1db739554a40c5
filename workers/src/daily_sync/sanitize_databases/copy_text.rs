//! The text format of COPY: a row a line, fields between tabs, `\N` for NULL
//! (https://www.postgresql.org/docs/current/sql-copy.html, File Formats).

use std::borrow::Cow;

/// The fields of a line without its end.
pub fn fields(line: &str) -> impl Iterator<Item = &str> {
    line.split('\t')
}

/// The value in a field, unless it is NULL. The server writes these escapes and no others
/// (src/backend/commands/copyto.c, CopyAttributeOutText).
pub fn value(field: &str) -> Option<Cow<'_, str>> {
    if field == "\\N" {
        return None;
    }
    if !field.contains('\\') {
        return Some(Cow::Borrowed(field));
    }
    let mut value = String::with_capacity(field.len());
    let mut letters = field.chars();
    while let Some(letter) = letters.next() {
        if letter != '\\' {
            value.push(letter);
            continue;
        }
        match letters.next() {
            Some('b') => value.push('\u{8}'),
            Some('f') => value.push('\u{c}'),
            Some('n') => value.push('\n'),
            Some('r') => value.push('\r'),
            Some('t') => value.push('\t'),
            Some('v') => value.push('\u{b}'),
            Some(other) => value.push(other),
            None => value.push('\\'),
        }
    }
    Some(Cow::Owned(value))
}

/// Appends a value as a field.
pub fn push(value: &str, line: &mut Vec<u8>) {
    let mut rest = value.as_bytes();
    while let Some(at) = rest.iter().position(|byte| matches!(byte, b'\\' | b'\n' | b'\r' | b'\t')) {
        line.extend_from_slice(&rest[..at]);
        line.extend_from_slice(match rest[at] {
            b'\n' => b"\\n",
            b'\r' => b"\\r",
            b'\t' => b"\\t",
            _ => b"\\\\",
        });
        rest = &rest[at + 1..];
    }
    line.extend_from_slice(rest);
}

pub fn push_null(line: &mut Vec<u8>) {
    line.extend_from_slice(b"\\N");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        for text in ["", "plain", "a\tb\nc\\d\re", "\\N", "ü\u{b}\u{8}\u{c}", "\\"] {
            let mut line = Vec::new();
            push(text, &mut line);
            let line = String::from_utf8(line).unwrap();
            assert!(!line.contains(['\t', '\n', '\r']));
            assert_eq!(value(&line).unwrap(), text);
        }
        assert_eq!(value("\\N"), None);
        assert_eq!(fields("a\t\\N\t").collect::<Vec<_>>(), ["a", "\\N", ""]);
    }
}
