//! The rows of a table on their way from the copy as it was into the new database: what becomes of
//! each field of a line of COPY.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context as _;
use policy::secrets;

use super::{
    copy_text,
    plan::{PlannedColumn, Value},
};
use crate::daily_sync::replace::{Key, Replaced, Replacement, Seen, Tally};

/// Replaces the values of lines. It is sent to a thread and back with what it has seen.
pub struct Rows {
    fields: Vec<Field>,
    pub count: u64,
    buffer: String,
}

enum Field {
    Pass,
    /// Passed, but some values are looked at.
    Kept(Look),
    /// Two fields of the source: the value as it was, and what the policy's expression made of it.
    Sql(Box<Tally>),
    Replace(Box<Replacement>),
}

/// A value for which a rule has no replacement, by its column where that is known.
#[derive(Debug)]
pub struct Misfit {
    pub column: Option<usize>,
    pub why: String,
}

/// What the first values of a kept column are like.
#[derive(Default)]
struct Look {
    values: u32,
    /// Of a form that an issuer gives its keys and tokens.
    forms: u32,
    random: u32,
}

/// A database of SQL_ASCII takes any bytes for text.
pub const NOT_UTF8: &str = "it holds text that is not UTF-8: convert it in production, or truncate it";

/// So many values of a column and part are looked at.
const SAMPLE: u32 = 2000;
/// Fewer that look random may be so by chance.
const FEW: u32 = 20;

impl Look {
    fn at(&mut self, value: &str) {
        self.values += 1;
        if secrets::has_form(value) {
            self.forms += 1;
        } else if secrets::is_value(value) {
            self.random += 1;
        }
    }

    fn holds_credentials(&self) -> bool {
        self.forms > 0 || self.values >= FEW && self.random * 10 >= self.values * 9
    }
}

impl Rows {
    pub fn new(key: &Key, columns: &[PlannedColumn]) -> anyhow::Result<Self> {
        let field = |column: &PlannedColumn| {
            Ok(match &column.value {
                Value::Keep { text: true } => Field::Kept(Look::default()),
                Value::Keep { text: false } => Field::Pass,
                Value::Sql { .. } => Field::Sql(Box::new(Tally::watching(key, usize::MAX))),
                Value::Replaced { rule, slot } => Field::Replace(Box::new(
                    Replacement::new(key, rule, slot)
                        .map_err(anyhow::Error::msg)
                        .context("a planned rule")?,
                )),
            })
        };
        let fields = columns.iter().map(field).collect::<anyhow::Result<_>>()?;
        Ok(Self { fields, count: 0, buffer: String::new() })
    }

    /// The lines are the target's as they are.
    pub fn pass(&self) -> bool {
        self.fields.iter().all(|field| match field {
            Field::Pass => true,
            Field::Kept(look) => look.values >= SAMPLE,
            Field::Sql(_) | Field::Replace(_) => false,
        })
    }

    /// Whole lines, replaced.
    pub fn replace(&mut self, lines: &[u8]) -> anyhow::Result<Result<Vec<u8>, Misfit>> {
        // A database of SQL_ASCII knows no encoding, and converts nothing.
        let Ok(lines) = std::str::from_utf8(lines) else {
            let why = NOT_UTF8.to_owned();
            return Ok(Err(Misfit { column: None, why }));
        };
        let mut out = Vec::with_capacity(lines.len() + lines.len() / 4);
        for line in lines.split_terminator('\n') {
            let mut given = copy_text::fields(line);
            for (number, field) in self.fields.iter_mut().enumerate() {
                if number > 0 {
                    out.push(b'\t');
                }
                let text = given.next().context("a line of COPY has fewer fields than were asked for")?;
                match field {
                    Field::Pass => out.extend_from_slice(text.as_bytes()),
                    Field::Kept(look) => {
                        if look.values < SAMPLE
                            && let Some(value) = copy_text::value(text)
                        {
                            look.at(&value);
                        }
                        out.extend_from_slice(text.as_bytes());
                    }
                    Field::Sql(tally) => {
                        let made = given.next().context("a line of COPY lacks the replaced field")?;
                        if let Some(value) = copy_text::value(text) {
                            tally.met(&value, text == made);
                        }
                        out.extend_from_slice(made.as_bytes());
                    }
                    Field::Replace(replacement) => match copy_text::value(text) {
                        None => copy_text::push_null(&mut out),
                        Some(value) => {
                            self.buffer.clear();
                            match replacement.apply(&value, &mut self.buffer) {
                                Ok(Replaced::Text) => copy_text::push(&self.buffer, &mut out),
                                Ok(Replaced::Null) => copy_text::push_null(&mut out),
                                Err(unfit) => {
                                    return Ok(Err(Misfit { column: Some(number), why: unfit.to_string() }));
                                }
                            }
                        }
                    },
                }
            }
            anyhow::ensure!(given.next().is_none(), "a line of COPY has more fields than were asked for");
            out.push(b'\n');
            self.count += 1;
        }
        Ok(Ok(out))
    }

    /// Kept columns whose values look like credentials, by their numbers.
    pub fn credentials(&self) -> BTreeSet<usize> {
        let kept = |(number, field): (usize, &Field)| match field {
            Field::Kept(look) => look.holds_credentials().then_some(number),
            _ => None,
        };
        self.fields.iter().enumerate().filter_map(kept).collect()
    }

    /// What was met in each column that is replaced, by its number.
    pub fn done(self) -> BTreeMap<usize, Seen> {
        let seen = |(number, field)| match field {
            Field::Pass | Field::Kept(_) => None,
            Field::Sql(tally) => Some((number, Seen::of(&tally))),
            Field::Replace(replacement) => Some((number, replacement.seen())),
        };
        self.fields.into_iter().enumerate().filter_map(seen).collect()
    }
}
