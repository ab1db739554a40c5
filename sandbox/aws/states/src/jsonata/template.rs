//! A JSON value of a definition: strings `{% … %}` inside are expressions.

use jsonata_core::evaluator::Evaluator;
use serde_json::{Map, Value};

use super::engine::{Scope, evaluator};
use super::expression::{Expression, QueryError};

/// Its expressions are parsed once.
#[derive(Debug)]
pub enum Template {
    /// Has no expression inside.
    Literal(Value),
    Expression(Box<Expression>),
    Array(Vec<Template>),
    Object(Vec<(String, Template)>),
}

impl Template {
    pub fn parse(value: Value) -> Result<Self, String> {
        Ok(match value {
            Value::String(text) => match expression_in(&text)? {
                Some(source) => Self::Expression(Box::new(Expression::parse(source)?)),
                None => Self::Literal(Value::String(text)),
            },
            Value::Array(items) if !has_expression(&items) => Self::Literal(Value::Array(items)),
            Value::Array(items) => Self::Array(items.into_iter().map(Self::parse).collect::<Result<_, _>>()?),
            Value::Object(members) if !has_expression(members.values()) => {
                Self::Literal(Value::Object(members))
            }
            Value::Object(members) => Self::Object(
                members
                    .into_iter()
                    .map(|(name, value)| Ok((name, Self::parse(value)?)))
                    .collect::<Result<_, String>>()?,
            ),
            other => Self::Literal(other),
        })
    }

    pub fn literal(&self) -> Option<&Value> {
        if let Self::Literal(value) = self { Some(value) } else { None }
    }

    /// The text, where all of it is one expression.
    pub fn source(&self) -> Option<&str> {
        if let Self::Expression(expression) = self { Some(&expression.source) } else { None }
    }

    /// The names at the top, where they are known before evaluation.
    pub fn keys(&self) -> Option<Vec<&str>> {
        match self {
            Self::Literal(Value::Object(members)) => Some(members.keys().map(String::as_str).collect()),
            Self::Object(members) => Some(members.iter().map(|(k, _)| k.as_str()).collect()),
            _ => None,
        }
    }

    pub fn evaluate(&self, scope: Scope<'_>) -> Result<Value, QueryError> {
        match self {
            Self::Literal(value) => Ok(value.clone()),
            _ => self.evaluate_with(&mut evaluator(scope)),
        }
    }

    fn evaluate_with(&self, evaluator: &mut Evaluator) -> Result<Value, QueryError> {
        let at = |step: String| {
            move |error: QueryError| QueryError { location: format!("{step}{}", error.location), ..error }
        };
        match self {
            Self::Literal(value) => Ok(value.clone()),
            Self::Expression(expression) => expression.evaluate(evaluator),
            Self::Array(items) => {
                let items = items.iter().enumerate();
                items
                    .map(|(index, item)| item.evaluate_with(evaluator).map_err(at(format!("[{index}]"))))
                    .collect()
            }
            Self::Object(members) => {
                let members = members.iter().map(|(name, value)| {
                    let value = value.evaluate_with(evaluator).map_err(at(format!("/{name}")))?;
                    Ok((name.clone(), value))
                });
                Ok(Value::Object(members.collect::<Result<Map<_, _>, _>>()?))
            }
        }
    }
}

/// Strings that are half an expression count, too: they are refused where they are parsed.
fn has_expression<'a>(values: impl IntoIterator<Item = &'a Value>) -> bool {
    values.into_iter().any(|value| match value {
        Value::String(text) => !matches!(expression_in(text), Ok(None)),
        Value::Array(items) => has_expression(items),
        Value::Object(members) => has_expression(members.values()),
        _ => false,
    })
}

/// What stands between `{%` and `%}`. A string that has only one of the two is refused, as the page
/// "transforming-data" says.
pub fn expression_in(text: &str) -> Result<Option<&str>, String> {
    match (text.strip_prefix("{%"), text.ends_with("%}")) {
        (Some(rest), true) if rest.len() >= 2 => Ok(Some(rest[..rest.len() - 2].trim())),
        (None, false) => Ok(None),
        _ => Err(format!("a JSONata expression must start with '{{%' and end with '%}}', found {text:?}")),
    }
}
