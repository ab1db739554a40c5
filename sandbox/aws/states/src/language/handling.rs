//! `Retry` and `Catch`:
//! https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html

use serde_json::Value;

use super::assign::Assign;
use super::reader::{Fields, Reader};
use crate::jsonata::Template;

/// The defaults and bounds are those of "Retry field examples".
#[derive(Debug)]
pub struct Retrier {
    pub error_equals: Vec<String>,
    pub interval_seconds: u64,
    pub max_attempts: u64,
    pub backoff_rate: f64,
    pub max_delay_seconds: Option<u64>,
    pub jitter: Jitter,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Jitter {
    None,
    Full,
}

#[derive(Debug)]
pub struct Catcher {
    pub error_equals: Vec<String>,
    pub next: String,
    pub output: Option<Template>,
    pub assign: Assign,
}

pub fn retriers(reader: &mut Reader, fields: &mut Fields) -> Option<Vec<Retrier>> {
    each(reader, fields, "Retry", Retrier::read)
}

pub fn catchers(reader: &mut Reader, fields: &mut Fields) -> Option<Vec<Catcher>> {
    each(reader, fields, "Catch", Catcher::read)
}

fn each<T>(
    reader: &mut Reader,
    fields: &mut Fields,
    name: &str,
    read: fn(&mut Reader, &mut Fields, Vec<String>) -> Option<T>,
) -> Option<Vec<T>> {
    let place = fields.at(name);
    let Some(items) = fields.take(name) else { return Some(Vec::new()) };
    let items = reader.array(&place, items)?;
    let last = items.len().saturating_sub(1);
    let mut all = Vec::new();
    for (index, item) in items.into_iter().enumerate() {
        let mut fields = reader.object(&format!("{place}[{index}]"), item)?;
        let names = error_names(reader, &mut fields, name, index == last);
        let handler = names.and_then(|names| read(reader, &mut fields, names));
        fields.end(reader);
        all.push(handler);
    }
    all.into_iter().collect()
}

/// `States.ALL` stands alone in its ErrorEquals, in the last retrier or catcher.
fn error_names(reader: &mut Reader, fields: &mut Fields, handler: &str, last: bool) -> Option<Vec<String>> {
    let place = fields.at("ErrorEquals");
    fields.require(reader, &["ErrorEquals"]);
    let names = fields.array(reader, "ErrorEquals")?;
    let names: Option<Vec<String>> = names.iter().map(|name| name.as_str().map(str::to_owned)).collect();
    let Some(names) = names.filter(|names| !names.is_empty()) else {
        reader.refuse(&place, "must hold strings and must not be empty");
        return None;
    };
    if names.iter().any(|name| name == "States.ALL") && (names.len() > 1 || !last) {
        reader.refuse(&place, format!("States.ALL must stand alone and in the last {handler}"));
    }
    Some(names)
}

impl Retrier {
    fn read(reader: &mut Reader, fields: &mut Fields, error_equals: Vec<String>) -> Option<Self> {
        let interval_seconds = whole(reader, fields, "IntervalSeconds", 1..=99_999_999).unwrap_or(Some(1));
        let max_attempts = whole(reader, fields, "MaxAttempts", 0..=99_999_999).unwrap_or(Some(3));
        let max_delay_seconds = whole(reader, fields, "MaxDelaySeconds", 1..=31_622_399);
        if let (Some(interval), Some(Some(most))) = (interval_seconds, max_delay_seconds)
            && most <= interval
        {
            reader.refuse(&fields.at("MaxDelaySeconds"), "must be greater than IntervalSeconds");
        }
        let backoff_rate = match fields.take("BackoffRate") {
            None => Some(2.0),
            Some(rate) => {
                let read = rate.as_f64().filter(|rate| *rate >= 1.0);
                if read.is_none() {
                    reader.refuse(&fields.at("BackoffRate"), "must be at least 1.0");
                }
                read
            }
        };
        let jitter = match fields.take("JitterStrategy") {
            None => Some(Jitter::None),
            Some(strategy) if strategy == "NONE" => Some(Jitter::None),
            Some(strategy) if strategy == "FULL" => Some(Jitter::Full),
            Some(other) => {
                reader.refuse(&fields.at("JitterStrategy"), format!("must be FULL or NONE, found {other}"));
                None
            }
        };
        Some(Self {
            error_equals,
            interval_seconds: interval_seconds?,
            max_attempts: max_attempts?,
            backoff_rate: backoff_rate?,
            max_delay_seconds: match max_delay_seconds {
                None => None,
                Some(seconds) => Some(seconds?),
            },
            jitter: jitter?,
        })
    }
}

/// None where the field is left out, Some(None) where it was refused.
fn whole(
    reader: &mut Reader,
    fields: &mut Fields,
    name: &str,
    bounds: std::ops::RangeInclusive<u64>,
) -> Option<Option<u64>> {
    let value: Value = fields.take(name)?;
    let number = value.as_u64().filter(|number| bounds.contains(number));
    if number.is_none() {
        let (least, most) = bounds.into_inner();
        reader.refuse(
            &fields.at(name),
            format!("must be a whole number from {least} to {most}, found {value}"),
        );
    }
    Some(number)
}

impl Catcher {
    fn read(reader: &mut Reader, fields: &mut Fields, error_equals: Vec<String>) -> Option<Self> {
        fields.require(reader, &["Next"]);
        let next = fields.text(reader, "Next");
        let output = fields.template(reader, "Output");
        let assign = Assign::read(reader, fields);
        Some(Self { error_equals, next: next?, output, assign: assign? })
    }
}
