//! What CreateStateMachine refuses, beyond what does not parse.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::Value;

use super::choice::Choice;
use super::definition::{Definition, Flow, Kind, State};
use super::jsonata::Template;
use super::retry::Retrier;
use super::task::Task;
use super::wait::Wait;

/// One entry of ValidateStateMachineDefinition's `diagnostics`.
#[derive(Debug, PartialEq, Eq)]
pub struct Diagnostic {
    pub code: &'static str,
    pub message: String,
    pub location: String,
}

/// Reads a definition, or says all that is wrong with it.
pub fn parse(text: &str) -> Result<Definition, Vec<Diagnostic>> {
    let definition = Definition::parse(text).map_err(|message| {
        vec![Diagnostic { code: "SCHEMA_VALIDATION_FAILED", message, location: String::new() }]
    })?;
    let mut check = Check::default();
    check.flow("", &definition.flow, &BTreeSet::new());
    if check.found.is_empty() { Ok(definition) } else { Err(check.found) }
}

#[derive(Default)]
struct Check<'a> {
    found: Vec<Diagnostic>,
    /// Every state name so far and where it stands: names are unique in the whole machine.
    names: BTreeMap<&'a str, String>,
}

impl<'a> Check<'a> {
    fn report(&mut self, code: &'static str, location: &str, message: impl Into<String>) {
        self.found.push(Diagnostic { code, message: message.into(), location: location.to_owned() });
    }

    fn refuse(&mut self, location: &str, message: impl Into<String>) {
        self.report("SCHEMA_VALIDATION_FAILED", location, message);
    }

    fn flow(&mut self, place: &str, flow: &'a Flow, outer_variables: &BTreeSet<&str>) {
        if !flow.states.contains_key(&flow.start_at) {
            self.report(
                "MISSING_TRANSITION_TARGET",
                &format!("{place}/StartAt"),
                format!("Missing 'StartAt' target: {}", flow.start_at),
            );
        }
        self.reachable(place, flow);
        let own: BTreeSet<&str> = flow.states.values().flat_map(assigned).collect();
        let variables: BTreeSet<&str> = own.union(outer_variables).copied().collect();
        for (name, state) in &flow.states {
            let place = format!("{place}/States/{name}");
            if name.chars().count() > 80 {
                self.refuse(&place, "a state's name has at most 80 characters");
            }
            if let Some(other) = self.names.insert(name, place.clone()) {
                self.report(
                    "DUPLICATE_STATE_NAME",
                    &place,
                    format!("Duplicate state name: {name}, also at {other}"),
                );
            }
            self.state(&place, state, flow);
            for variable in assigned(state).into_iter().filter(|variable| outer_variables.contains(variable))
            {
                self.refuse(
                    &format!("{place}/Assign"),
                    format!(
                        "the variable '{variable}' belongs to an outer scope and cannot be assigned here"
                    ),
                );
            }
            for (index, inner) in state.inner().into_iter().enumerate() {
                let place = if matches!(state.kind, Kind::Map(_)) {
                    format!("{place}/ItemProcessor")
                } else {
                    format!("{place}/Branches[{index}]")
                };
                self.flow(&place, inner, &variables);
            }
        }
    }

    fn reachable(&mut self, place: &str, flow: &'a Flow) {
        let mut seen = BTreeSet::new();
        let mut open = vec![flow.start_at.as_str()];
        while let Some(name) = open.pop() {
            if let (true, Some(state)) = (seen.insert(name), flow.states.get(name)) {
                open.extend(targets(state).into_iter().map(|(_, target)| target));
            }
        }
        for name in flow.states.keys().filter(|name| !seen.contains(name.as_str())) {
            let message = format!("State '{name}' is not reachable from StartAt");
            self.report("UNREACHABLE_STATE", &format!("{place}/States/{name}"), message);
        }
    }

