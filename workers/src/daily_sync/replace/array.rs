//! Arrays in PostgreSQL's text form: `{1,NULL,"a \"word\""}`, `[0:1][1:1]={{a},{b}}`
//! (https://www.postgresql.org/docs/current/arrays.html, Array Input and Output Syntax). Elements
//! are replaced where they stand; dimensions, bounds and NULLs stay.

use super::{Unfit, seen::Tally, single::Single};

#[derive(Clone)]
pub(super) struct Elements {
    single: Single,
    tally: Tally,
    /// An element without its escapes.
    plain: String,
    replaced: String,
}

const MALFORMED: Unfit = Unfit("is no array");

impl Elements {
    pub(super) fn new(single: Single, tally: Tally) -> Self {
        Self { single, tally, plain: String::new(), replaced: String::new() }
    }

    pub(super) fn tally(&self) -> &Tally {
        &self.tally
    }

    pub(super) fn replace(&mut self, value: &str, out: &mut String) -> Result<(), Unfit> {
        let start = if value.starts_with('[') { value.find("={").ok_or(MALFORMED)? + 1 } else { 0 };
        out.push_str(&value[..start]);
        let mut rest = &value[start..];
        let mut depth = 0_usize;
        loop {
            match *rest.as_bytes().first().ok_or(MALFORMED)? {
                b'{' => depth += 1,
                b'}' => {
                    depth = depth.checked_sub(1).ok_or(MALFORMED)?;
                    if depth == 0 {
                        out.push_str(rest);
                        return if rest == "}" { Ok(()) } else { Err(MALFORMED) };
                    }
                }
                b',' => {}
                _ if depth == 0 => return Err(MALFORMED),
                b'"' => {
                    rest = self.quoted(&rest[1..], out)?;
                    continue;
                }
                _ => {
                    let (element, after) = rest.split_at(rest.find([',', '}']).ok_or(MALFORMED)?);
                    // The word NULL in quotes is a text.
                    if element.eq_ignore_ascii_case("NULL") {
                        out.push_str(element);
                    } else {
                        self.element(element, out)?;
                    }
                    rest = after;
                    continue;
                }
            }
            out.push_str(&rest[..1]);
            rest = &rest[1..];
        }
    }

    /// What follows the closing quote.
    fn quoted<'a>(&mut self, text: &'a str, out: &mut String) -> Result<&'a str, Unfit> {
        let mut plain = std::mem::take(&mut self.plain);
        plain.clear();
        let mut rest = text;
        let after = loop {
            let at = rest.find(['"', '\\']).ok_or(MALFORMED)?;
            plain.push_str(&rest[..at]);
            if rest.as_bytes()[at] == b'"' {
                break &rest[at + 1..];
            }
            let escaped = rest[at + 1..].chars().next().ok_or(MALFORMED)?;
            plain.push(escaped);
            rest = &rest[at + 1 + escaped.len_utf8()..];
        };
        let done = self.element(&plain, out);
        self.plain = plain;
        done.map(|()| after)
    }

    fn element(&mut self, element: &str, out: &mut String) -> Result<(), Unfit> {
        self.replaced.clear();
        self.single.replace(element, &mut self.tally, &mut self.replaced)?;
        let replaced = self.replaced.as_str();
        let special = |byte: u8| b"{}\",\\ \t\n\r\x0b\x0c".contains(&byte);
        let quote =
            replaced.is_empty() || replaced.eq_ignore_ascii_case("NULL") || replaced.bytes().any(special);
        if !quote {
            out.push_str(replaced);
            return Ok(());
        }
        out.push('"');
        for character in replaced.chars() {
            if matches!(character, '"' | '\\') {
                out.push('\\');
            }
            out.push(character);
        }
        out.push('"');
        Ok(())
    }
}
