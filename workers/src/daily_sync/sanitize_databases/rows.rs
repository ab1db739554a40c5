//! The rows of a table on their way from the copy as it was into the new database: what becomes of
//! each field of a line of COPY.

use std::collections::BTreeMap;

use anyhow::Context as _;

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
    /// Two fields of the source: the value as it was, and what the policy's expression made of it.
    Sql(Box<Tally>),
    Replace(Box<Replacement>),
}

/// A value for which a rule has no replacement, by its column.
#[derive(Debug)]
pub struct Misfit {
    pub column: usize,
    pub why: String,
}

impl Rows {
    pub fn new(key: &Key, columns: &[PlannedColumn]) -> anyhow::Result<Self> {
        let field = |column: &PlannedColumn| {
            Ok(match &column.value {
                Value::Keep => Field::Pass,
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
        self.fields.iter().all(|field| matches!(field, Field::Pass))
    }

    /// Whole lines, replaced.
    pub fn replace(&mut self, lines: &[u8]) -> anyhow::Result<Result<Vec<u8>, Misfit>> {
        let lines = std::str::from_utf8(lines).context("COPY under client_encoding UTF8")?;
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
                                    return Ok(Err(Misfit { column: number, why: unfit.to_string() }));
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

    /// What was met in each column that is replaced, by its number.
    pub fn done(self) -> BTreeMap<usize, Seen> {
        let seen = |(number, field)| match field {
            Field::Pass => None,
            Field::Sql(tally) => Some((number, Seen::of(&tally))),
            Field::Replace(replacement) => Some((number, replacement.seen())),
        };
        self.fields.into_iter().enumerate().filter_map(seen).collect()
    }
}
