//! One expression: read once, evaluated often.

use jsonata_core::ast::AstNode;
use jsonata_core::evaluator::Evaluator;
use jsonata_core::value::JValue;
use serde_json::{Map, Value};

use super::adapt::{adapt, refuse};

#[derive(Debug)]
pub struct Expression {
    pub source: String,
    ast: AstNode,
}

/// Why an expression has no value.
#[derive(Debug, PartialEq, Eq)]
pub struct QueryError {
    pub expression: String,
    /// The members that lead from the field to the expression, as in `/result`.
    pub location: String,
    /// What it did, as in "returned nothing (undefined).".
    pub problem: String,
}

impl Expression {
    pub fn parse(source: &str) -> Result<Self, String> {
        let wrong = |problem: String| format!("the JSONata expression '{source}' {problem}");
        let unreadable = |e: &dyn std::fmt::Display| wrong(format!("cannot be parsed: {e}"));
        let ast = jsonata_core::parser::parse(source).map_err(|e| unreadable(&e))?;
        let mut tree = serde_json::to_value(&ast).map_err(|e| unreadable(&e))?;
        refuse(&tree).map_err(wrong)?;
        adapt(&mut tree);
        let ast = serde_json::from_value(tree).map_err(|e| unreadable(&e))?;
        Ok(Self { source: source.to_owned(), ast })
    }

    /// The texts are those of recorded executions (localstack/localstack,
    /// tests/aws/services/stepfunctions/v2/assign/test_assign_reference_variables.snapshot.json).
    pub fn evaluate(&self, evaluator: &mut Evaluator) -> Result<Value, QueryError> {
        let error = |problem: String| QueryError {
            expression: self.source.clone(),
            location: String::new(),
            problem,
        };
        let result = evaluator
            .evaluate(&self.ast, &JValue::Undefined)
            .map_err(|e| error(format!("threw an error during evaluation. {}", e.message())))?;
        match plain(&result) {
            Ok(Some(value)) => Ok(value),
            Ok(None) => Err(error("returned nothing (undefined).".into())),
            Err(Unsupported) => Err(error("returned an unsupported result type.".into())),
        }
    }
}

/// A function, a regular expression or a number that is not finite: JSON cannot hold it.
struct Unsupported;

/// The JSON of a result: `None` for undefined. Members that are undefined are left out, as
/// `JSON.stringify` does.
fn plain(value: &JValue) -> Result<Option<Value>, Unsupported> {
    Ok(Some(match value {
        JValue::Undefined => return Ok(None),
        JValue::Null => Value::Null,
        JValue::Bool(b) => Value::Bool(*b),
        JValue::Number(n) => number(*n).ok_or(Unsupported)?,
        JValue::String(s) => Value::String(s.to_string()),
        JValue::Array(items) => {
            let items = items.iter().map(plain).collect::<Result<Vec<_>, _>>()?;
            Value::Array(items.into_iter().flatten().collect())
        }
        JValue::Object(members) => {
            let mut object = Map::new();
            for (name, member) in members.iter() {
                if let Some(member) = plain(member)? {
                    object.insert(name.clone(), member);
                }
            }
            Value::Object(object)
        }
        JValue::Lambda(_) | JValue::Builtin { .. } | JValue::Regex { .. } => return Err(Unsupported),
    }))
}

/// Whole numbers print without a fraction, as in JavaScript.
fn number(n: f64) -> Option<Value> {
    const SAFE: f64 = 9_007_199_254_740_991.0;
    if n.fract() == 0.0 && n.abs() <= SAFE {
        Some(Value::from(n as i64))
    } else {
        serde_json::Number::from_f64(n).map(Value::Number)
    }
}
