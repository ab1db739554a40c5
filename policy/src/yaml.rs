//! YAML as a tree whose every node knows its place. The file is plain YAML: one document, no
//! anchors, no tags, no key twice; so Terraform's `yamldecode`, an editor and this crate read the
//! same.

use std::collections::BTreeMap;

use granit_parser::{Event, Marker, Parser, ScalarStyle, Span};

use crate::error::{Error, Errors};

#[derive(Debug, Clone)]
pub struct Node {
    pub place: Place,
    pub content: Content,
}

#[derive(Debug, Clone)]
pub enum Content {
    /// Its text, and whether it stands without quotes.
    Scalar {
        text: String,
        plain: bool,
    },
    List(Vec<Node>),
    Mapping(Vec<(Key, Node)>),
}

#[derive(Debug, Clone)]
pub struct Key {
    pub place: Place,
    pub text: String,
}

/// A line and a column, both counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    pub line: usize,
    pub column: usize,
}

impl From<&Marker> for Place {
    fn from(marker: &Marker) -> Self {
        Self { line: marker.line().max(1), column: marker.col() + 1 }
    }
}

impl Place {
    pub const START: Place = Place { line: 1, column: 1 };

    pub fn error(self, field: &str, message: impl Into<String>) -> Error {
        let message = short(message.into());
        Error { line: self.line, column: self.column, field: short(field.to_owned()), message }
    }
}

/// A value that is quoted may be longer than what a person reads: what is said of it stands behind
/// it.
fn short(text: String) -> String {
    const START: usize = 400;
    const END: usize = 400;
    let length = text.chars().count();
    if length <= START + END {
        return text;
    }
    let (start, end): (String, String) =
        (text.chars().take(START).collect(), text.chars().skip(length - END).collect());
    format!("{start} … {end}")
}

/// The one document of the text.
pub fn parse(text: &str) -> Result<Node, Errors> {
    let mut reader = Reader { events: Parser::new_from_str(text), errors: Vec::new(), depth: 0 };
    let root = reader.document().map_err(|error| Errors(vec![error]))?;
    if reader.errors.is_empty() { Ok(root) } else { Err(Errors(reader.errors)) }
}

struct Reader<'text, I: granit_parser::BorrowedInput<'text>> {
    events: Parser<'text, I>,
    errors: Vec<Error>,
    depth: usize,
}

/// A policy has ten levels. What is nested without end would take the stack.
const DEEPEST: usize = 40;

impl<'text, I: granit_parser::BorrowedInput<'text>> Reader<'text, I> {
    fn next(&mut self) -> Result<(Event<'text>, Place), Error> {
        match self.events.next_event() {
            // The parser writes a tilde where a value is left out.
            Some(Ok((Event::Scalar(_, ScalarStyle::Plain, anchor, tag), Span { start, end, .. })))
                if start.index() == end.index() =>
            {
                Ok((Event::Scalar("".into(), ScalarStyle::Plain, anchor, tag), Place::from(&start)))
            }
            Some(Ok((event, Span { start, .. }))) => Ok((event, Place::from(&start))),
            Some(Err(error)) => {
                Err(Place::from(error.marker()).error("", format!("is not YAML: {}", error.info())))
            }
            None => Err(Place::START.error("", "ends too early")),
        }
    }

    fn document(&mut self) -> Result<Node, Error> {
        loop {
            match self.next()? {
                (Event::StreamStart | Event::DocumentStart(..), _) => continue,
                (Event::StreamEnd, place) => return Err(place.error("", "is empty")),
                (event, place) => {
                    let root = self.node(event, place)?;
                    self.next()?;
                    return match self.next()? {
                        (Event::StreamEnd, _) => Ok(root),
                        (_, place) => Err(place.error("", "a second document begins here; a policy is one")),
                    };
                }
            }
        }
    }

    fn node(&mut self, event: Event<'text>, place: Place) -> Result<Node, Error> {
        if event.anchor_id().is_some() || event.is_alias() {
            self.errors.push(place.error("", "anchors and aliases (&, *) are not read here; write it out"));
        }
        if let Some(tag) = event.tag() {
            self.errors
                .push(place.error("", format!("the tag {} is not read here; leave it out", tag.original())));
        }
        if self.depth == DEEPEST {
            return Err(place.error("", format!("is nested deeper than {DEEPEST} levels")));
        }
        self.depth += 1;
        let content = match event {
            Event::Scalar(text, style, ..) => {
                Content::Scalar { text: text.into_owned(), plain: style == ScalarStyle::Plain }
            }
            Event::SequenceStart(..) => {
                let mut list = Vec::new();
                loop {
                    match self.next()? {
                        (Event::SequenceEnd, _) => break Content::List(list),
                        (event, place) => list.push(self.node(event, place)?),
                    }
                }
            }
            Event::MappingStart(..) => Content::Mapping(self.mapping()?),
            _ => Content::Scalar { text: String::new(), plain: false },
        };
        self.depth -= 1;
        Ok(Node { place, content })
    }

    fn mapping(&mut self) -> Result<Vec<(Key, Node)>, Error> {
        let mut entries: Vec<(Key, Node)> = Vec::new();
        let mut lines = BTreeMap::new();
        loop {
            let key = match self.next()? {
                (Event::MappingEnd, _) => return Ok(entries),
                (Event::Scalar(text, ..), place) => Key { place, text: text.into_owned() },
                (_, place) => {
                    return Err(place.error("", "a key is text; here it is a list, a mapping or an alias"));
                }
            };
            let (event, place) = self.next()?;
            let value = self.node(event, place)?;
            match lines.get(&key.text) {
                Some(first) => self.errors.push(
                    key.place.error(&key.text, format!("stands here twice; it is already on line {first}")),
                ),
                None => {
                    lines.insert(key.text.clone(), key.place.line);
                    entries.push((key, value));
                }
            }
        }
    }
}
