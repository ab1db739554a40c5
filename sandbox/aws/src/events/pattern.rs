//! Event patterns
//! (https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html).

use anyhow::{Context, bail, ensure};
use serde_json::{Map, Value};

/// What a rule asks of an event: every field matches, and one alternative of every `$or`.
#[derive(Debug, Clone, Default)]
pub struct Pattern {
    fields: Vec<(String, Field)>,
    alternatives: Vec<Vec<Pattern>>,
}

#[derive(Debug, Clone)]
enum Field {
    Object(Pattern),
    AnyOf(Vec<Matcher>),
}

#[derive(Debug, Clone)]
enum Matcher {
    Exactly(Value),
    Text(Text),
    AnythingBut(Vec<Matcher>),
    /// All of `<`, `<=`, `=`, `>`, `>=` with a number.
    Numeric(Vec<(String, f64)>),
    Exists(bool),
}

#[derive(Debug, Clone)]
enum Text {
    Prefix(String),
    Suffix(String),
    PrefixIgnoringCase(String),
    SuffixIgnoringCase(String),
    EqualIgnoringCase(String),
    Wildcard(String),
}

impl Pattern {
    pub fn parse(pattern: &Value) -> anyhow::Result<Self> {
        let fields = pattern
            .as_object()
            .filter(|fields| !fields.is_empty())
            .context("a pattern is an object with a field")?;
        let mut parsed = Self::default();
        for (name, value) in fields {
            match value {
                Value::Array(patterns) if name == "$or" => {
                    parsed
                        .alternatives
                        .push(patterns.iter().map(Self::parse).collect::<anyhow::Result<_>>()?);
                }
                Value::Array(matchers) => {
                    ensure!(!matchers.is_empty(), "{name}: an empty array matches nothing");
                    let matchers = matchers.iter().map(Matcher::parse).collect::<anyhow::Result<_>>();
                    parsed.fields.push((name.clone(), Field::AnyOf(matchers.with_context(|| name.clone())?)));
                }
                Value::Object(_) => parsed
                    .fields
                    .push((name.clone(), Field::Object(Self::parse(value).with_context(|| name.clone())?))),
                _ => {
                    bail!("{name}: \"Match value must be String, number, true, false, or null\" in an array")
                }
            }
        }
        Ok(parsed)
    }

    pub fn matches(&self, event: &Value) -> bool {
        self.fields.iter().all(|(name, field)| match (field, event.get(name)) {
            // A field of an array's elements: one element has to match as a whole.
            (Field::Object(pattern), Some(Value::Array(elements))) => {
                elements.iter().any(|element| pattern.matches(element))
            }
            (Field::Object(pattern), value) => pattern.matches(value.unwrap_or(&Value::Null)),
            (Field::AnyOf(matchers), value) => matchers.iter().any(|matcher| matcher.matches_field(value)),
        }) && self.alternatives.iter().all(|patterns| patterns.iter().any(|pattern| pattern.matches(event)))
    }
}

impl Matcher {
    fn parse(matcher: &Value) -> anyhow::Result<Self> {
        let Value::Object(operator) = matcher else {
            ensure!(!matcher.is_array(), "an array within an array");
            return Ok(Self::Exactly(matcher.clone()));
        };
        let (name, operand) = single(operator)?;
        match (name, operand) {
            ("exists", Value::Bool(exists)) => Ok(Self::Exists(*exists)),
            ("anything-but", Value::Array(values)) => {
                Ok(Self::AnythingBut(values.iter().map(Self::parse).collect::<anyhow::Result<_>>()?))
            }
            ("anything-but", Value::Object(operator)) => {
                let (name, operand) = single(operator)?;
                let operands = operand.as_array().map_or(std::slice::from_ref(operand), Vec::as_slice);
                let texts = operands.iter().map(|operand| Ok(Self::Text(Text::parse(name, operand)?)));
                Ok(Self::AnythingBut(texts.collect::<anyhow::Result<_>>()?))
            }
            ("anything-but", value) => Ok(Self::AnythingBut(vec![Self::parse(value)?])),
            ("numeric", Value::Array(comparisons)) => {
                ensure!(
                    comparisons.len().is_multiple_of(2) && !comparisons.is_empty(),
                    "numeric: pairs of a comparison and a number"
                );
                let pairs = comparisons.chunks(2).map(|pair| match (pair[0].as_str(), pair[1].as_f64()) {
                    (Some(comparison @ ("<" | "<=" | "=" | ">" | ">=")), Some(number)) => {
                        Ok((comparison.to_owned(), number))
                    }
                    _ => bail!("numeric: {} {} is no comparison", pair[0], pair[1]),
                });
                Ok(Self::Numeric(pairs.collect::<anyhow::Result<_>>()?))
            }
            (name, operand) => Ok(Self::Text(Text::parse(name, operand)?)),
        }
    }

