//! Replaces values: a value in PostgreSQL's text form goes in, another one that the same type reads
//! comes out.
//!
//! Nothing here speaks SQL or knows of a table: who copies rows gives each column its
//! [`Replacement`]. Every replacement is a function of the value and the key alone, so that equal
//! values stay equal under a rule, in every table and database. docs/masking.md says what each rule
//! promises. Two promises hold for all that are no range: none leaves a value as it was by chance,
//! and what a rule cannot change is counted ([`Part::unchanged`]).
//!
//! * [`single`] one value by one rule; [`text`], [`integer`], [`decimal`], [`date`], [`ip`] its
//!   forms;
//! * [`array`] the elements of an array; [`json`] the values at paths of a document;
//! * [`key`] the keyed hashes; [`seen`] what was met, and marks of it.
//!
//! A session that values are read in and written by has client_encoding UTF8, DateStyle ISO,
//! TimeZone UTC, extra_float_digits 1, bytea_output hex and lc_monetary C.

use std::fmt;

use policy::Rule;

mod array;
mod date;
mod decimal;
mod integer;
mod ip;
mod json;
mod key;
mod seen;
mod single;
mod text;

pub use key::Key;
pub use seen::{Marks, Part, Seen, Tally};

use crate::daily_sync::fingerprints::Within;
use array::Elements;
use json::Document;
use single::Single;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Text,
    /// `char(n)`, whose blanks at the end are none of the value's
    /// (https://www.postgresql.org/docs/current/datatype-character.html).
    Char,
    Integer,
    Numeric,
    Float,
    Date,
    Timestamp,
    Ip,
    Cidr,
    Uuid,
    Json,
    Bytes,
    Other,
}

impl Kind {
    /// Of a type of `pg_catalog`, or citext, by its name.
    pub fn of(base: &str) -> Self {
        match base {
            "text" | "varchar" | "citext" => Self::Text,
            "bpchar" => Self::Char,
            "int2" | "int4" | "int8" => Self::Integer,
            "numeric" | "money" => Self::Numeric,
            "float4" | "float8" => Self::Float,
            "date" => Self::Date,
            "timestamp" | "timestamptz" => Self::Timestamp,
            "inet" => Self::Ip,
            "cidr" => Self::Cidr,
            "uuid" => Self::Uuid,
            "json" | "jsonb" => Self::Json,
            "bytea" => Self::Bytes,
            _ => Self::Other,
        }
    }

    fn is_text(self) -> bool {
        matches!(self, Self::Text | Self::Char)
    }
}

/// What a column is, as far as its values' replacements follow from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slot {
    /// Of the value, or of an element of the array.
    pub kind: Kind,
    /// How many characters fit.
    pub length: Option<usize>,
    /// Values that differ in case are equal.
    pub lower: bool,
    /// The values, or those of a key that refers to them, are unique.
    pub unique: bool,
    /// The numbers have 16 bits.
    pub small: bool,
    pub not_null: bool,
    pub array: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replaced {
    Null,
    Text,
}

/// Why a value is none of its type: without the value. PostgreSQL prints no such value, so the
/// column is of another type than the slot says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unfit(&'static str);

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for Unfit {}

/// What becomes of the values of one column.
#[derive(Clone)]
pub struct Replacement {
    how: How,
    /// Blanks at the end are none of the value's.
    padded: bool,
}

#[derive(Clone)]
enum How {
    Null(Tally),
    Constant(String, Tally),
    Single(Box<Single>, Tally),
    Elements(Box<Elements>),
    Document(Box<Document>),
}

impl Replacement {
    /// Or why the rule does not fit the column.
    pub fn new(key: &Key, rule: &Rule, slot: &Slot) -> Result<Self, String> {
        let tally = |within| Tally::new(key, rule, slot, within);
        let how = match rule {
            Rule::Keep | Rule::Sql { .. } => {
                return Err(format!("the rule {} replaces no value", rule.name()));
            }
            Rule::Null if slot.not_null => return Err("it is NOT NULL".into()),
            Rule::Null => How::Null(tally(Within::Column)),
            Rule::Constant { .. } if slot.unique => return Err("its values are unique".into()),
            Rule::Constant { value } => {
                let characters = value.chars().count();
                if let Some(length) = slot.length.filter(|length| *length < characters && !slot.array) {
                    return Err(format!("the value has {characters} characters, and {length} fit"));
                }
                How::Constant(value.clone(), tally(Within::Column))
            }
            Rule::Json { paths } if slot.kind == Kind::Json && !slot.array => {
                How::Document(Box::new(Document::new(key, paths)?))
            }
            rule if slot.array => {
                // What is unique is the array.
                let element = Slot { unique: false, not_null: false, array: false, ..*slot };
                let single = Single::new(key, rule, &element)?;
                How::Elements(Box::new(Elements::new(single, tally(Within::Elements))))
            }
            rule => How::Single(Box::new(Single::new(key, rule, slot)?), tally(Within::Column)),
        };
        Ok(Self { how, padded: slot.kind == Kind::Char && !slot.array })
    }

    /// Appends what the value becomes to `out`. The value is PostgreSQL's text form of one, and not
    /// NULL.
    pub fn apply(&mut self, value: &str, out: &mut String) -> Result<Replaced, Unfit> {
        let value = if self.padded { value.trim_end_matches(' ') } else { value };
        match &mut self.how {
            How::Null(tally) => {
                tally.met(value, false);
                return Ok(Replaced::Null);
            }
            How::Constant(constant, tally) => {
                // One that is the constant already is found again, and that says nothing.
                if value == constant {
                    tally.passed()
                } else {
                    tally.met(value, false)
                }
                out.push_str(constant);
            }
            How::Single(single, tally) => single.replace(value, tally, out)?,
            How::Elements(elements) => elements.replace(value, out)?,
            How::Document(document) => document.replace(value, out)?,
        }
        Ok(Replaced::Text)
    }

    /// What it has met so far.
    pub fn seen(&self) -> Seen {
        match &self.how {
            How::Null(tally) | How::Constant(_, tally) | How::Single(_, tally) => Seen::of(tally),
            How::Elements(elements) => Seen::of(elements.tally()),
            How::Document(document) => document.seen(),
        }
    }
}

#[cfg(test)]
mod tests;
