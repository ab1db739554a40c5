//! One value by one rule.

use policy::Rule;

use super::{
    Key, Kind, Slot, Unfit,
    date::Shift,
    decimal::Decimal,
    integer::{Permutation, Range},
    ip::Ip,
    key::Use,
    seen::Tally,
    text::Text,
};

#[derive(Clone)]
pub(super) struct Single {
    form: Form,
    lower: bool,
    padded: bool,
    digests: Use,
    /// The value in lower case.
    lowered: String,
}

#[derive(Clone)]
enum Form {
    Text(Text),
    Ip(Ip),
    Permutation(Permutation),
    Range(Range),
    Decimal(Decimal),
    Shift(Shift),
}

/// So often another digest is tried when a value would become itself. One letter of free text does
/// so once in 14 times; 16 digests in a row never do.
const DIGESTS: usize = 16;

impl Single {
    pub(super) fn new(key: &Key, rule: &Rule, slot: &Slot) -> Result<Self, String> {
        let form = match (rule, slot.kind) {
            (Rule::Ip, Kind::Text | Kind::Char | Kind::Ip | Kind::Cidr) => Form::Ip(Ip::new(slot)?),
            (Rule::Integer { min: None, max: None }, Kind::Integer) => {
                Form::Permutation(Permutation::new(key, slot.small))
            }
            (Rule::Integer { min, max }, Kind::Integer) => Form::Range(Range::new(*min, *max, slot)?),
            (Rule::Numeric { min, max }, Kind::Integer | Kind::Numeric | Kind::Float) => {
                Form::Decimal(Decimal::new(min.as_ref(), max.as_ref(), slot)?)
            }
            (Rule::DateShift { days }, Kind::Date | Kind::Timestamp) => {
                Form::Shift(Shift::new(*days, slot.kind)?)
            }
            (rule, _) => Form::Text(Text::new(rule, slot)?),
        };
        Ok(Self::with(form, key, rule, slot))
    }

    /// Dates as documents have them: ISO 8601, in the years that four digits write.
    pub(super) fn date_of_document(key: &Key, rule: &Rule, days: u32, slot: &Slot) -> Result<Self, String> {
        Ok(Self::with(Form::Shift(Shift::of_document(days)?), key, rule, slot))
    }

    /// Numbers as documents have them.
    pub(super) fn number_of_document(key: &Key, rule: &Rule, slot: &Slot) -> Result<Self, String> {
        // A range makes a number of any, whole or not.
        let kind = if matches!(rule, Rule::Numeric { .. }) { Kind::Numeric } else { Kind::Integer };
        Self::new(key, rule, &Slot { kind, ..*slot })
    }

    fn with(form: Form, key: &Key, rule: &Rule, slot: &Slot) -> Self {
        Self {
            form,
            lower: slot.lower,
            padded: slot.kind == Kind::Char,
            digests: key.of(rule.name()),
            lowered: String::new(),
        }
    }

    pub(super) fn replace(&mut self, value: &str, tally: &mut Tally, out: &mut String) -> Result<(), Unfit> {
        let original = if self.padded { value.trim_end_matches(' ') } else { value };
        let text = if self.lower {
            self.lowered.clear();
            self.lowered.extend(original.chars().flat_map(char::to_lowercase));
            self.lowered.as_str()
        } else {
            original
        };
        let digest = || self.digests.digest(text);
        let unchanged = match &mut self.form {
            Form::Text(form) => never_the_same(text, &self.digests, out, |digest, out| {
                form.write(&digest, text, out);
            }),
            Form::Ip(form) => {
                never_the_same(text, &self.digests, out, |digest, out| form.write(&digest, text, out))
            }
            Form::Permutation(form) => {
                form.write(text, out)?;
                false
            }
            Form::Range(form) => {
                form.write(&digest(), out);
                false
            }
            Form::Decimal(form) => form.write(text, &self.digests, out)?,
            Form::Shift(form) => {
                if form.write(text, digest, out)? {
                    tally.passed();
                    return Ok(());
                }
                false
            }
        };
        tally.met(original, unchanged);
        Ok(())
    }
}

/// Whether it is the same nevertheless. No text at all says nothing and may stay so.
fn never_the_same(
    text: &str,
    digests: &Use,
    out: &mut String,
    mut write: impl FnMut(super::key::Digest, &mut String),
) -> bool {
    let start = out.len();
    let mut digest = digests.digest(text);
    for _ in 0..DIGESTS {
        out.truncate(start);
        write(digest, out);
        // What is written is ASCII, and its case may not count.
        if !out[start..].eq_ignore_ascii_case(text) {
            return false;
        }
        if text.is_empty() {
            return false;
        }
        digest = digests.another(digest);
    }
    true
}