    /// An array in the event matches when one of its elements does.
    fn matches_field(&self, value: Option<&Value>) -> bool {
        match (self, value) {
            (Self::Exists(exists), value) => *exists == value.is_some_and(|value| !value.is_object()),
            (_, Some(Value::Array(elements))) => elements.iter().any(|element| self.matches(element)),
            (_, Some(value)) => self.matches(value),
            (_, None) => false,
        }
    }

    fn matches(&self, value: &Value) -> bool {
        match self {
            Self::Exactly(Value::Number(wanted)) => {
                value.as_f64().is_some() && wanted.as_f64() == value.as_f64()
            }
            Self::Exactly(wanted) => wanted == value,
            Self::Text(text) => value.as_str().is_some_and(|value| text.matches(value)),
            Self::AnythingBut(matchers) => {
                !value.is_object() && !matchers.iter().any(|matcher| matcher.matches(value))
            }
            Self::Numeric(comparisons) => value.as_f64().is_some_and(|value| {
                comparisons.iter().all(|(comparison, number)| match comparison.as_str() {
                    "<" => value < *number,
                    "<=" => value <= *number,
                    ">" => value > *number,
                    ">=" => value >= *number,
                    _ => value == *number,
                })
            }),
            Self::Exists(exists) => *exists,
        }
    }
}

fn single(operator: &Map<String, Value>) -> anyhow::Result<(&str, &Value)> {
    let mut members = operator.iter();
    let (Some((name, operand)), None) = (members.next(), members.next()) else {
        bail!("an operator is an object with one member")
    };
    Ok((name, operand))
}

impl Text {
    fn parse(operator: &str, operand: &Value) -> anyhow::Result<Self> {
        let ignoring_case = operand.get("equals-ignore-case").and_then(Value::as_str).map(str::to_lowercase);
        match (operator, operand.as_str(), ignoring_case) {
            ("prefix", Some(text), _) => Ok(Self::Prefix(text.into())),
            ("suffix", Some(text), _) => Ok(Self::Suffix(text.into())),
            ("wildcard", Some(text), _) => Ok(Self::Wildcard(text.into())),
            ("equals-ignore-case", Some(text), _) => Ok(Self::EqualIgnoringCase(text.to_lowercase())),
            ("prefix", None, Some(text)) => Ok(Self::PrefixIgnoringCase(text)),
            ("suffix", None, Some(text)) => Ok(Self::SuffixIgnoringCase(text)),
            _ => bail!("{operator:?} with {operand} is not understood"),
        }
    }

    fn matches(&self, value: &str) -> bool {
        match self {
            Self::Prefix(text) => value.starts_with(text),
            Self::Suffix(text) => value.ends_with(text),
            Self::PrefixIgnoringCase(text) => value.to_lowercase().starts_with(text),
            Self::SuffixIgnoringCase(text) => value.to_lowercase().ends_with(text),
            Self::EqualIgnoringCase(text) => value.to_lowercase() == *text,
            Self::Wildcard(text) => wildcard(text, value),
        }
    }
}

