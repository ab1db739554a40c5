//! `Choice`: the first rule whose condition holds decides where to go.

use serde_json::Value;

use super::failure::Failure;
use super::visit::{Step, Visit};
use crate::language::Choice;

pub fn step(visit: &mut Visit<'_>, choice: &Choice) -> Result<Step, Failure> {
    let input = visit.input.clone();
    for (index, rule) in choice.rules.iter().enumerate() {
        let field = format!("Choices[{index}]/Condition");
        if visit.setting(&field, &rule.condition, "boolean", Value::as_bool)? {
            return visit.leave(&rule.assign, rule.output.as_ref(), input, Some(rule.next.clone()));
        }
    }
    let state = visit.state;
    match &choice.default {
        Some(default) => visit.leave(&state.assign, state.output.as_ref(), input, Some(default.clone())),
        None => Err(Failure::new(
            "States.NoChoiceMatched",
            format!("No choice of the state '{}' matched and it has no Default", visit.name),
        )),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::fake::Fake;

    #[tokio::test(start_paused = true)]
    async fn the_first_rule_that_holds_decides() {
        for (n, expected) in [(5, "\"small\""), (15, "{\"n\":15}"), (50, "\"large\"")] {
            let fake = Fake::alone();
            let choose = json!({"Type": "Choice", "Default": "End", "Output": "{% $size %}",
                "Assign": {"unused": true}, "Choices": [
                {"Condition": "{% $states.input.n < 10 %}", "Output": "small", "Next": "End"},
                {"Condition": "{% $states.input.n < 20 %}", "Next": "End"},
            ]});
            let states = json!({"Set": {"Type": "Pass", "Assign": {"size": "large"}, "Next": "Choose"},
                "Choose": choose, "End": {"Type": "Succeed"}});
            assert_eq!(fake.run(states, "Set", json!({"n": n})).await["output"], expected);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_default_something_must_match() {
        let fake = Fake::alone();
        let choose =
            json!({"Type": "Choice", "Choices": [{"Condition": "{% $states.input.n = 1 %}", "Next": "End"}]});
        let run = fake.run(json!({"Choose": choose, "End": {"Type": "Succeed"}}), "Choose", json!({})).await;
        assert_eq!(run["error"], "States.NoChoiceMatched");
    }

    #[tokio::test(start_paused = true)]
    async fn a_condition_must_be_a_boolean() {
        let fake = Fake::alone();
        let choose =
            json!({"Type": "Choice", "Choices": [{"Condition": "{% $states.input.n %}", "Next": "End"}]});
        let run =
            fake.run(json!({"Choose": choose, "End": {"Type": "Succeed"}}), "Choose", json!({"n": 1})).await;
        assert_eq!(run["error"], "States.QueryEvaluationError");
        let cause = "The JSONata expression '$states.input.n' specified for the field 'Choices[0]/Condition' \
            returned an unexpected result type. Expected 'boolean', but was 'number' for value: 1";
        assert!(run["cause"].as_str().unwrap().ends_with(cause), "{run}");
    }

    /// localstack/localstack, v2/outputdecl/test_output.snapshot.json (NULL).
    #[tokio::test(start_paused = true)]
    async fn an_output_of_null_is_null() {
        let choose =
            json!({"Type": "Choice", "Choices": [{"Condition": true, "Output": null, "Next": "End"}]});
        let pass = json!({"Type": "Pass", "Output": null, "End": true});
        let catch = json!([{"ErrorEquals": ["States.ALL"], "Output": null, "Next": "End"}]);
        let caught = crate::fake::invoke(json!({"End": true, "Catch": catch}));
        for state in [choose, pass, caught] {
            let fake = Fake::new(|_| async { crate::fake::function_error("Mine", "") });
            let mut states = json!({"State": state});
            if !states.to_string().contains("Pass") {
                states["End"] = json!({"Type": "Succeed"});
            }
            assert_eq!(fake.run(states, "State", json!({"n": 1})).await["output"], "null");
        }
    }
}
