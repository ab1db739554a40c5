//! The values at paths of a document. All else that could be a value must be covered, too: what is
//! not is counted, and becomes null. The text between replaced values stays as it is.

use std::collections::BTreeMap;

use policy::{JsonPath, PathRule, Rule};

use super::{Key, Kind, Seen, Slot, Unfit, seen::Tally, single::Single};
use crate::daily_sync::fingerprints::Within;
use paths::{Node, Paths};
use tokens::{MALFORMED, Tokens, is_number, plain, write_string};
use unknown::{DEPTH, Unknown, Way, is_name};

mod paths;
mod tokens;
mod unknown;

#[derive(Clone)]
pub(super) struct Document {
    paths: Paths,
    /// What is done at each path.
    acts: Vec<(Act, Tally)>,
    unknown: Unknown,
    /// From the document down to the value that is read.
    frames: Vec<Frame>,
    buffers: Buffers,
}

#[derive(Clone)]
enum Act {
    Keep,
    Null,
    /// As it is written in JSON, and what it says.
    Constant(String, String),
    Text(Single),
    Number(Single),
    Date(Single),
}

#[derive(Clone, Default)]
struct Buffers {
    /// A string without its escapes.
    plain: String,
    /// What a rule made of it.
    made: String,
}

/// An object or array that is being read.
#[derive(Clone, Copy)]
struct Frame {
    object: bool,
    node: Option<usize>,
    /// Where the key of the present member stands.
    key: (usize, usize),
    by: By,
}

#[derive(Clone, Copy, PartialEq)]
enum By {
    Key,
    Members,
    Nothing,
}

impl Document {
    pub(super) fn new(key: &Key, paths: &BTreeMap<JsonPath, PathRule>) -> Result<Self, String> {
        let act = |(path, at): (&JsonPath, &PathRule)| {
            let act = Act::new(key, &at.rule).map_err(|why| format!("at {path}: {why}"))?;
            Ok((act, Tally::new(key, &at.rule, &SLOT, Within::Path(path.clone()))))
        };
        Ok(Self {
            paths: Paths::new(paths.keys())?,
            acts: paths.iter().map(act).collect::<Result<_, String>>()?,
            unknown: Unknown::default(),
            frames: Vec::new(),
            buffers: Buffers::default(),
        })
    }

    pub(super) fn seen(&self) -> Seen {
        let parts = self.acts.iter().map(|(_, tally)| tally.part().clone()).collect();
        Seen { parts, unknown: self.unknown.paths() }
    }

    /// Without recursion: a document may be nested deeper than a thread's stack is.
    pub(super) fn replace(&mut self, text: &str, out: &mut String) -> Result<(), Unfit> {
        let mut tokens = Tokens::of(text);
        let mut copied = 0;
        let mut node = Some(self.paths.root());
        self.frames.clear();
        loop {
            let first = tokens.peek().ok_or(MALFORMED)?;
            let start = tokens.at;
            let here = node.map(|node| self.paths.node(node));
            let end = here.and_then(|here| here.end);
            // With paths below it a rule is for the values that stand here themselves.
            let whole = end.is_some() && here.is_some_and(Node::is_last);
            if matches!(first, b'{' | b'[') && !whole {
                tokens.at += 1;
                if !matches!(tokens.peek(), Some(b'}' | b']')) {
                    let frame = Frame { object: first == b'{', node, key: (0, 0), by: By::Nothing };
                    self.frames.push(frame);
                    node = self.step(text, &mut tokens)?;
                    continue;
                }
                let closing = if first == b'{' { b'}' } else { b']' };
                tokens.expect(closing)?;
            } else {
                out.push_str(&text[copied..start]);
                let replaced = match end {
                    Some(end) => {
                        let (act, tally) = &mut self.acts[end];
                        act.apply(&mut tokens, tally, &mut self.buffers, out)?
                    }
                    None => self.uncovered(text, &mut tokens, out)?,
                };
                copied = if replaced { tokens.at } else { start };
            }
            // Whatever ends with this value ends here.
            loop {
                let next = tokens.peek();
                let Some(frame) = self.frames.last() else {
                    out.push_str(&text[copied..]);
                    return if next.is_none() { Ok(()) } else { Err(MALFORMED) };
                };
                tokens.at += 1;
                match (next, frame.object) {
                    (Some(b','), _) => break,
                    (Some(b'}'), true) | (Some(b']'), false) => self.frames.pop(),
                    _ => return Err(MALFORMED),
                };
            }
            node = self.step(text, &mut tokens)?;
        }
    }