/// `*` stands for any text; `\*` and `\\` for themselves.
fn wildcard(pattern: &str, value: &str) -> bool {
    let mut rest = pattern.chars();
    match rest.next() {
        None => value.is_empty(),
        Some('*') => value
            .char_indices()
            .map(|(at, _)| at)
            .chain([value.len()])
            .any(|at| wildcard(rest.as_str(), &value[at..])),
        Some(first) => {
            let literal = if first == '\\' { rest.next().unwrap_or(first) } else { first };
            value.strip_prefix(literal).is_some_and(|value| wildcard(rest.as_str(), value))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn matches(pattern: &Value, event: &Value) -> bool {
        Pattern::parse(pattern).unwrap().matches(event)
    }

    #[test]
    fn operators_match_as_documented() {
        let event = json!({
            "source": "aws.rds",
            "resources": ["arn:a", "arn:b"],
            "detail": { "status": "Failed", "count": 5, "none": null, "empty": "", "flag": true,
                "tags": [{ "k": "a", "v": 1 }, { "k": "b", "v": 2 }] }
        });
        let cases = [
            (json!({ "source": ["aws.ecs", "aws.rds"] }), true),
            (json!({ "source": ["aws.ecs"] }), false),
            (json!({ "source": ["aws"] }), false),
            (json!({ "source": ["aws.rds"], "detail": { "status": ["Succeeded"] } }), false),
            (json!({ "resources": ["arn:b"] }), true),
            (json!({ "resources": [{ "suffix": ":c" }] }), false),
            (json!({ "detail": { "count": [5.0] } }), true),
            (json!({ "detail": { "count": ["5"] } }), false),
            (json!({ "detail": { "flag": [true] } }), true),
            (json!({ "detail": { "none": [null] } }), true),
            (json!({ "detail": { "absent": [null] } }), false),
            (json!({ "detail": { "empty": [""] } }), true),
            (json!({ "source": [{ "prefix": "aws." }] }), true),
            (json!({ "source": [{ "prefix": "AWS." }] }), false),
            (json!({ "source": [{ "prefix": { "equals-ignore-case": "AWS." } }] }), true),
            (json!({ "source": [{ "suffix": "rds" }] }), true),
            (json!({ "source": [{ "suffix": { "equals-ignore-case": "RDS" } }] }), true),
            (json!({ "detail": { "status": [{ "equals-ignore-case": "FAILED" }] } }), true),
            (json!({ "detail": { "status": [{ "anything-but": "Failed" }] } }), false),
            (json!({ "detail": { "status": [{ "anything-but": ["Succeeded", "Running"] }] } }), true),
            (json!({ "detail": { "status": [{ "anything-but": { "prefix": "Fa" } }] } }), false),
            (json!({ "detail": { "status": [{ "anything-but": { "suffix": ["ing", "ed"] } }] } }), false),
            (json!({ "detail": { "status": [{ "anything-but": { "wildcard": "*iled" } }] } }), false),
            (json!({ "detail": { "count": [{ "anything-but": [4] }] } }), true),
            (json!({ "detail": { "absent": [{ "anything-but": "a" }] } }), false),
            (json!({ "detail": { "count": [{ "numeric": [">", 0, "<=", 5] }] } }), true),
            (json!({ "detail": { "count": [{ "numeric": [">", 5] }] } }), false),
            (json!({ "detail": { "count": [{ "numeric": ["=", 5] }] } }), true),
            (json!({ "detail": { "status": [{ "numeric": ["=", 5] }] } }), false),
            (json!({ "detail": { "count": [{ "exists": true }] } }), true),
            (json!({ "detail": { "count": [{ "exists": false }] } }), false),
            (json!({ "detail": { "absent": [{ "exists": false }] } }), true),
            (json!({ "other": { "absent": [{ "exists": false }] } }), true),
            (json!({ "detail": { "status": [{ "wildcard": "F*l*d" }] } }), true),
            (json!({ "detail": { "status": [{ "wildcard": "F*x" }] } }), false),
            (json!({ "detail": { "status": [{ "wildcard": "Failed\\*" }] } }), false),
            (json!({ "$or": [{ "source": ["aws.ecs"] }, { "detail": { "count": [5] } }] }), true),
            (
                json!({ "source": ["aws.rds"],
                        "$or": [{ "source": ["aws.ecs"] }, { "detail": { "count": [6] } }] }),
                false,
            ),
            (json!({ "detail": { "tags": { "k": ["b"], "v": [2] } } }), true),
            (json!({ "detail": { "tags": { "k": ["a"], "v": [2] } } }), false),
        ];
        for (pattern, expected) in cases {
            assert_eq!(matches(&pattern, &event), expected, "{pattern}");
        }
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        for pattern in [
            json!({}),
            json!([]),
            json!({ "source": "aws.rds" }),
            json!({ "source": [] }),
            json!({ "source": [["aws.rds"]] }),
            json!({ "source": [{ "startswith": "aws" }] }),
            json!({ "source": [{ "prefix": "a", "suffix": "b" }] }),
            json!({ "detail": { "count": [{ "numeric": [">"] }] } }),
            json!({ "detail": { "count": [{ "numeric": ["!=", 4] }] } }),
        ] {
            assert!(Pattern::parse(&pattern).is_err(), "{pattern}");
        }
    }
}
