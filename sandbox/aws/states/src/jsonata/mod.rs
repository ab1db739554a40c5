//! JSONata as Step Functions speaks it: templates whose strings `{% … %}` are expressions.
//!
//! https://docs.aws.amazon.com/step-functions/latest/dg/transforming-data.html: JSONata 2.0.6
//! without `$eval`, with `$parse`, `$uuid`, `$hash`, `$partition`, `$range` and a `$random` that
//! takes a seed. Imports nothing of the rest of this service.

mod adapt;
mod engine;
mod expression;
mod functions;
mod template;

use jiff::Timestamp;
use serde_json::Value;

pub use engine::{Scope, Variables};
pub use expression::QueryError;
pub use template::Template;
use template::expression_in;

/// Every JSONata expression of a definition, without its delimiters, in the order of the file.
pub fn expressions(definition: &Value) -> Vec<String> {
    match definition {
        Value::String(text) => expression_in(text).ok().flatten().map(str::to_owned).into_iter().collect(),
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
    template.evaluate(scope).map_err(|error| error.problem)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn of(expression: &str) -> Result<Value, String> {
        evaluate_template(json!(format!("{{% {expression} %}}"))).map_err(|error| error.problem)
    }

    fn evaluate_template(template: Value) -> Result<Value, QueryError> {
        let variables = Variables::from([("cluster".into(), json!({"name": "orders", "members": [1, 2]}))]);
        let states = json!({"input": {"target": "18", "text": "{\"a\":[1,2.5]}"}});
        let now = Timestamp::from_second(1_700_000_000).unwrap();
        Template::parse(template).unwrap().evaluate(Scope { states, variables: &variables, now, seed: 7 })
    }

    #[test]
    fn expressions_read_the_input_and_the_variables() {
        assert_eq!(
            evaluate_template(
                json!({"a": ["{% $cluster.name & '-' & $states.input.target %}", 1], "b": "plain",
                    "n": "{% $sum($cluster.members) %}"})
            ),
            Ok(json!({"a": ["orders-18", 1], "b": "plain", "n": 3}))
        );
    }

    #[test]
    fn undefined_and_functions_are_refused_and_null_is_not() {
        assert_eq!(
            evaluate_template(json!("{% $states.input.absent %}")).unwrap_err().problem,
            "returned nothing (undefined)."
        );
        assert_eq!(
            evaluate_template(json!("{% $nobody %}")).unwrap_err().problem,
            "returned nothing (undefined)."
        );
        assert_eq!(
            evaluate_template(json!("{% function($x) { $x } %}")).unwrap_err().problem,
            "returned an unsupported result type."
        );
        assert_eq!(
            evaluate_template(json!("{% {'f': $sum} %}")).unwrap_err().problem,
            "returned an unsupported result type."
        );
        assert_eq!(evaluate_template(json!("{% null %}")), Ok(json!(null)));
        assert!(evaluate_template(json!("{% 1 + 'a' %}")).unwrap_err().problem.contains("T200"));
    }

    #[test]
    fn the_functions_of_step_functions_are_there() {
        assert_eq!(evaluate_template(json!("{% $parse($states.input.text).a[1] %}")), Ok(json!(2.5)));
        assert_eq!(evaluate_template(json!("{% $partition([1,2,3], 2) %}")), Ok(json!([[1, 2], [3]])));
        assert_eq!(evaluate_template(json!("{% $range(0, 6, 3) %}")), Ok(json!([0, 3, 6])));
        assert_eq!(
            evaluate_template(json!("{% $hash('a', 'SHA-256') %}")),
            Ok(json!("ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"))
        );
        assert_eq!(evaluate_template(json!("{% $now() %}")), Ok(json!("2023-11-14T22:13:20.000Z")));
        assert_eq!(evaluate_template(json!("{% $millis() %}")), Ok(json!(1_700_000_000_000_i64)));
    }

    #[test]
    fn a_seed_replays_uuid_and_random() {
        let once = evaluate_template(json!(["{% $uuid() %}", "{% $random() %}", "{% $uuid() %}"])).unwrap();
        assert_eq!(
            evaluate_template(json!(["{% $uuid() %}", "{% $random() %}", "{% $uuid() %}"])).unwrap(),
            once
        );
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

    /// Recorded: localstack/localstack,
    /// v2/intrinsic_functions/test_array_jsonata.snapshot.json.
    #[test]
    fn a_range_of_one_item_is_the_item() {
        assert_eq!(of("$range(1, 1, 1)"), Ok(json!(1)));
        assert_eq!(of("$range(1, 9, 2)"), Ok(json!([1, 3, 5, 7, 9])));
        assert_eq!(of("$range(2, 1, 1)"), Ok(json!([])));
    }

    /// What jsonata.js 2.0.6 answers (npm, run with node 20), where our engine would not.
    #[test]
    fn what_the_engine_does_otherwise_is_as_in_jsonata_js() {
        for (expression, expected) in [
            ("$encodeUrl('a b&é?=/')", json!("a%20b&%C3%A9?=/")),
            ("$encodeUrlComponent('a b&é?=/')", json!("a%20b%26%C3%A9%3F%3D%2F")),
            ("'a b' ~> $encodeUrl", json!("a%20b")),
            ("$base64encode('é')", json!("6Q==")),
            ("$base64encode('€x')", json!("rHg=")),
            ("$reduce([5], function($a, $b) { $a + $b })", json!(5)),
            ("$reduce([], function($a, $b) { $a + $b }, 7)", json!(7)),
            ("$number('0x1F')", json!(31)),
            ("$number('1e3')", json!(1000)),
            ("$number('-1.5')", json!(-1.5)),
            ("$number(true)", json!(1)),
            ("$formatBase(2.5, 2)", json!("10")),
            ("$formatBase(3.5, 2)", json!("100")),
            ("$formatBase(-2.5, 2)", json!("-10")),
            ("$formatBase(255, 16)", json!("ff")),
            ("$formatBase(35.2, 36)", json!("z")),
            ("$formatBase(10)", json!("10")),
            ("$fromMillis(1.5)", json!("1970-01-01T00:00:00.001Z")),
            ("$fromMillis(1700000000123.9)", json!("2023-11-14T22:13:20.123Z")),
            ("$fromMillis(1.5, '[Y0001]')", json!("1970")),
            ("1.5 ~> $fromMillis()", json!("1970-01-01T00:00:00.001Z")),
            ("['12'].$number()", json!(12)),
            ("1500 ~> $fromMillis(?, '[Y0001]')", json!("1970")),
        ] {
            assert_eq!(of(expression), Ok(expected), "{expression}");
        }
        for expression in
            ["$reduce([], function($a, $b) { $a + $b })", "[] ~> $reduce(function($a, $b) { $a })"]
        {
            assert_eq!(of(expression), Err("returned nothing (undefined).".into()), "{expression}");
        }
        for expression in
            ["$number(' 12 ')", "$number('+1')", "$number('1.')", "$number('')", "' 12 ' ~> $number()"]
        {
            assert!(
                of(expression).unwrap_err().contains("D3030: Unable to cast value to a number"),
                "{expression}"
            );
        }
        assert!(of("$formatBase(1, 37)").unwrap_err().contains("D3100"));
    }

    #[test]
    fn what_the_engine_does_not_interpret_is_refused_before_anything_runs() {
        for (expression, reason) in [
            ("$match('ab', /a(?=b)/)", "look-around"),
            ("$match('ab', /(?<=a)b/)", "look-around"),
            ("$match('ab', /(?<!a)b/)", "look-around"),
            (r"$match('aa', /(a)\1/)", "back-reference"),
            ("$map([$string], function($f) { $f }).$(1)", "calls the context as a function"),
        ] {
            let refused = Template::parse(json!([format!("{{% {expression} %}}")])).unwrap_err();
            assert!(refused.contains(reason), "{expression}: {refused}");
        }
        assert!(of(r"$contains('a1', /\\1|(?:a)1/)").is_ok());
    }

    #[test]
    fn the_place_of_an_expression_is_reported() {
        let error = evaluate_template(json!({"a": [1, {"b": "{% $nobody %}"}]})).unwrap_err();
        assert_eq!((error.location.as_str(), error.expression.as_str()), ("/a[1]/b", "$nobody"));
    }
}
