//! The tokens of a document. PostgreSQL has checked it, but a `json` is kept as it was written:
//! with white space, a key twice, or half a surrogate pair
//! (https://www.postgresql.org/docs/current/datatype-json.html), at which parsers stop.

use super::super::Unfit;

pub const MALFORMED: Unfit = Unfit("is no JSON document");

pub struct Tokens<'a> {
    text: &'a str,
    pub at: usize,
}

impl<'a> Tokens<'a> {
    pub fn of(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// The next byte that is no white space.
    pub fn peek(&mut self) -> Option<u8> {
        let rest = &self.text.as_bytes()[self.at..];
        let blank = rest.iter().take_while(|byte| b" \t\n\r".contains(byte)).count();
        self.at += blank;
        rest.get(blank).copied()
    }

    pub fn expect(&mut self, byte: u8) -> Result<(), Unfit> {
        if self.peek() == Some(byte) {
            self.at += 1;
            return Ok(());
        }
        Err(MALFORMED)
    }

    /// A string without its quotes, escapes and all.
    pub fn string(&mut self) -> Result<&'a str, Unfit> {
        self.expect(b'"')?;
        let start = self.at;
        let bytes = self.text.as_bytes();
        loop {
            match bytes.get(self.at) {
                Some(b'"') => break,
                Some(b'\\') => self.at += 2,
                Some(_) => self.at += 1,
                None => return Err(MALFORMED),
            }
        }
        self.at += 1;
        Ok(&self.text[start..self.at - 1])
    }

    /// A number, `true`, `false` or `null`.
    pub fn word(&mut self) -> Result<&'a str, Unfit> {
        let start = self.at;
        let inside = |byte: &&u8| byte.is_ascii_alphanumeric() || b"+-.".contains(byte);
        self.at += self.text.as_bytes()[start..].iter().take_while(inside).count();
        let word = &self.text[start..self.at];
        if is_number(word) || matches!(word, "true" | "false" | "null") { Ok(word) } else { Err(MALFORMED) }
    }

    /// Over an object or array. Whether it is empty.
    pub fn skip(&mut self) -> Result<bool, Unfit> {
        let (mut depth, mut tokens) = (0_usize, 0_usize);
        loop {
            tokens += 1;
            match self.peek().ok_or(MALFORMED)? {
                b'{' | b'[' => depth += 1,
                b'}' | b']' => depth -= 1,
                b'"' => {
                    self.string()?;
                    continue;
                }
                _ => {}
            }
            self.at += 1;
            if depth == 0 {
                return Ok(tokens == 2);
            }
        }
    }
}

pub fn is_number(word: &str) -> bool {
    word.bytes().find(|byte| *byte != b'-').is_some_and(|byte| byte.is_ascii_digit())
}

/// What the string says. Half a surrogate pair says nothing that text could hold.
pub fn plain<'a>(string: &'a str, buffer: &'a mut String) -> Result<&'a str, Unfit> {
    if !string.contains('\\') {
        return Ok(string);
    }
    buffer.clear();
    let mut rest = string;
    while let Some(at) = rest.find('\\') {
        buffer.push_str(&rest[..at]);
        let escaped = *rest.as_bytes().get(at + 1).ok_or(MALFORMED)?;
        rest = &rest[at + 1..];
        if escaped == b'u' {
            let (character, length) = unicode(rest).ok_or(MALFORMED)?;
            buffer.push(character);
            rest = &rest[length..];
            continue;
        }
        buffer.push(match escaped {
            b'"' | b'\\' | b'/' => char::from(escaped),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            _ => return Err(MALFORMED),
        });
        rest = &rest[1..];
    }
    buffer.push_str(rest);
    Ok(buffer)
}

/// The character that `uXXXX`, or a pair of them, stands for, and their length.
fn unicode(text: &str) -> Option<(char, usize)> {
    let digits = |text: &str| {
        let digits = text.get(1..5).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
        u32::from_str_radix(digits, 16).ok()
    };
    let first = digits(text)?;
    if (0xd800..0xdc00).contains(&first) {
        let next =
            text.get(5..).and_then(|text| text.strip_prefix('\\')).filter(|text| text.starts_with('u'));
        let second = next.and_then(digits).filter(|second| (0xdc00..0xe000).contains(second));
        if let Some(second) = second {
            let character = 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
            return Some((char::from_u32(character)?, 11));
        }
    }
    Some((char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER), 5))
}

pub fn write_string(text: &str, out: &mut String) {
    out.push('"');
    let mut rest = text;
    while let Some(at) = rest.find(|c: char| c < ' ' || c == '"' || c == '\\') {
        out.push_str(&rest[..at]);
        let byte = rest.as_bytes()[at];
        if byte < b' ' {
            out.push_str("\\u00");
            out.push(char::from(b'0' + (byte >> 4)));
            out.push(char::from(b"0123456789abcdef"[usize::from(byte & 15)]));
        } else {
            out.push('\\');
            out.push(char::from(byte));
        }
        rest = &rest[at + 1..];
    }
    out.push_str(rest);
    out.push('"');
}
