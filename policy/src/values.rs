//! Values that are text in the file and more than text in the code. Each is parsed once; what does
//! not parse is said in plain words.

use std::{fmt, str::FromStr};

use croner::parser::{CronParser, Seconds, Year};
use jiff::civil::Time;

/// A schedule's cron expression, in the part of the language that EventBridge Scheduler and this
/// command read alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cron(String);

/// A time of day from which, and one until which; over midnight when the second comes before the
/// first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    pub from: Time,
    pub until: Time,
}

/// An hour and a minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeOfDay(pub Time);

/// A table by the names that the catalog has, case and all. In the file: `public.customers`; a name
/// that holds a dot or a quote stands in double quotes, as in `"my.schema".customers`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TableName {
    pub schema: String,
    pub table: String,
}

/// A path into a JSON document: `$.a.b`, `$.items[*].email`, `$['odd name']`, `$.*`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct JsonPath(pub Vec<Step>);

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// `.key` or `['key']`: this member of an object.
    Key(String),
    /// `[*]`: every element of an array.
    Elements,
    /// `.*`: every member of an object.
    Members,
}

impl Cron {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// As EventBridge Scheduler writes it: with a year, and with ? for the day that the other day
    /// leaves open (Scheduler User Guide, "Schedule types").
    pub fn scheduler_expression(&self) -> String {
        let fields: Vec<_> = self.0.split(' ').collect();
        match fields.as_slice() {
            [minute, hour, "*", month, weekday] if *weekday != "*" => {
                format!("cron({minute} {hour} ? {month} {weekday} *)")
            }
            [minute, hour, day, month, _] => format!("cron({minute} {hour} {day} {month} ? *)"),
            _ => self.0.clone(),
        }
    }
}

impl FromStr for Cron {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let fields: Vec<_> = text.split(' ').collect();
        if fields.len() != 5 || fields.iter().any(|field| field.is_empty()) {
            return Err(format!(
                "{text:?} is not five fields with one space between: minute, hour, day of month, month, day \
                of week"
            ));
        }
        // `?`, `L`, `W` and `#` mean different things to different readers, and a number of a
        // weekday is counted from Sunday = 0 by cron and = 1 by EventBridge (EventBridge Scheduler
        // User Guide, "Schedule types").
        if let Some(odd) = text.chars().find(|c| !c.is_ascii_alphanumeric() && !" *,-/".contains(*c)) {
            return Err(format!("{text:?} holds {odd:?}; digits, names and * , - / are read"));
        }
        if fields[4].contains(|c: char| c.is_ascii_digit()) {
            return Err(format!("{text:?} numbers a day of the week; write its name, such as MON-FRI"));
        }
        if fields[2] != "*" && fields[4] != "*" {
            return Err(format!(
                "{text:?} gives a day of the month and a day of the week; one of the two is *"
            ));
        }
        let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
        parser.parse(text).map_err(|error| format!("{text:?} is no cron expression: {error}"))?;
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for Cron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Window {
    pub fn contains(&self, time: Time) -> bool {
        if self.from < self.until {
            self.from <= time && time < self.until
        } else {
            self.from <= time || time < self.until
        }
    }
}

impl FromStr for Window {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is not a window such as \"00:00-06:00\"");
        let (from, until) = text.split_once('-').ok_or_else(wrong)?;
        let (from, until) = time(from).zip(time(until)).ok_or_else(wrong)?;
        if from == until {
            return Err(format!("{text:?} is empty; for any time of day leave the window out"));
        }
        Ok(Self { from, until })
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.from.strftime("%H:%M"), self.until.strftime("%H:%M"))
    }
}

/// `07:00`
fn time(text: &str) -> Option<Time> {
    let digits = text.len() == 5 && text.is_ascii() && text.as_bytes()[2] == b':';
    let (hour, minute) = text.split_once(':').filter(|_| digits)?;
    Time::new(hour.parse().ok()?, minute.parse().ok()?, 0, 0).ok()
}

impl FromStr for TimeOfDay {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        time(text).map(Self).ok_or_else(|| format!("{text:?} is no time of day such as \"07:00\""))
    }
}

impl fmt::Display for TimeOfDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.strftime("%H:%M"))
    }
}

impl FromStr for TableName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (schema, rest) = identifier(text)?;
        let rest =
            rest.strip_prefix('.').ok_or_else(|| format!("{text:?} is no table: write schema.table"))?;
        let (table, rest) = identifier(rest)?;
        if !rest.is_empty() {
            return Err(format!(
                "{text:?} is no table: after schema.table comes {rest:?}; a name with a dot in it stands in \
                double quotes"
            ));
        }
        Ok(Self { schema, table })
    }
}

