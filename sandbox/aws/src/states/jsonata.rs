//! JSONata as Step Functions speaks it: templates whose strings `{% … %}` are expressions.
//!
//! https://docs.aws.amazon.com/step-functions/latest/dg/transforming-data.html: JSONata 2.0.6
//! without `$eval`, with `$parse`, `$uuid`, `$hash`, `$partition`, `$range` and a `$random` that
//! takes a seed. Time and randomness come from the sandbox.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use jiff::Timestamp;
use jsonata_core::ast::AstNode;
use jsonata_core::evaluator::{Context, Evaluator, EvaluatorError};
use jsonata_core::value::JValue;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256, Sha384, Sha512};

pub type Variables = BTreeMap<String, Value>;

/// One parsed expression.
#[derive(Debug)]
pub struct Expression {
    pub source: String,
    ast: AstNode,
}

/// A JSON value of a definition, its expressions parsed once.
#[derive(Debug)]
pub enum Template {
    /// Has no expression inside.
    Literal(Value),
    Expression(Box<Expression>),
    Array(Vec<Template>),
    Object(Vec<(String, Template)>),
}

/// What an expression sees: `$states`, the variables, the time and where randomness starts.
pub struct Scope<'a> {
    pub states: Value,
    pub variables: &'a Variables,
    pub now: Timestamp,
    pub seed: u64,
}

/// Why an expression has no value, and which.
#[derive(Debug, PartialEq, Eq)]
pub struct QueryError {
    pub expression: String,
    pub message: String,
}

impl Expression {
    pub fn parse(source: &str) -> Result<Self, String> {
        let ast = jsonata_core::parser::parse(source)
            .map_err(|e| format!("the JSONata expression '{source}' cannot be parsed: {e}"))?;
        if calls_eval(&serde_json::to_value(&ast).unwrap_or_default()) {
            return Err(format!(
                "the JSONata expression '{source}' calls $eval, which Step Functions does not support: use \
                $parse"
            ));
        }
        Ok(Self { source: source.to_owned(), ast })
    }

    fn evaluate(&self, evaluator: &mut Evaluator) -> Result<Value, QueryError> {
        let error = |message: String| QueryError { expression: self.source.clone(), message };
        let result = evaluator
            .evaluate(&self.ast, &JValue::Undefined)
            .map_err(|e| error(format!("failed: {}", e.message())))?;
        match plain(&result) {
            Ok(Some(value)) => Ok(value),
            Ok(None) => Err(error("returned nothing (undefined)".into())),
            Err(kind) => Err(error(format!("returned {kind}, which JSON cannot hold"))),
        }
    }
}

impl Template {
    pub fn parse(value: Value) -> Result<Self, String> {
        Ok(match value {
            Value::String(text) => match expression(&text)? {
                Some(source) => Self::Expression(Box::new(Expression::parse(source)?)),
                None => Self::Literal(Value::String(text)),
            },
            Value::Array(items) => {
                let items = items.into_iter().map(Self::parse).collect::<Result<Vec<_>, _>>()?;
                if items.iter().all(Self::is_literal) {
                    Self::Literal(items.into_iter().map(Self::into_literal).collect())
                } else {
                    Self::Array(items)
                }
            }
            Value::Object(members) => {
                let members = members.into_iter().map(|(k, v)| Ok((k, Self::parse(v)?))).collect::<Result<
                    Vec<_>,
                    String,
                >>(
                )?;
                if members.iter().all(|(_, v)| v.is_literal()) {
                    Self::Literal(Value::Object(
                        members.into_iter().map(|(k, v)| (k, v.into_literal())).collect(),
                    ))
                } else {
                    Self::Object(members)
                }
            }
            other => Self::Literal(other),
        })
    }

    pub fn is_literal(&self) -> bool {
        matches!(self, Self::Literal(_))
    }

    pub fn literal(&self) -> Option<&Value> {
        if let Self::Literal(value) = self { Some(value) } else { None }
    }