    fn state(&mut self, place: &str, state: &'a State, flow: &Flow) {
        for (field, target) in targets(state) {
            if !flow.states.contains_key(target) {
                self.report(
                    "MISSING_TRANSITION_TARGET",
                    &format!("{place}/{field}"),
                    format!("Missing '{field}' target: {target}"),
                );
            }
        }
        let moves_on = !matches!(state.kind, Kind::Choice(_) | Kind::Succeed | Kind::Fail(_));
        match (&state.common.next, state.common.end) {
            (None, false) if moves_on => self.refuse(place, "Next or End must be there"),
            (Some(_), true) => self.refuse(place, "Next and End cannot both be there"),
            _ => {}
        }
        self.assign(place, state.common.assign.as_ref());
        self.retry(place, &state.common.retry);
        let catchers = &state.common.catch;
        self.error_names(
            place,
            "Catch",
            catchers.iter().map(|catcher| catcher.error_equals.as_slice()).collect(),
        );
        for catcher in catchers {
            self.assign(place, catcher.assign.as_ref());
        }
        match &state.kind {
            Kind::Task(task) => self.task(place, task),
            Kind::Choice(choice) => self.choice(place, choice),
            Kind::Wait(wait) => self.wait(place, wait),
            Kind::Parallel(parallel) if parallel.branches.is_empty() => {
                self.refuse(place, "Branches must not be empty")
            }
            Kind::Fail(fail) => {
                for (field, template) in [("Error", &fail.error), ("Cause", &fail.cause)] {
                    if template.as_ref().and_then(Template::literal).is_some_and(|value| !value.is_string()) {
                        self.refuse(&format!("{place}/{field}"), "must be a string");
                    }
                }
            }
            Kind::Pass | Kind::Succeed | Kind::Map(_) | Kind::Parallel(_) => {}
        }
    }

    fn task(&mut self, place: &str, task: &Task) {
        let timeout = self.seconds(place, "TimeoutSeconds", task.timeout_seconds.as_ref(), 1);
        let heartbeat = self.seconds(place, "HeartbeatSeconds", task.heartbeat_seconds.as_ref(), 1);
        if timeout.zip(heartbeat).is_some_and(|(timeout, heartbeat)| heartbeat >= timeout) {
            self.refuse(
                &format!("{place}/HeartbeatSeconds"),
                "HeartbeatSeconds must be smaller than TimeoutSeconds",
            );
        }
        let Some(arguments) = &task.arguments else { return };
        let place = format!("{place}/Arguments");
        if arguments.literal().is_some_and(|value| !value.is_object()) {
            self.refuse(&place, "must be an object or an expression");
        }
        if let Some(keys) = arguments.keys() {
            for key in keys.iter().filter(|key| !task.resource.arguments().contains(key)) {
                self.refuse(&place, format!("The field \"{key}\" is not supported by Step Functions"));
            }
            for required in task.resource.required().iter().filter(|required| !keys.contains(required)) {
                self.refuse(&place, format!("The field \"{required}\" is required but was missing"));
            }
        }
    }

    fn choice(&mut self, place: &str, choice: &Choice) {
        if choice.choices.is_empty() {
            self.refuse(&format!("{place}/Choices"), "Choices must not be empty");
        }
        for (index, rule) in choice.choices.iter().enumerate() {
            let place = format!("{place}/Choices[{index}]");
            if rule.condition.literal().is_some_and(|value| !value.is_boolean())
                || rule.condition.keys().is_some()
            {
                self.refuse(&format!("{place}/Condition"), "must be a boolean or an expression");
            }
            self.assign(&place, rule.assign.as_ref());
        }
    }

    fn wait(&mut self, place: &str, wait: &Wait) {
        if wait.seconds.is_some() == wait.timestamp.is_some() {
            self.refuse(place, "exactly one of Seconds and Timestamp must be there");
        }
        self.seconds(place, "Seconds", wait.seconds.as_ref(), 0);
        if let Some(value) = wait.timestamp.as_ref().and_then(Template::literal)
            && value.as_str().and_then(|text| text.parse::<Timestamp>().ok()).is_none()
        {
            self.refuse(&format!("{place}/Timestamp"), format!("{value} is not a timestamp"));
        }
    }