    /// To the next member or element, and the node that it is at.
    fn step(&mut self, text: &str, tokens: &mut Tokens<'_>) -> Result<Option<usize>, Unfit> {
        let Some(frame) = self.frames.last_mut() else { return Err(MALFORMED) };
        let here = frame.node.map(|node| self.paths.node(node));
        if !frame.object {
            return Ok(here.and_then(|here| here.elements()));
        }
        let token = tokens.string()?;
        frame.key = (tokens.at - 1 - token.len(), tokens.at - 1);
        tokens.expect(b':')?;
        let key = plain(token, &mut self.buffers.plain)?;
        let (by, node) = match here {
            Some(here) => match (here.key(key), here.members()) {
                (Some(node), _) => (By::Key, Some(node)),
                (None, Some(node)) => (By::Members, Some(node)),
                (None, None) => (By::Nothing, None),
            },
            None => (By::Nothing, None),
        };
        frame.by = by;
        if by != By::Key && !is_name(key) {
            let (_, above) = self.frames.split_last().ok_or(MALFORMED)?;
            self.unknown.key(ways(text, above)?);
        }
        Ok(node)
    }

    /// Null says nothing. Anything else that no path covers becomes null.
    fn uncovered(&mut self, text: &str, tokens: &mut Tokens<'_>, out: &mut String) -> Result<bool, Unfit> {
        if tokens.peek() == Some(b'"') {
            tokens.string()?;
        } else if tokens.word()? == "null" {
            return Ok(false);
        }
        self.unknown.value(ways(text, &self.frames)?);
        out.push_str("null");
        Ok(true)
    }
}

/// The way to the present value, as far as it is shown.
fn ways(text: &str, frames: &[Frame]) -> Result<Vec<Way>, Unfit> {
    let way = |frame: &Frame| {
        let key = || plain(&text[frame.key.0..frame.key.1], &mut String::new()).map(str::to_owned);
        Ok(match (frame.object, frame.by) {
            (false, _) => Way::Elements,
            (true, By::Key) => Way::Known(key()?),
            (true, By::Members) => Way::Members,
            (true, By::Nothing) => Way::Key(key()?),
        })
    };
    frames.iter().take(DEPTH).map(way).collect()
}

/// A value in a document has no length and no constraint.
const SLOT: Slot = Slot {
    kind: Kind::Text,
    length: None,
    lower: false,
    unique: false,
    small: false,
    not_null: false,
    array: false,
};

impl Act {
    fn new(key: &Key, rule: &Rule) -> Result<Self, String> {
        Ok(match rule {
            Rule::Keep => Self::Keep,
            Rule::Null => Self::Null,
            Rule::Constant { value } => {
                let mut written = String::new();
                write_string(value, &mut written);
                Self::Constant(written, value.clone())
            }
            Rule::Integer { .. } | Rule::Numeric { .. } => {
                Self::Number(Single::number_of_document(key, rule, &SLOT)?)
            }
            Rule::DateShift { days } => Self::Date(Single::date_of_document(key, rule, *days, &SLOT)?),
            Rule::Sql { .. } | Rule::Json { .. } => {
                return Err(format!("the rule {} does not go inside a document", rule.name()));
            }
            rule => Self::Text(Single::new(key, rule, &SLOT)?),
        })
    }

    /// Reads the value, and writes another one or answers that it stays.
    fn apply(
        &mut self,
        tokens: &mut Tokens<'_>,
        tally: &mut Tally,
        buffers: &mut Buffers,
        out: &mut String,
    ) -> Result<bool, Unfit> {
        let Buffers { plain: buffer, made } = buffers;
        made.clear();
        let first = tokens.peek().ok_or(MALFORMED)?;
        if matches!(first, b'{' | b'[') {
            let empty = tokens.skip()?;
            return Ok(self.whole(empty, tally, out));
        }
        let is_string = first == b'"';
        let value = if is_string { plain(tokens.string()?, buffer)? } else { tokens.word()? };
        if !is_string && value == "null" {
            tally.null();
            return Ok(false);
        }
        let done = match self {
            Self::Keep => {
                tally.passed();
                return Ok(false);
            }
            Self::Constant(written, says) => {
                if value == says {
                    tally.passed()
                } else {
                    tally.met(value, false)
                }
                out.push_str(written);
                return Ok(true);
            }
            Self::Text(single) => single.replace(value, tally, made).ok(),
            Self::Number(single) if !is_string && is_number(value) => single.replace(value, tally, made).ok(),
            Self::Date(single) if is_string => single.replace(value, tally, made).ok(),
            Self::Null | Self::Number(_) | Self::Date(_) => None,
        };
        match (done, &self) {
            // Of a value that the rule is not for nothing is left.
            (None, _) => {
                tally.met(value, false);
                out.push_str("null");
            }
            (Some(()), Self::Number(_)) => out.push_str(made),
            (Some(()), _) => write_string(made, out),
        }
        Ok(true)
    }

    /// An object or array where a value was meant, or a part that one rule decides about.
    fn whole(&self, empty: bool, tally: &mut Tally, out: &mut String) -> bool {
        match self {
            Self::Keep => tally.passed(),
            Self::Constant(written, _) => {
                tally.passed();
                out.push_str(written);
                return true;
            }
            Self::Text(_) | Self::Number(_) | Self::Date(_) if empty => tally.null(),
            _ => {
                tally.passed();
                out.push_str("null");
                return true;
            }
        }
        false
    }
}
