//! What a person is shown of a query's text: its words, without comments, in which applications
//! write what they like, and without values. pg_stat_statements has taken most of these out, but
//! not those of an entry that was discarded between the planning and the end of its statement
//! (https://www.postgresql.org/docs/current/pgstatstatements.html).

use runbook::visible::one_line;

/// Characters that are shown.
const MOST: usize = 2_000;

/// Stands for what is not shown.
const VALUE: &str = "…";

pub fn shown(text: &str) -> String {
    let mut rest = text;
    let mut shown = String::new();
    while let Some(c) = rest.chars().next() {
        let (part, length) = token(rest, c, &shown);
        match part {
            Part::Space if shown.is_empty() || shown.ends_with(' ') => {}
            Part::Space => shown.push(' '),
            Part::Value => shown.push_str(VALUE),
            Part::Word => shown.push_str(&rest[..length]),
        }
        rest = &rest[length..];
    }
    let shown = one_line(shown.trim_end());
    match shown.char_indices().nth(MOST - 1) {
        Some((end, _)) if shown[end..].chars().nth(1).is_some() => format!("{}{VALUE}", &shown[..end]),
        _ => shown,
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Part {
    /// Or a comment.
    Space,
    Value,
    Word,
}

/// What begins here, and its length in bytes
/// (https://www.postgresql.org/docs/current/sql-syntax-lexical.html).
fn token(rest: &str, first: char, before: &str) -> (Part, usize) {
    let inside_word = before.ends_with(is_of_a_word);
    match first {
        c if c.is_whitespace() => (Part::Space, c.len_utf8()),
        '-' if rest.starts_with("--") => (Part::Space, rest.find('\n').unwrap_or(rest.len())),
        '/' if rest.starts_with("/*") => (Part::Space, comment(rest)),
        '\'' => (
            Part::Value,
            string(
                rest,
                before.strip_suffix(['e', 'E']).is_some_and(|before| !before.ends_with(is_of_a_word)),
            ),
        ),
        '"' => (Part::Word, quoted(rest)),
        '$' if !inside_word => match dollar_quoted(rest) {
            Some(length) => (Part::Value, length),
            // The number of a parameter is none of a row.
            None => (Part::Word, 1 + digits(&rest[1..])),
        },
        c if c.is_ascii_digit() && !inside_word => {
            let number = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == '_';
            (Part::Value, rest.find(|c| !number(c)).unwrap_or(rest.len()))
        }
        c => (Part::Word, c.len_utf8()),
    }
}

fn is_of_a_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '$'
}

fn digits(text: &str) -> usize {
    text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len())
}

/// They nest. One without an end is all that follows.
fn comment(rest: &str) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while let Some(two) = rest.as_bytes().get(at..at + 2) {
        match two {
            b"/*" => (depth, at) = (depth + 1, at + 2),
            b"*/" if depth == 1 => return at + 2,
            b"*/" => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
    }
    rest.len()
}

/// A backslash before a quote ends the string or does not, as standard_conforming_strings of a
/// session that is over has it: then nothing that follows is shown.
fn string(rest: &str, escapes: bool) -> usize {
    let bytes = rest.as_bytes();
    let mut at = 1;
    while let Some(byte) = bytes.get(at) {
        match (byte, bytes.get(at + 1)) {
            (b'\\', Some(_)) if escapes => at += 2,
            (b'\\', Some(b'\'')) => return rest.len(),
            (b'\'', Some(b'\'')) => at += 2,
            (b'\'', _) => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

fn quoted(rest: &str) -> usize {
    rest[1..].find('"').map_or(rest.len(), |end| end + 2)
}

/// `$$…$$`, `$tag$…$tag$`.
fn dollar_quoted(rest: &str) -> Option<usize> {
    let tag = &rest[..rest[1..].find('$')? + 2];
    let name = &tag[1..tag.len() - 1];
    let word = |c: char| c.is_alphanumeric() || c == '_';
    if !name.chars().all(word) || name.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    Some(rest[tag.len()..].find(tag).map_or(rest.len(), |end| 2 * tag.len() + end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_shown_without_comments_and_values() {
        for (text, expected) in [
            ("SELECT *\n  FROM t -- Zeisig\nWHERE id = $1", "SELECT * FROM t WHERE id = $1"),
            ("/* a /* Zeisig */ b */ SELECT 'x'/**/FROM t", "SELECT … FROM t"),
            ("SELECT 'it''s Zeisig', E'\\'Zeisig\\\\', B'101', U&'\\0041'", "SELECT …, E…, B…, U&…"),
            ("SELECT $$Zeisig 'x' $1$$, $a$ $$ Zeisig $b$ $a$, $12", "SELECT …, …, $12"),
            (
                "SELECT 4711, -1.5e10, a1, t2.c3, x$4, 0x1F FROM \"4 'a\"",
                "SELECT …, -…, a1, t2.c3, x$4, … FROM \"4 'a\"",
            ),
            ("SELECT date'\\Zeisig' || b, E'\\'Zeisig'", "SELECT date… || b, E…"),
            ("SELECT date'a\\' || 'Zeisig'", "SELECT date…"),
            ("SELECT 'Zeisig", "SELECT …"),
            ("SELECT /* Zeisig", "SELECT"),
            ("SELECT $x$ Zeisig", "SELECT …"),
            ("SELECT 'a\\' Zeisig' || b", "SELECT …"),
            (
                "SELECT a FROM t WHERE a IN ($1 /*, ... */) AND b = 'ü'",
                "SELECT a FROM t WHERE a IN ($1 ) AND b = …",
            ),
            ("SELECT name FROM liebe WHERE e='Zeisig\\'||b", "SELECT name FROM liebe WHERE e=…"),
            ("", ""),
        ] {
            assert_eq!(shown(text), expected, "{text}");
        }
    }

    #[test]
    fn a_long_text_is_cut_and_nothing_hides_in_it() {
        let long = shown(&"ä,".repeat(3_000));
        assert_eq!((long.chars().count(), long.ends_with('…')), (MOST, true));
        assert_eq!(shown(&"ä".repeat(MOST)).chars().count(), MOST);
        assert!(!shown(&"ä".repeat(MOST)).ends_with('…'));
        assert_eq!(shown("SELECT \"a\u{202e}\"\u{0}"), "SELECT \"a\u{fffd}\"\u{fffd}");
    }
}