    /// The number, where it is known before evaluation.
    fn seconds(&mut self, place: &str, field: &str, template: Option<&Template>, least: u64) -> Option<u64> {
        let value = template?.literal()?;
        let seconds = value.as_u64().filter(|seconds| (least..=99_999_999).contains(seconds));
        if seconds.is_none() {
            self.refuse(
                &format!("{place}/{field}"),
                format!("must be a whole number from {least} to 99999999, found {value}"),
            );
        }
        seconds
    }

    /// https://docs.aws.amazon.com/step-functions/latest/dg/workflow-variables.html: `$states` is
    /// reserved, a name starts with a letter or an underscore and has at most 80 characters.
    fn assign(&mut self, place: &str, assign: Option<&Template>) {
        let Some(assign) = assign else { return };
        let place = format!("{place}/Assign");
        let Some(names) = assign.keys() else { return self.refuse(&place, "must be an object") };
        for name in names {
            let starts = name.starts_with(|c: char| c.is_alphabetic() || c == '_');
            if name == "states"
                || name.chars().count() > 80
                || !starts
                || name.contains(|c: char| !c.is_alphanumeric() && c != '_')
            {
                self.refuse(&place, format!("'{name}' is not a name for a variable"));
            }
        }
    }

    fn retry(&mut self, place: &str, retriers: &[Retrier]) {
        self.error_names(
            place,
            "Retry",
            retriers.iter().map(|retrier| retrier.error_equals.as_slice()).collect(),
        );
        for (index, retrier) in retriers.iter().enumerate() {
            let place = format!("{place}/Retry[{index}]");
            if !(1..=99_999_999).contains(&retrier.interval_seconds) {
                self.refuse(&place, "IntervalSeconds must be from 1 to 99999999");
            }
            if retrier.max_attempts > 99_999_999 {
                self.refuse(&place, "MaxAttempts must be from 0 to 99999999");
            }
            if retrier.backoff_rate < 1.0 {
                self.refuse(&place, "BackoffRate must be at least 1.0");
            }
            // The bounds are those of the page "concepts-error-handling".
            if retrier
                .max_delay_seconds
                .is_some_and(|most| most <= retrier.interval_seconds || most >= 31_622_400)
            {
                self.refuse(
                    &place,
                    "MaxDelaySeconds must be greater than IntervalSeconds and less than 31622400",
                );
            }
        }
    }

    /// `States.ALL` stands alone in its ErrorEquals, in the last retrier or catcher (page
    /// "concepts-error-handling").
    fn error_names(&mut self, place: &str, field: &str, lists: Vec<&[String]>) {
        for (index, names) in lists.iter().enumerate() {
            let place = format!("{place}/{field}[{index}]/ErrorEquals");
            if names.is_empty() {
                self.refuse(&place, "must not be empty");
            }
            if names.iter().any(|name| name == "States.ALL") && (names.len() > 1 || index + 1 < lists.len()) {
                self.refuse(&place, format!("States.ALL must stand alone and in the last {field}"));
            }
        }
    }
}

/// Every field of a state that names another state.
fn targets(state: &State) -> Vec<(&'static str, &str)> {
    let mut targets: Vec<_> = state.common.next.iter().map(|next| ("Next", next.as_str())).collect();
    targets.extend(state.common.catch.iter().map(|catcher| ("Catch/Next", catcher.next.as_str())));
    if let Kind::Choice(choice) = &state.kind {
        targets.extend(choice.choices.iter().map(|rule| ("Choices/Next", rule.next.as_str())));
        targets.extend(choice.default.iter().map(|default| ("Default", default.as_str())));
    }
    targets
}

