//! Marks and ranks of values, as the state that masks takes them, in this state's own words:
//! HMAC-SHA256 and SipHash under the masking key.

#[allow(clippy::disallowed_types, reason = "asked for every word of every row, and never gone through")]
use std::collections::HashMap;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use siphasher::sip::SipHasher24;

use crate::daily_sync::fingerprints::{Fingerprint, Mark};

#[derive(Clone)]
pub struct Marker {
    fingerprint: Hmac<Sha256>,
    rank: SipHasher24,
}

impl Marker {
    pub fn new(key: &str) -> Self {
        let keyed = |text: &str| {
            let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(key.as_bytes())
                .unwrap_or_else(|_| unreachable!("a key of HMAC has any length (RFC 2104)"));
            mac.update(text.as_bytes());
            mac
        };
        let seed: [u8; 32] = keyed("sample:shuffle").finalize().into_bytes().into();
        let mut first = [0; 16];
        first.copy_from_slice(&seed[..16]);
        Self { fingerprint: keyed("fingerprint:"), rank: SipHasher24::new_with_key(&first) }
    }

    pub fn rank(&self, value: &str) -> u64 {
        self.rank.hash(value.as_bytes())
    }

    fn mark(&self, value: &str) -> Mark {
        let mut mac = self.fingerprint.clone();
        mac.update(value.as_bytes());
        let mut mark = [0; 16];
        mark.copy_from_slice(&mac.finalize().into_bytes()[..16]);
        Mark(mark)
    }
}

/// Marks that are looked for, each with what it is of.
#[derive(Default)]
pub struct Wanted {
    #[allow(clippy::disallowed_types, reason = "as above")]
    by_rank: HashMap<u64, (Mark, u32)>,
    of: Vec<String>,
}

impl Wanted {
    pub fn add(&mut self, fingerprint: &Fingerprint, of: &str) {
        let number = u32::try_from(self.of.len()).unwrap_or_else(|_| unreachable!("so many do not fit"));
        self.of.push(of.to_owned());
        self.by_rank.extend(fingerprint.marks.iter().map(|(rank, mark)| (*rank, (*mark, number))));
    }

    /// What the value is of, when it is one of them. The rank is found fast, the mark decides.
    pub fn of(&self, marker: &Marker, value: &str) -> Option<&str> {
        self.ranked(marker, value, marker.rank(value))
    }

    pub fn ranked(&self, marker: &Marker, value: &str, rank: u64) -> Option<&str> {
        let (mark, of) = self.by_rank.get(&rank)?;
        (marker.mark(value) == *mark).then(|| self.of[*of as usize].as_str())
    }

    /// The same for a text, every word in it and its parts, and every number that is written with
    /// blanks.
    pub fn in_text(&self, marker: &Marker, text: &str) -> Option<&str> {
        if self.by_rank.is_empty() || text.len() < LEAST {
            return None;
        }
        self.of(marker, text).or_else(|| {
            in_pieces(text, |piece| (piece.len() < text.len()).then(|| self.of(marker, piece)).flatten())
        })
    }
}

/// Shorter values come out by chance.
const LEAST: usize = 6;

/// The first that is found in a piece of the text. Every value of every row comes here, so it goes
/// through a text once.
fn in_pieces<'a, T>(text: &'a str, mut find: impl FnMut(&'a str) -> Option<T>) -> Option<T> {
    let mut whole_or_inner = |piece: &'a str| {
        if piece.len() < LEAST {
            return None;
        }
        let inner = piece.trim_matches(is_at_an_end);
        let has_less = inner.len() < piece.len() && inner.len() >= LEAST;
        find(piece).or_else(|| has_less.then(|| find(inner)).flatten())
    };
    let (mut word, mut part, mut digits) = (0, 0, 0);
    for (end, letter) in text.char_indices().chain([(text.len(), ' ')]) {
        digits += usize::from(letter.is_ascii_digit());
        let is_word = is_between_words(letter);
        if !is_word && !is_between_parts(letter) {
            continue;
        }
        // The only part of a word is the word.
        let mut found = None;
        if !is_word || part > word {
            found = whole_or_inner(&text[part..end]);
        }
        if is_word {
            found = found.or_else(|| whole_or_inner(&text[word..end]));
            word = end + letter.len_utf8();
        }
        if found.is_some() {
            return found;
        }
        part = end + letter.len_utf8();
    }
    if digits >= LEAST { numbers(text).find_map(find) } else { None }
}

fn is_between_words(letter: char) -> bool {
    matches!(letter, ',' | ';' | '"' | '\'' | '(' | ')' | '<' | '>' | '[' | ']' | '{' | '}' | '|' | '\\')
        || letter.is_whitespace()
}

/// What stands inside of an address of the web, and around one of a person.
fn is_between_parts(letter: char) -> bool {
    matches!(letter, ':' | '/' | '?' | '&' | '=' | '%' | '#' | '!' | '*' | '`' | '~' | '^' | '$')
}

/// What a sentence ends with, or a list begins.
fn is_at_an_end(letter: char) -> bool {
    matches!(letter, '.' | ':' | '!' | '?' | '-' | '_' | '*' | '#' | '…')
}

/// What looks like a telephone number, whatever it is written with.
fn numbers(text: &str) -> impl Iterator<Item = &str> {
    let is_of_one = |letter| matches!(letter, '0'..='9' | '+' | '(' | ')' | '/' | '.' | '-' | ' ');
    let is_number = |run: &&str| {
        run.len() >= LEAST
            && run.contains([' ', '(', '/'])
            && run.bytes().filter(u8::is_ascii_digit).count() >= LEAST
    };
    let runs = text.split(move |letter| !is_of_one(letter));
    let runs = runs.map(|run| run.trim_matches([' ', '.', '-', '/'])).filter(is_number);
    runs.flat_map(|run| [run, run.trim_matches(['(', ')', ' '])])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::daily_sync::fingerprints::{Place, Within};

    #[test]
    fn a_value_is_found_alone_and_among_words() {
        let marker = Marker::new("a key of sixteen letters");
        let mark = |value: &str| (marker.rank(value), marker.mark(value));
        let place = Place {
            database: "shop".into(),
            table: "public.person".parse().unwrap(),
            column: "email".into(),
            within: Within::Column,
        };
        let taken = Fingerprint {
            place,
            values: 1,
            sum: 0,
            marks: vec![mark("jane@mail.example"), mark("+49 30 901820")],
        };
        let mut wanted = Wanted::default();
        wanted.add(&taken, "email");
        for text in [
            "jane@mail.example",
            "write to jane@mail.example, please",
            "{\"a\":\"jane@mail.example\"}",
            "Write to jane@mail.example.",
            "jane@mail.example!",
            "mailto:jane@mail.example",
            "https://host.example/?email=jane@mail.example&page=2",
            "jane@mail.example:a word",
            "owner=jane@mail.example...",
            "%jane@mail.example%",
            "call +49 30 901820 today",
            "(+49 30 901820)",
            "Tel. +49 30 901820.",
        ] {
            assert_eq!(wanted.in_text(&marker, text), Some("email"), "{text}");
        }
        for text in
            ["jane@mail.examples", "mary.jane@mail.example", "Jane@mail.example", "49 30 9018201", "", "."]
        {
            assert_eq!(wanted.in_text(&marker, text), None, "{text}");
        }
    }
}
