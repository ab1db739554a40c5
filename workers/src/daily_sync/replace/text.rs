//! Forms of text that a digest is written in.

use policy::Rule;

use super::{Kind, Slot, key::Digest};

#[derive(Clone)]
pub(super) enum Text {
    Email { digits: usize },
    Url { digits: usize },
    Name { letters: usize },
    Address { letters: usize },
    Phone { digits: usize },
    Free { most: Option<usize> },
    Hash { digits: usize },
    Bytes,
    Uuid,
}

/// Letters for hexadecimal digits, such that words can be spoken.
const LETTERS: &[u8; 16] = b"aeioubdfklmnrstv";
const DECIMAL: &[u8; 16] = b"0123456789012345";
/// Words of seven letters, about as long as those of most languages.
const WORDS: &[u8; 16] = b"aeioubdklmnrst  ";

impl Text {
    pub(super) fn new(rule: &Rule, slot: &Slot) -> Result<Self, String> {
        let most = if slot.unique { 20 } else { 10 };
        Ok(match (rule, slot.kind) {
            (Rule::Uuid, Kind::Uuid) => Self::Uuid,
            (Rule::Hash, Kind::Bytes) => Self::Bytes,
            (rule, kind) if !kind.is_text() => {
                return Err(format!("the rule {} does not fit its type", rule.name()));
            }
            (Rule::Uuid, _) => match slot.length {
                Some(length) if length < 36 => {
                    return Err(format!("a UUID does not fit into {length} characters"));
                }
                _ => Self::Uuid,
            },
            (Rule::Email, _) => Self::Email { digits: digits(slot, 13)? },
            (Rule::Url, _) => Self::Url { digits: digits(slot, 20)? },
            (Rule::Name, _) => Self::Name { letters: digits(slot, 0)?.min(most) },
            (Rule::Address, _) => Self::Address { letters: digits(slot, 9)?.min(most) },
            (Rule::Phone, _) => {
                Self::Phone { digits: digits(slot, 1)?.min(if slot.unique { 20 } else { 15 }) }
            }
            (Rule::FreeText, _) if slot.unique => {
                return Err("its values are unique, and free text is only as long as it was: use hash".into());
            }
            (Rule::FreeText, _) => Self::Free { most: slot.length },
            (Rule::Hash, _) => Self::Hash {
                digits: match slot.length {
                    Some(length) if length < 40 => digits(slot, 0).map(|_| length)?,
                    _ => 40,
                },
            },
            (rule, _) => return Err(format!("the rule {} does not fit its type", rule.name())),
        })
    }

    pub(super) fn write(&self, digest: &Digest, text: &str, out: &mut String) {
        match *self {
            Self::Email { digits } => {
                out.push('u');
                digest.hex(digits, out);
                out.push_str("@example.com");
            }
            Self::Url { digits } => {
                out.push_str("https://example.com/");
                digest.hex(digits, out);
            }
            Self::Name { letters } => word(digest, letters, out),
            Self::Address { letters } => {
                word(digest, letters, out);
                out.push_str(" Street 1");
            }
            Self::Phone { digits } => {
                out.push('+');
                digest.spell(digits, DECIMAL, out);
            }
            // Lower case may be longer than what fits.
            Self::Free { most } => {
                free(digest, text.chars().count().min(most.unwrap_or(usize::MAX)), out);
            }
            Self::Hash { digits } => digest.hex(digits, out),
            Self::Bytes => {
                out.push_str("\\x");
                digest.hex(64, out);
            }
            Self::Uuid => uuid(digest, out),
        }
    }
}

/// How many hexadecimal digits fit beside `fixed` characters: 20, or fewer in a short column.
fn digits(slot: &Slot, fixed: usize) -> Result<usize, String> {
    let room = slot.length.map_or(20, |length| length.saturating_sub(fixed).min(20));
    let least = if slot.unique { 12 } else { 4 };
    if room < least {
        let why = if slot.unique { " and stay unique" } else { "" };
        return Err(format!(
            "its values would not fit into {} characters{why}",
            slot.length.unwrap_or_default()
        ));
    }
    Ok(room)
}

fn word(digest: &Digest, letters: usize, out: &mut String) {
    let mut nibbles = digest.nibbles().take(letters).map(|nibble| LETTERS[nibble]);
    out.extend(nibbles.next().map(|first| char::from(first.to_ascii_uppercase())));
    out.extend(nibbles.map(char::from));
}

fn uuid(digest: &Digest, out: &mut String) {
    let mut nibbles = digest.nibbles();
    for (group, digits) in [8, 4, 4, 4, 12].into_iter().enumerate() {
        if group > 0 {
            out.push('-');
        }
        out.extend(nibbles.by_ref().take(digits).filter_map(|nibble| char::from_digit(nibble as u32, 16)));
    }
}

/// Words of that many characters. A space stands between two letters always: a CHECK may ask that
/// a text is trimmed, or that it has no two spaces in a row.
fn free(digest: &Digest, characters: usize, out: &mut String) {
    // A block begins with a letter, so that another one may follow.
    let mut block = [b' '; 64];
    let mut before = b' ';
    for (at, nibble) in block.iter_mut().zip(digest.nibbles()) {
        let letter = WORDS[nibble];
        *at = if letter == b' ' && before == b' ' { b'e' } else { letter };
        before = *at;
    }
    let block = std::str::from_utf8(&block).expect("letters and spaces are ASCII");
    let start = out.len();
    out.reserve(characters);
    (0..characters / 64).for_each(|_| out.push_str(block));
    out.push_str(&block[..characters % 64]);
    if out.len() > start && out.ends_with(' ') {
        out.pop();
        out.push('e');
    }
}