/// The variables that a state may assign.
fn assigned(state: &State) -> Vec<&str> {
    let mut templates: Vec<&Template> = state.common.assign.iter().collect();
    templates.extend(state.common.catch.iter().filter_map(|catcher| catcher.assign.as_ref()));
    if let Kind::Choice(choice) = &state.kind {
        templates.extend(choice.choices.iter().filter_map(|rule| rule.assign.as_ref()));
    }
    templates.into_iter().filter_map(Template::keys).flatten().collect()
}

/// As the message of InvalidDefinition.
pub fn message(diagnostics: &[Diagnostic]) -> String {
    let list: Vec<_> = diagnostics
        .iter()
        .map(|d| {
            format!("{}: {} at {}", d.code, d.message, if d.location.is_empty() { "/" } else { &d.location })
        })
        .collect();
    format!("Invalid State Machine Definition: '{}'", list.join(", "))
}

/// As in the answer of ValidateStateMachineDefinition.
pub fn to_json(diagnostics: &[Diagnostic]) -> Vec<Value> {
    let entry = |d: &Diagnostic| serde_json::json!({"severity": "ERROR", "code": d.code, "message": d.message, "location": d.location});
    diagnostics.iter().map(entry).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::states::fake::{Fake, invoke, worker};

    fn refusals(states: Value) -> String {
        let definition = json!({"QueryLanguage": "JSONata", "StartAt": "A", "States": states});
        parse(&definition.to_string())
            .err()
            .map_or_else(|| "accepted".to_owned(), |diagnostics| message(&diagnostics))
    }

    /// What is wrong, and a part of the message that names the place.
    #[test]
    fn what_the_service_refuses_is_refused() {
        let end = || json!({"Type": "Succeed"});
        let parallel = |branch: Value| json!({"A": {"Type": "Parallel", "End": true, "Branches": [branch]}});
        let retry = |retry: Value| json!({"A": invoke(json!({"End": true, "Retry": retry}))});
        for (what, states, place) in [
            (
                "dangling Next",
                json!({"A": {"Type": "Pass", "Next": "B"}}),
                "Missing 'Next' target: B at /States/A/Next",
            ),
            (
                "dangling Default",
                json!({"A": {"Type": "Choice", "Choices": [{"Condition": true, "Next": "B"}], "Default": "C"}, "B": end()}),
                "Missing 'Default' target: C",
            ),
            (
                "dangling choice",
                json!({"A": {"Type": "Choice", "Choices": [{"Condition": true, "Next": "C"}]}}),
                "Missing 'Choices/Next' target: C",
            ),
            (
                "dangling Catch",
                json!({"A": invoke(json!({"End": true, "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "B"}]}))}),
                "Missing 'Catch/Next' target: B",
            ),
            ("dangling StartAt", json!({"B": end()}), "Missing 'StartAt' target: A at /StartAt"),
            (
                "unreachable",
                json!({"A": end(), "B": end()}),
                "UNREACHABLE_STATE: State 'B' is not reachable from StartAt at /States/B",
            ),
            ("no way out", json!({"A": {"Type": "Pass"}}), "Next or End must be there at /States/A"),
            (
                "two ways out",
                json!({"A": {"Type": "Pass", "Next": "B", "End": true}, "B": end()}),
                "Next and End cannot both be there at /States/A",
            ),
            ("unknown field", json!({"A": {"Type": "Pass", "Nxt": "B"}}), "state \"A\": unknown field `Nxt`"),
            (
                "unknown field inside",
                parallel(json!({"StartAt": "B", "States": {"B": {"Type": "Wait", "Second": 1}}})),
                "state \"A\": state \"B\": unknown field `Second`",
            ),
            ("field of another type", json!({"A": {"Type": "Succeed", "Next": "B"}}), "unknown field `Next`"),
            ("unknown type", json!({"A": {"Type": "Loop"}}), "\"Loop\" is not a Type of state"),
            (
                "unknown resource",
                json!({"A": {"Type": "Task", "Resource": "arn:aws:states:::lambda:call", "End": true}}),
                "unknown variant `arn:aws:states:::lambda:call`",
            ),
            (
                "unknown argument",
                json!({"A": invoke(json!({"Arguments": {"FunctionName": "f", "PayLoad": 1}, "End": true}))}),
                "\"PayLoad\" is not supported by Step Functions at /States/A/Arguments",
            ),
            (
                "missing argument",
                json!({"A": invoke(json!({"Arguments": {"Payload": 1}, "End": true}))}),
                "\"FunctionName\" is required",
            ),
            (
                "bad JSONata",
                json!({"A": {"Type": "Pass", "Output": "{% 1 + %}", "End": true}}),
                "state \"A\": the JSONata expression '1 +' cannot be parsed",
            ),
            (
                "$eval",
                json!({"A": {"Type": "Pass", "Output": "{% $eval('1') %}", "End": true}}),
                "calls $eval",
            ),
            (
                "InputPath",
                json!({"A": {"Type": "Pass", "InputPath": "$.a", "End": true}}),
                "state \"A\": InputPath belongs to JSONPath",
            ),
            (
                "Parameters",
                json!({"A": {"Type": "Pass", "Parameters": {}, "End": true}}),
                "Parameters belongs to JSONPath",
            ),
            (
                "heartbeat",
                json!({"A": worker(json!({"End": true, "HeartbeatSeconds": 60, "TimeoutSeconds": 60}))}),
                "HeartbeatSeconds must be smaller than TimeoutSeconds at /States/A/HeartbeatSeconds",
            ),
            (
                "timeout 0",
                json!({"A": invoke(json!({"End": true, "TimeoutSeconds": 0}))}),
                "from 1 to 99999999, found 0 at /States/A/TimeoutSeconds",
            ),
            (
                "States.ALL first",
                retry(json!([{"ErrorEquals": ["States.ALL"]}, {"ErrorEquals": ["B"]}])),
                "States.ALL must stand alone and in the last Retry at /States/A/Retry[0]/ErrorEquals",
            ),
            (
                "States.ALL with others",
                retry(json!([{"ErrorEquals": ["B", "States.ALL"]}])),
                "States.ALL must stand alone",
            ),
            (
                "no errors",
                retry(json!([{"ErrorEquals": []}])),
                "must not be empty at /States/A/Retry[0]/ErrorEquals",
            ),
            (
                "backoff",
                retry(json!([{"ErrorEquals": ["B"], "BackoffRate": 0.5}])),
                "BackoffRate must be at least 1.0",
            ),
            (
                "delay",
                retry(json!([{"ErrorEquals": ["B"], "IntervalSeconds": 60, "MaxDelaySeconds": 60}])),
                "MaxDelaySeconds must be greater",
            ),
            (
                "interval",
                retry(json!([{"ErrorEquals": ["B"], "IntervalSeconds": 0}])),
                "IntervalSeconds must be from 1",
            ),
            (
                "jitter",
                retry(json!([{"ErrorEquals": ["B"], "JitterStrategy": "HALF"}])),
                "unknown variant `HALF`",
            ),
            (
                "empty Choices",
                json!({"A": {"Type": "Choice", "Choices": [], "Default": "B"}, "B": end()}),
                "Choices must not be empty at /States/A/Choices",
            ),
            (
                "JSONPath choice",
                json!({"A": {"Type": "Choice", "Choices": [{"Variable": "$.a", "NumericEquals": 1, "Next": "B"}]}, "B": end()}),
                "unknown field `Variable`",
            ),
            (
                "empty Branches",
                json!({"A": {"Type": "Parallel", "End": true, "Branches": []}}),
                "Branches must not be empty",
            ),
            (
                "same name inside",
                parallel(json!({"StartAt": "A", "States": {"A": end()}})),
                "DUPLICATE_STATE_NAME: Duplicate state name: A",
            ),
            (
                "jump out of a branch",
                parallel(json!({"StartAt": "B", "States": {"B": {"Type": "Pass", "Next": "A"}}})),
                "Missing 'Next' target: A at /States/A/Branches[0]/States/B/Next",
            ),
            (
                "both waits",
                json!({"A": {"Type": "Wait", "Seconds": 1, "Timestamp": "2026-01-01T00:00:00Z", "End": true}}),
                "exactly one of Seconds and Timestamp",
            ),
            (
                "no time",
                json!({"A": {"Type": "Wait", "Timestamp": "tomorrow", "End": true}}),
                "is not a timestamp at /States/A/Timestamp",
            ),
            (
                "reserved variable",
                json!({"A": {"Type": "Pass", "Assign": {"states": 1}, "End": true}}),
                "'states' is not a name for a variable at /States/A/Assign",
            ),
            (
                "outer variable",
                json!({"A": {"Type": "Pass", "Assign": {"v": 1}, "Next": "P"}, "P": {"Type": "Parallel", "End": true,
                "Branches": [{"StartAt": "B", "States": {"B": {"Type": "Pass", "Assign": {"v": 2}, "End": true}}}]}}),
                "'v' belongs to an outer scope",
            ),
            (
                "distributed map",
                json!({"A": {"Type": "Map", "End": true, "ItemProcessor":
                {"ProcessorConfig": {"Mode": "DISTRIBUTED"}, "StartAt": "B", "States": {"B": end()}}}}),
                "unknown variant `DISTRIBUTED`",
            ),
        ] {
            let refusals = refusals(states);
            assert!(refusals.contains(place), "{what}: {refusals}");
        }
    }

    #[test]
    fn a_definition_must_be_jsonata() {
        for (definition, place) in [
            (
                json!({"StartAt": "A", "States": {"A": {"Type": "Succeed"}}}),
                "QueryLanguage must be \"JSONata\"",
            ),
            (
                json!({"QueryLanguage": "JSONPath", "StartAt": "A", "States": {"A": {"Type": "Succeed"}}}),
                "QueryLanguage must be",
            ),
            (
                json!({"QueryLanguage": "JSONata", "StartAt": "A", "States": {"A": {"Type": "Succeed", "QueryLanguage": "JSONPath"}}}),
                "state \"A\": QueryLanguage",
            ),
            (
                json!({"QueryLanguage": "JSONata", "StartAt": "A", "States": {"A": {"Type": "Succeed"}}, "Stats": 1}),
                "unknown field `Stats`",
            ),
            (
                json!({"QueryLanguage": "JSONata", "StartAt": "A", "TimeoutSeconds": "1", "States": {"A": {"Type": "Succeed"}}}),
                "TimeoutSeconds must be",
            ),
        ] {
            let message = message(&parse(&definition.to_string()).unwrap_err());
            assert!(message.contains(place), "{message}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_api_says_so() {
        let fake = Fake::alone();
        let bad = json!({"QueryLanguage": "JSONata", "StartAt": "A", "States": {"A": {"Type": "Pass", "Next": "B"}}}).to_string();
        let answer =
            fake.api("CreateStateMachine", json!({"name": "m", "roleArn": "r", "definition": bad})).await;
        assert_eq!(answer["__type"], "InvalidDefinition");
        let answer = fake.api("ValidateStateMachineDefinition", json!({"definition": bad})).await;
        assert_eq!(
            (&answer["result"], &answer["diagnostics"][0]["location"]),
            (&json!("FAIL"), &json!("/States/A/Next"))
        );
        let good = bad.replace("\"Next\":\"B\"", "\"End\":true");
        assert_eq!(
            fake.api("ValidateStateMachineDefinition", json!({"definition": good})).await["result"],
            "OK"
        );
    }
}
