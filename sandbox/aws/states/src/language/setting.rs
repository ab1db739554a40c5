//! A field that is one value, or an expression that gives it when the state runs.

use jiff::Timestamp;
use serde_json::Value;

use super::reader::{Fields, Reader};
use crate::jsonata::Template;

#[derive(Debug)]
pub enum Setting<T> {
    Fixed(T),
    Computed(Template),
}

impl<T> Setting<T> {
    /// `refusal` is what is said of a value that `read` does not take.
    pub fn read(
        reader: &mut Reader,
        fields: &mut Fields,
        name: &str,
        read: impl Fn(&Value) -> Option<T>,
        refusal: impl Fn(&Value) -> String,
    ) -> Option<Self> {
        let place = fields.at(name);
        let template = fields.template(reader, name)?;
        if template.source().is_some() {
            return Some(Self::Computed(template));
        }
        let fixed = template.literal().and_then(&read);
        if fixed.is_none() {
            reader.refuse(&place, refusal(template.literal().unwrap_or(&Value::Null)));
        }
        fixed.map(Self::Fixed)
    }
}

/// A whole number of seconds from `least` to 99999999. JSONata has no integers of its own: 60.0 is
/// one.
pub fn seconds(least: u64) -> impl Fn(&Value) -> Option<u64> {
    move |value| {
        let seconds =
            value.as_f64().filter(|s| s.fract() == 0.0 && (least as f64..=99_999_999.0).contains(s))?;
        Some(seconds as u64)
    }
}

impl Setting<u64> {
    pub fn seconds(reader: &mut Reader, fields: &mut Fields, name: &str, least: u64) -> Option<Self> {
        Self::read(reader, fields, name, seconds(least), |value| {
            format!("must be a whole number from {least} to 99999999, found {value}")
        })
    }

    pub fn value(&self) -> Option<u64> {
        if let Self::Fixed(value) = self { Some(*value) } else { None }
    }
}

impl Setting<String> {
    pub fn text(reader: &mut Reader, fields: &mut Fields, name: &str) -> Option<Self> {
        Self::read(
            reader,
            fields,
            name,
            |value| value.as_str().map(str::to_owned),
            |_| "must be a string".into(),
        )
    }
}

/// RFC 3339 with a capital T and an offset
/// (https://docs.aws.amazon.com/step-functions/latest/dg/state-wait.html); jiff alone takes a
/// space, too.
pub fn timestamp(value: &Value) -> Option<Timestamp> {
    let text = value.as_str().filter(|text| text.contains('T') && !text.contains([' ', '[']))?;
    text.parse().ok()
}
