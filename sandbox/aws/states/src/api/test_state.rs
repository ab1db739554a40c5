//! TestState: https://docs.aws.amazon.com/step-functions/latest/dg/test-state-isolation.html; the
//! refusals are those of localstack/localstack, v2/test_state/*.snapshot.json.

use rand::Rng;
use serde_json::{Value, json};

use super::mock;
use super::request::{Answer, ApiError, error, invalid, text};
use crate::StepFunctions;
use crate::language::{self, Definition, Flow, Kind, State};
use crate::run::execution::uuid;
use crate::run::machine::Machine;
use crate::run::test_state::{Outcome, Trial, test};

pub async fn test_state(service: &StepFunctions, body: &Value) -> Answer {
    let definition = text(body, "definition")?;
    let (name, state) = read(definition, body["stateName"].as_str())?;
    let mock = mock::mock(body, &state)?;
    let context_object = mock::context(body, &state)?;
    let configuration = mock::configuration(body, &state)?;
    if matches!(state.kind, Kind::Task(_)) && mock.is_none() && body["roleArn"].is_null() {
        return error("ValidationException", "RoleArn must be specified when testing a Task state");
    }
    let level = match body["inspectionLevel"].as_str() {
        None => "INFO",
        Some(level) if ["INFO", "DEBUG", "TRACE"].contains(&level) => level,
        Some(other) => {
            return invalid("inspectionLevel", Some(other), "satisfy enum value set: [INFO, DEBUG, TRACE]");
        }
    };
    let trial = Trial {
        input: json_text(body, "input")?.unwrap_or_else(|| json!({})),
        variables: match json_text(body, "variables")? {
            None => Default::default(),
            Some(Value::Object(variables)) => variables.into_iter().collect(),
            Some(_) => return error("ValidationException", "Variables must be a JSON object."),
        },
        mock,
        context_object,
        configuration,
        seed: service.registry().rng.random(),
    };
    let now = service.world.clock.now();
    let machine_name = uuid(&mut service.registry().rng);
    let machine = Machine {
        arn: endpoint::aws::arn("states", &format!("stateMachine:{machine_name}")),
        name: machine_name,
        role_arn: body["roleArn"].as_str().unwrap_or_default().to_owned(),
        text: definition.to_owned(),
        definition: Definition {
            flow: Flow { start_at: name.clone(), states: Default::default() },
            timeout_seconds: None,
        },
        created: now,
        updated: now,
        revision: None,
    };
    let Outcome { mut answer, inspection } = test(&service.world, machine, &name, &state, trial).await;
    if level != "INFO" {
        answer["inspectionData"] = inspection;
    }
    Ok(answer)
}

/// A state alone is called StateName, as its place in the messages shows.
fn read(definition: &str, name: Option<&str>) -> Result<(String, State), ApiError> {
    let Some(name) = name else {
        let state = language::parse_state("StateName", definition);
        let state =
            state.or_else(|diagnostics| error("InvalidDefinition", language::message(&diagnostics)))?;
        return Ok(("StateName".to_owned(), state));
    };
    let definition = super::machines::parse(definition)?;
    match find(definition.flow, name) {
        Some(state) => Ok((name.to_owned(), state)),
        None => error("ValidationException", "State not found in definition"),
    }
}

fn find(mut flow: Flow, name: &str) -> Option<State> {
    if let Some(state) = flow.states.remove(name) {
        return Some(state);
    }
    flow.states.into_values().find_map(|state| match state.kind {
        Kind::Parallel(parallel) => parallel.branches.into_iter().find_map(|flow| find(flow, name)),
        Kind::Map(map) => find(map.processor, name),
        _ => None,
    })
}