/// One name and what follows it.
fn identifier(text: &str) -> Result<(String, &str), String> {
    let (name, rest) = match text.strip_prefix('"') {
        None => {
            let end = text.find(['.', '"']).unwrap_or(text.len());
            (text[..end].to_owned(), &text[end..])
        }
        Some(quoted) => {
            let mut name = String::new();
            let mut characters = quoted.char_indices().peekable();
            let rest = loop {
                match characters.next() {
                    None => return Err(format!("{text:?} opens a double quote and does not close it")),
                    Some((_, '"')) if characters.next_if(|(_, next)| *next == '"').is_some() => {
                        name.push('"')
                    }
                    Some((at, '"')) => break &quoted[at + 1..],
                    Some((_, character)) => name.push(character),
                }
            };
            (name, rest)
        }
    };
    // NAMEDATALEN is 64 in every build of PostgreSQL that Aurora offers: 63 bytes and a zero.
    match name.len() {
        0 => Err(format!("{text:?} lacks a name: write schema.table")),
        1..=63 => Ok((name, rest)),
        length => Err(format!("{name:?} is {length} bytes long; a name of PostgreSQL has at most 63")),
    }
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = |name: &str| {
            if name.contains(['.', '"']) {
                format!("\"{}\"", name.replace('"', "\"\""))
            } else {
                name.to_owned()
            }
        };
        write!(f, "{}.{}", part(&self.schema), part(&self.table))
    }
}

impl JsonPath {
    /// The keys of objects on its way.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|step| match step {
            Step::Key(key) => Some(key.as_str()),
            Step::Elements | Step::Members => None,
        })
    }

    /// Whether one value may stand at both paths. A path that goes on where another one ends is no
    /// such: the shorter one's rule is for the values that stand there themselves.
    pub fn may_be(&self, other: &JsonPath) -> bool {
        let same = |(a, b): (&Step, &Step)| {
            a == b || matches!((a, b), (Step::Members, Step::Key(_)) | (Step::Key(_), Step::Members))
        };
        self.0.len() == other.0.len() && self.0.iter().zip(&other.0).all(same)
    }
}

impl FromStr for JsonPath {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = |why: &str| {
            format!(
                "{text:?} is no JSON path such as $.profile.email, $.items[*].name or $['odd name']: {why}"
            )
        };
        let mut rest = text.strip_prefix('$').ok_or_else(|| wrong("it begins with $"))?;
        let mut steps = Vec::new();
        while !rest.is_empty() {
            let (step, after) = if let Some(after) = rest.strip_prefix("[*]") {
                (Step::Elements, after)
            } else if let Some(after) = rest.strip_prefix(".*") {
                (Step::Members, after)
            } else if let Some(quoted) = rest.strip_prefix("['") {
                let (key, after) = quoted.split_once("']").ok_or_else(|| wrong("['…'] is not closed"))?;
                (Step::Key(key.to_owned()), after)
            } else if let Some(bare) = rest.strip_prefix('.') {
                let end = bare.find(['.', '[']).unwrap_or(bare.len());
                let plain = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
                if !bare[..end].chars().all(plain) {
                    return Err(wrong(&format!("the key {:?} stands in ['…']", &bare[..end])));
                }
                (Step::Key(bare[..end].to_owned()), &bare[end..])
            } else {
                return Err(wrong(&format!("{rest:?} is not read")));
            };
            if matches!(&step, Step::Key(key) if key.is_empty()) {
                return Err(wrong("a key is empty"));
            }
            steps.push(step);
            rest = after;
        }
        if steps.is_empty() {
            Err(wrong("it names the whole document; give the column a rule instead"))
        } else {
            Ok(Self(steps))
        }
    }
}

impl fmt::Display for JsonPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("$")?;
        self.0.iter().try_for_each(|step| match step {
            Step::Elements => f.write_str("[*]"),
            Step::Members => f.write_str(".*"),
            Step::Key(key) if key.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '-') => {
                write!(f, ".{key}")
            }
            Step::Key(key) => write!(f, "['{key}']"),
        })
    }
}

/// Text in serde's eyes and in the schema's.
macro_rules! text {
    ($($type:ident $format:literal),*) => {$(
        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
        impl schemars::JsonSchema for $type {
            fn inline_schema() -> bool {
                true
            }
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($type).into()
            }
            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({"type": "string", "format": $format})
            }
        }
    )*};
}
text!(Cron "cron", TimeOfDay "time-of-day", Window "window", TableName "table", JsonPath "json-path");

/// A length of time such as "26h" or "2d"; a day is 24 hours.
pub mod age {
    use jiff::{SignedDuration, Span, SpanRelativeTo};
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub fn parse(text: &str) -> Result<SignedDuration, String> {
        let wrong = || format!("{text:?} is not a length of time such as \"26h\" or \"90m\"");
        let span: Span = text.parse().map_err(|_| wrong())?;
        let duration = span.to_duration(SpanRelativeTo::days_are_24_hours()).map_err(|_| wrong())?;
        if duration.is_positive() {
            Ok(duration)
        } else {
            Err(format!("{text:?} is not longer than nothing"))
        }
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SignedDuration, D::Error> {
        parse(&String::deserialize(deserializer)?).map_err(D::Error::custom)
    }

    pub fn serialize<S: Serializer>(duration: &SignedDuration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&text(duration))
    }

    /// In hours, or in days when those are many and whole.
    pub fn text(duration: &SignedDuration) -> String {
        match duration.as_hours() {
            hours if hours > 72 && *duration == SignedDuration::from_hours(hours / 24 * 24) => {
                format!("{}d", hours / 24)
            }
            _ => format!("{duration:#}"),
        }
    }
}
