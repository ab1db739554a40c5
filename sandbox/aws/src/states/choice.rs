//! `Choice`: the first rule whose condition holds decides where to go.

use serde::Deserialize;
use serde_json::Value;

use super::failure::Failure;
use super::flow::{Step, Visit};
use super::jsonata::Template;

/// https://docs.aws.amazon.com/step-functions/latest/dg/state-choice.html
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Choice {
    pub choices: Vec<Rule>,
    pub default: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Rule {
    #[serde(default, rename = "Comment")]
    _comment: String,
    pub condition: Template,
    pub next: String,
    pub assign: Option<Template>,
    pub output: Option<Template>,
}

impl Choice {
    pub fn step(&self, visit: &mut Visit<'_>) -> Result<Step, Failure> {
        let input = visit.input.clone();
        for rule in &self.choices {
            match visit.evaluate("Condition", &rule.condition)? {
                Value::Bool(true) => {
                    return visit.leave(
                        rule.assign.as_ref(),
                        rule.output.as_ref(),
                        input,
                        Some(rule.next.clone()),
                    );
                }
                Value::Bool(false) => {}
                other => {
                    return Err(visit
                        .query_error("Condition", &format!("must return a boolean and returned {other}")));
                }
            }
        }
        let common = &visit.state.common;
        match &self.default {
            Some(default) => {
                visit.leave(common.assign.as_ref(), common.output.as_ref(), input, Some(default.clone()))
            }
            None => Err(Failure::new(
                "States.NoChoiceMatched",
                format!("No choice of the state '{}' matched and it has no Default", visit.name),
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::states::fake::Fake;

    #[tokio::test(start_paused = true)]
    async fn the_first_rule_that_holds_decides() {
        for (n, expected) in [(5, "\"small\""), (15, "{\"n\":15}"), (50, "\"large\"")] {
            let fake = Fake::alone();
            let choose = json!({"Type": "Choice", "Default": "End", "Output": "{% $size %}", "Assign": {"unused": true}, "Choices": [
                {"Condition": "{% $states.input.n < 10 %}", "Output": "small", "Next": "End"},
                {"Condition": "{% $states.input.n < 20 %}", "Next": "End"},
            ]});
            let states = json!({"Set": {"Type": "Pass", "Assign": {"size": "large"}, "Next": "Choose"}, "Choose": choose, "End": {"Type": "Succeed"}});
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
    }
}