    fn into_literal(self) -> Value {
        if let Self::Literal(value) = self { value } else { Value::Null }
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
        match self {
            Self::Literal(value) => Ok(value.clone()),
            Self::Expression(expression) => expression.evaluate(evaluator),
            Self::Array(items) => items.iter().map(|item| item.evaluate_with(evaluator)).collect(),
            Self::Object(members) => {
                let members = members.iter().map(|(k, v)| Ok((k.clone(), v.evaluate_with(evaluator)?)));
                Ok(Value::Object(members.collect::<Result<Map<_, _>, _>>()?))
            }
        }
    }
}

impl<'de> Deserialize<'de> for Template {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(Value::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

/// What stands between `{%` and `%}`. A string that has only one of the two is refused, as the page
/// "transforming-data" says.
fn expression(text: &str) -> Result<Option<&str>, String> {
    match (text.strip_prefix("{%"), text.ends_with("%}")) {
        (Some(rest), true) if rest.len() >= 2 => Ok(Some(rest[..rest.len() - 2].trim())),
        (None, false) => Ok(None),
        _ => Err(format!("a JSONata expression must start with '{{%' and end with '%}}', found {text:?}")),
    }
}

/// Every JSONata expression of a definition, without its delimiters, in the order of the file.
pub fn expressions(definition: &Value) -> Vec<String> {
    match definition {
        Value::String(text) => expression(text).ok().flatten().map(str::to_owned).into_iter().collect(),
        Value::Array(items) => items.iter().flat_map(expressions).collect(),
        Value::Object(members) => members.values().flat_map(expressions).collect(),
        _ => Vec::new(),
    }
}

/// One expression over `bindings`: its member `states` is `$states`, the others are variables.
pub fn evaluate(expression: &str, bindings: &Value) -> Result<Value, String> {
    let mut variables: Variables =
        serde_json::from_value(bindings.clone()).map_err(|error| error.to_string())?;
    let states = variables.remove("states").unwrap_or_default();
    let template = Template::parse(Value::String(format!("{{% {expression} %}}")))?;
    let scope = Scope { states, variables: &variables, now: Timestamp::UNIX_EPOCH, seed: 0 };
    template.evaluate(scope).map_err(|error| error.message)
}

/// Whether a syntax tree, as JSON, holds a call of or a reference to `$eval`.
fn calls_eval(tree: &Value) -> bool {
    match tree {
        Value::Array(items) => items.iter().any(calls_eval),
        Value::Object(members) => {
            members.get("Function").is_some_and(|f| f["name"] == "eval" && f["is_builtin"] == true)
                || members.get("Variable").is_some_and(|name| name == "eval")
                || members.values().any(calls_eval)
        }
        _ => false,
    }
}

/// The JSON of a result: `None` for undefined. Members that are undefined are left out, as
/// `JSON.stringify` does.
fn plain(value: &JValue) -> Result<Option<Value>, &'static str> {
    Ok(Some(match value {
        JValue::Undefined => return Ok(None),
        JValue::Null => Value::Null,
        JValue::Bool(b) => Value::Bool(*b),
        JValue::Number(n) => number(*n).ok_or("a number that is not finite")?,
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
        JValue::Lambda(_) | JValue::Builtin { .. } => return Err("a function"),
        JValue::Regex { .. } => return Err("a regular expression"),
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

fn evaluator(scope: Scope<'_>) -> Evaluator {
    let mut context = Context::new();
    context.bind("states".into(), JValue::from(scope.states));
    for (name, value) in scope.variables {
        context.bind(name.clone(), JValue::from(value.clone()));
    }
    let mut evaluator = Evaluator::with_context(context);
    let rng = Rc::new(RefCell::new(StdRng::seed_from_u64(scope.seed)));
    let (millis, iso) = (scope.now.as_millisecond() as f64, format!("{:.3}", scope.now));

    let uuid_rng = Rc::clone(&rng);
    let own: [(&str, HostFn); 5] = [
        ("parse", Box::new(parse)),
        (
            "uuid",
            Box::new(move |_| {
                Ok(JValue::string(
                    uuid::Builder::from_random_bytes(uuid_rng.borrow_mut().random()).into_uuid().to_string(),
                ))
            }),
        ),
        ("hash", Box::new(hash)),
        ("partition", Box::new(partition)),
        ("range", Box::new(range)),
    ];
    let replaced: [(&str, HostFn); 4] = [
        ("eval", Box::new(|_| Err(failed("$eval is not supported")))),
        (
            "random",
            Box::new(move |args| match args {
                [] => Ok(JValue::from_f64(rng.borrow_mut().random())),
                [seed] => Ok(JValue::from_f64(
                    StdRng::seed_from_u64(argument(seed, "random", "a number", JValue::as_f64)?.to_bits())
                        .random(),
                )),
                _ => Err(failed("$random takes at most a seed")),
            }),
        ),
        (
            "now",
            Box::new(move |args| {
                if args.is_empty() {
                    Ok(JValue::string(iso.as_str()))
                } else {
                    Err(failed("$now takes no picture here"))
                }
            }),
        ),
        ("millis", Box::new(move |_| Ok(JValue::from_f64(millis)))),
    ];
    for (name, function) in own.into_iter().chain(replaced) {
        // Fails for names that the compiled fast path may fold, and none of these is one.
        evaluator
            .register_fn_override(name, move |args: &[JValue]| function(args))
            .expect("the function is not a compiled one");
    }
    evaluator
}

type HostFn = Box<dyn Fn(&[JValue]) -> Result<JValue, EvaluatorError>>;

fn failed(message: impl Into<String>) -> EvaluatorError {
    EvaluatorError::EvaluationError(message.into())
}

fn argument<'a, T>(
    value: &'a JValue,
    function: &str,
    expected: &str,
    read: impl Fn(&'a JValue) -> Option<T>,
) -> Result<T, EvaluatorError> {
    read(value).ok_or_else(|| failed(format!("T0410: ${function} expects {expected}")))
}

fn parse(args: &[JValue]) -> Result<JValue, EvaluatorError> {
    let [text] = args else { return Err(failed("$parse takes one string")) };
    let text = argument(text, "parse", "a string", JValue::as_str)?;
    JValue::from_json_str(text).map_err(|e| failed(format!("$parse was given text that is not JSON: {e}")))
}

fn hash(args: &[JValue]) -> Result<JValue, EvaluatorError> {
    let [text, algorithm] = args else { return Err(failed("$hash takes a string and an algorithm")) };
    let text = argument(text, "hash", "a string", JValue::as_str)?;
    let digest = match argument(algorithm, "hash", "the name of an algorithm", JValue::as_str)? {
        "SHA-256" => hex::encode(Sha256::digest(text)),
        "SHA-384" => hex::encode(Sha384::digest(text)),
        "SHA-512" => hex::encode(Sha512::digest(text)),
        other => {
            return Err(failed(format!(
                "$hash with {other} is not part of the sandbox: use SHA-256, SHA-384 or SHA-512"
            )));
        }
    };
    Ok(JValue::string(digest))
}

fn partition(args: &[JValue]) -> Result<JValue, EvaluatorError> {
    let [items, size] = args else { return Err(failed("$partition takes an array and a size")) };
    let items = argument(items, "partition", "an array", JValue::as_array)?;
    let size = argument(size, "partition", "a positive whole number", |v| v.as_i64().filter(|n| *n > 0))?;
    Ok(JValue::array(items.chunks(size as usize).map(|chunk| JValue::array(chunk.to_vec())).collect()))
}

/// The last value is included, as in `States.ArrayRange`; at most 1,000 items.
fn range(args: &[JValue]) -> Result<JValue, EvaluatorError> {
    let [first, last, step] = args else {
        return Err(failed("$range takes a first value, a last value and a step"));
    };
    let read = |value| argument(value, "range", "whole numbers", JValue::as_i64);
    let (first, last, step) = (read(first)?, read(last)?, read(step)?);
    if step == 0 {
        return Err(failed("$range takes a step that is not zero"));
    }
    let within = |n: &i64| if step > 0 { *n <= last } else { *n >= last };
    let numbers: Vec<_> =
        std::iter::successors(Some(first), |n| n.checked_add(step)).take_while(within).take(1001).collect();
    if numbers.len() > 1000 {
        return Err(failed("$range makes at most 1000 items"));
    }
    Ok(JValue::array(numbers.into_iter().map(JValue::from_i64).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn evaluate(template: Value) -> Result<Value, QueryError> {
        let variables = Variables::from([("cluster".into(), json!({"name": "orders", "members": [1, 2]}))]);
        let states = json!({"input": {"target": "18", "text": "{\"a\":[1,2.5]}"}});
        let now = Timestamp::from_second(1_700_000_000).unwrap();
        Template::parse(template).unwrap().evaluate(Scope { states, variables: &variables, now, seed: 7 })
    }

    #[test]
    fn expressions_read_the_input_and_the_variables() {
        assert_eq!(
            evaluate(
                json!({"a": ["{% $cluster.name & '-' & $states.input.target %}", 1], "b": "plain", "n": "{% $sum($cluster.members) %}"})
            ),
            Ok(json!({"a": ["orders-18", 1], "b": "plain", "n": 3}))
        );
    }

    #[test]
    fn undefined_and_functions_are_refused_and_null_is_not() {
        assert_eq!(
            evaluate(json!("{% $states.input.absent %}")).unwrap_err().message,
            "returned nothing (undefined)"
        );
        assert_eq!(evaluate(json!("{% $nobody %}")).unwrap_err().message, "returned nothing (undefined)");
        assert_eq!(
            evaluate(json!("{% function($x) { $x } %}")).unwrap_err().message,
            "returned a function, which JSON cannot hold"
        );
        assert_eq!(
            evaluate(json!("{% {'f': $sum} %}")).unwrap_err().message,
            "returned a function, which JSON cannot hold"
        );
        assert_eq!(evaluate(json!("{% null %}")), Ok(json!(null)));
        assert!(evaluate(json!("{% 1 + 'a' %}")).unwrap_err().message.contains("T200"));
    }

    #[test]
    fn the_functions_of_step_functions_are_there() {
        assert_eq!(evaluate(json!("{% $parse($states.input.text).a[1] %}")), Ok(json!(2.5)));
        assert_eq!(evaluate(json!("{% $partition([1,2,3], 2) %}")), Ok(json!([[1, 2], [3]])));
        assert_eq!(evaluate(json!("{% $range(0, 6, 3) %}")), Ok(json!([0, 3, 6])));
        assert_eq!(
            evaluate(json!("{% $hash('a', 'SHA-256') %}")),
            Ok(json!("ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"))
        );
        assert_eq!(evaluate(json!("{% $now() %}")), Ok(json!("2023-11-14T22:13:20.000Z")));
        assert_eq!(evaluate(json!("{% $millis() %}")), Ok(json!(1_700_000_000_000_i64)));
    }

    #[test]
    fn a_seed_replays_uuid_and_random() {
        let once = evaluate(json!(["{% $uuid() %}", "{% $random() %}", "{% $uuid() %}"])).unwrap();
        assert_eq!(evaluate(json!(["{% $uuid() %}", "{% $random() %}", "{% $uuid() %}"])).unwrap(), once);
        assert_ne!(once[0], once[2]);
        assert_eq!(once[0].as_str().unwrap().len(), 36);
    }

    #[test]
    fn eval_is_refused_before_anything_runs() {
        assert!(Template::parse(json!(["{% $eval('1') %}"])).unwrap_err().contains("$eval"));
        assert!(Template::parse(json!("{% $map(['1'], $eval) %}")).unwrap_err().contains("$eval"));
    }

    #[test]
    fn half_an_expression_is_refused() {
        assert!(Template::parse(json!("{% 1 ")).is_err());
        assert!(Template::parse(json!(" {% 1 %}")).is_err());
        assert!(Template::parse(json!("{% 1 + %}")).unwrap_err().contains("cannot be parsed"));
    }

    #[test]
    fn expressions_are_listed_in_order() {
        assert_eq!(
            expressions(
                &json!({"States": {"A": {"Output": "{% 1 %}", "Assign": {"x": ["{%$y%}"]}}}, "C": "no"})
            ),
            ["1", "$y"]
        );
    }
}
