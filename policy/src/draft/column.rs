//! From what is known of a column to a rule that its type, its constraints and its values take.

use serde::Deserialize;

use super::{
    Described,
    names::{Meaning, meaning},
    propose,
};
use crate::Rule;

/// What the script says of a column.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Column {
    pub name: String,
    base: String,
    array: bool,
    not_null: bool,
    generated: bool,
    /// Part of a primary key, or of a foreign one.
    key: bool,
    /// Part of something unique.
    unique: bool,
    /// Unique all by itself.
    unique_alone: bool,
    partition_key: bool,
    length: Option<usize>,
    /// A CHECK that lists its values, or another one.
    check: Option<Check>,
    /// The column that a foreign key says it refers to.
    #[serde(default)]
    pub refers: Option<(String, String, String)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Check {
    List,
    Other,
}

/// What a sample of its values looks like. No value is in it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Sample {
    pub shape: Option<Shape>,
    /// A handful of short values, again and again.
    pub few: bool,
    /// Numbers within a small range.
    pub small: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Shape {
    Secret,
    Email,
    Url,
    Uuid,
    Ip,
    Phone,
}

impl Shape {
    pub fn rule(self) -> Rule {
        match self {
            Self::Secret => Rule::Hash,
            Self::Email => Rule::Email,
            Self::Url => Rule::Url,
            Self::Uuid => Rule::Uuid,
            Self::Ip => Rule::Ip,
            Self::Phone => Rule::Phone,
        }
    }
}

/// A proposal, and what somebody has to know about it.
pub(super) struct Proposal {
    pub rule: Rule,
    pub note: Option<&'static str>,
}

impl From<Rule> for Proposal {
    fn from(rule: Rule) -> Self {
        Self { rule, note: None }
    }
}

impl Column {
    pub fn proposal(&self, sample: &Sample) -> Proposal {
        if self.generated {
            return Proposal { rule: Rule::Keep, note: Some("generated") };
        }
        let secret = meaning(&self.name) == Some(Meaning::Secret);
        if self.check == Some(Check::List) && !secret {
            return Proposal { rule: Rule::Keep, note: Some("a CHECK lists its values") };
        }
        if self.partition_key {
            return Proposal { rule: Rule::Keep, note: Some("it decides the partition") };
        }
        let by_name = propose(Described {
            name: &self.name,
            base: &self.base,
            array: self.array,
            not_null: self.not_null,
            key: self.key,
        });
        let rule = match sample.shape.map(Shape::rule) {
            // What a name says is not known by a shape: a phone is one, whatever it looks like.
            Some(shape) if self.is_text() && (!self.key || shape != Rule::Uuid) => match by_name {
                Rule::Keep | Rule::FreeText | Rule::Name => shape,
                named => named,
            },
            _ if sample.few && by_name == Rule::FreeText => {
                return Proposal { rule: Rule::Keep, note: Some("a handful of values, again and again") };
            }
            _ => by_name,
        };
        self.fitted(rule, sample, secret)
    }

    fn is_text(&self) -> bool {
        matches!(self.base.as_str(), "text" | "varchar" | "bpchar" | "citext")
    }

    /// The rule, or the nearest that does not fail on a constraint or leave the values as they are.
    fn fitted(&self, rule: Rule, sample: &Sample, secret: bool) -> Proposal {
        let fits = match &rule {
            Rule::Keep => !secret || !self.is_text(),
            Rule::Email => self.has_room(13),
            Rule::Url => self.has_room(20),
            Rule::Name | Rule::Hash if self.is_text() => self.has_room(0),
            Rule::Address => self.has_room(9),
            Rule::Phone => self.has_room(1),
            Rule::Ip if self.is_text() => {
                self.length.is_none_or(|length| length >= if self.unique { 39 } else { 15 })
            }
            Rule::Uuid if self.is_text() => self.length.is_none_or(|length| length >= 36),
            // A CHECK that wants no space, or no empty text, takes digits.
            Rule::FreeText => !self.unique && self.check.is_none(),
            Rule::Numeric { .. } => !self.unique && !sample.small,
            Rule::Integer { .. } => !sample.small,
            Rule::DateShift { .. } => !self.unique_alone,
            Rule::Null => !self.not_null,
            Rule::Constant { .. } => !self.unique_alone,
            _ => true,
        };
        if fits {
            return rule.into();
        }
        let none_kept = || if self.not_null { None } else { Some(Rule::Null) };
        let instead = match rule {
            Rule::FreeText | Rule::Keep if self.has_room(0) => Some(Rule::Hash),
            Rule::Numeric { .. } | Rule::Integer { .. } if !self.unique => {
                none_kept().or(Some(Rule::Constant { value: "0".into() }))
            }
            _ => none_kept(),
        };
        match instead {
            Some(rule) => rule.into(),
            None if !self.unique && self.is_text() => Rule::Constant { value: String::new() }.into(),
            None => Proposal { rule: Rule::Keep, note: Some("no rule fits: decide what becomes of it") },
        }
    }

    /// Whether enough of a hash goes beside so many characters (docs/masking.md, "Rules").
    fn has_room(&self, fixed: usize) -> bool {
        let least = if self.unique { 12 } else { 4 };
        self.length.is_none_or(|length| length >= fixed + least)
    }
}