pub fn json_text(body: &Value, field: &str) -> Result<Option<Value>, ApiError> {
    let Some(text) = body[field].as_str() else { return Ok(None) };
    serde_json::from_str(text).map(Some).or_else(|e| {
        let code = if field == "input" { "InvalidExecutionInput" } else { "ValidationException" };
        error(code, format!("{field} is not JSON: {e}"))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::fake::{Fake, ROLE, function_error, invoke, ok, worker};

    async fn test(fake: &Fake, state: Value, more: Value) -> Value {
        let mut body = json!({"definition": state.to_string(), "roleArn": ROLE});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        fake.api("TestState", body).await
    }

    #[tokio::test(start_paused = true)]
    async fn a_state_is_tried_alone_and_says_where_it_leads() {
        let fake = Fake::new(|call| async move { ok(json!({"got": call.body})) });
        let input = json!({"input": "{\"n\":3}"});
        let pass = json!({"Type": "Pass", "Assign": {"v": "{% $w + 1 %}"},
            "Output": "{% $states.input.n * $w %}", "Next": "B"});
        let debug = json!({"input": "{\"n\":3}", "variables": "{\"w\":2}", "inspectionLevel": "DEBUG"});
        assert_eq!(
            test(&fake, pass, debug).await,
            json!({"status": "SUCCEEDED", "output": "6", "nextState": "B",
                "inspectionData": {"input": "{\"n\":3}", "variables": "{\"v\":3,\"w\":2}"}})
        );
        let choice = json!({"Type": "Choice", "Choices": [{"Condition": "{% $states.input.n > 2 %}",
            "Next": "Large"}], "Default": "Small"});
        let answer = test(&fake, choice, input.clone()).await;
        assert_eq!(answer, json!({"status": "SUCCEEDED", "output": "{\"n\":3}", "nextState": "Large"}));
        let fail = json!({"Type": "Fail", "Error": "Mine", "Cause": "why"});
        assert_eq!(
            test(&fake, fail, input.clone()).await,
            json!({"status": "FAILED", "error": "Mine", "cause": "why"})
        );
        let answer = test(
            &fake,
            invoke(json!({"End": true})),
            json!({"input": "{\"n\":3}", "inspectionLevel": "DEBUG"}),
        )
        .await;
        assert_eq!(answer["output"], "{\"got\":{\"n\":3}}");
        assert_eq!(
            answer["inspectionData"]["afterArguments"],
            "{\"FunctionName\":\"look\",\"Payload\":{\"n\":3}}"
        );
        assert_eq!(fake.calls().len(), 1);
        assert_eq!(fake.api("ListStateMachines", json!({})).await, json!({"stateMachines": []}));
    }

    #[tokio::test(start_paused = true)]
    async fn an_error_is_retriable_caught_or_final() {
        let fake = Fake::new(|_| async { function_error("Blocked", "a finding") });
        let retry =
            json!([{"ErrorEquals": ["NotReady"]}, {"ErrorEquals": ["Blocked"], "IntervalSeconds": 7}]);
        let catch = json!([{"ErrorEquals": ["Blocked"], "Output": "{% $states.errorOutput.Error %}",
            "Next": "Tell"}]);
        for (more, expected) in [
            (
                json!({"End": true, "Retry": retry}),
                json!(["RETRIABLE", null, {"retryIndex": 1, "retryBackoffIntervalSeconds": 7}]),
            ),
            (json!({"End": true, "Catch": catch}), json!(["CAUGHT_ERROR", "\"Blocked\"", {"catchIndex": 0}])),
            (json!({"End": true}), json!(["FAILED", null, null])),
        ] {
            let answer = test(&fake, invoke(more), json!({"inspectionLevel": "TRACE"})).await;
            assert_eq!(
                json!([answer["status"], answer["output"], answer["inspectionData"]["errorDetails"]]),
                expected
            );
            assert_eq!(answer["error"], "Blocked");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_mock_stands_for_the_work() {
        let fake = Fake::alone();
        let work = worker(json!({"Next": "B", "Output": "{% $states.result.rows %}"}));
        let mock = json!({"mock": {"result": "{\"rows\":4}"}});
        assert_eq!(
            test(&fake, work.clone(), mock).await,
            json!({"status": "SUCCEEDED", "output": "4", "nextState": "B"})
        );
        let mock = json!({"mock": {"errorOutput": {"error": "Mine", "cause": "why"}}});
        assert_eq!(
            test(&fake, work.clone(), mock).await,
            json!({"status": "FAILED", "error": "Mine", "cause": "why"})
        );
        let branch = json!({"StartAt": "In", "States": {"In": {"Type": "Succeed"}}});
        let parallel = json!({"Type": "Parallel", "End": true, "Branches": [branch]});
        let pass = json!({"Type": "Pass", "End": true});
        for (state, more, code, message) in [
            (work, json!({}), "ValidationException", "without a mock"),
            (parallel.clone(), json!({}), "InvalidDefinition", "does not support Map or Parallel states"),
            (parallel.clone(), json!({"mock": {"result": "{}"}}), "ValidationException", "must be an array"),
            (parallel, json!({"mock": {"result": "[1,2]"}}), "ValidationException", "same number of items"),
            (
                pass.clone(),
                json!({"mock": {"result": "1"}}),
                "ValidationException",
                "State type 'Pass' is not supported",
            ),
            (pass, json!({"input": "{"}), "InvalidExecutionInput", "is not JSON"),
            (json!({"Type": "Loop"}), json!({}), "InvalidDefinition", "at /States/StateName/Type"),
        ] {
            let answer = test(&fake, state, more).await;
            assert_eq!(answer["__type"], code, "{answer}");
            assert!(answer["message"].as_str().unwrap().contains(message), "{answer}");
        }
        let no_role = json!({"definition": invoke(json!({"End": true})).to_string()});
        let answer = fake.api("TestState", no_role).await;
        assert_eq!(answer["message"], "RoleArn must be specified when testing a Task state");
    }

    #[tokio::test(start_paused = true)]
    async fn a_state_is_found_by_its_name_in_a_machine() {
        let fake = Fake::alone();
        let inner =
            json!({"StartAt": "In", "States": {"In": {"Type": "Pass", "Output": "inner", "End": true}}});
        let machine = json!({"QueryLanguage": "JSONata", "StartAt": "A",
            "States": {"A": {"Type": "Parallel", "Branches": [inner], "End": true}}});
        assert_eq!(test(&fake, machine.clone(), json!({"stateName": "In"})).await["output"], "\"inner\"");
        let answer = test(&fake, machine, json!({"stateName": "Out"})).await;
        assert_eq!(answer["message"], "State not found in definition");
    }
}
