//! How states lead to each other: targets exist, every state is reached, names are unique, and a
//! flow has an end.

use std::collections::{BTreeMap, BTreeSet};

use super::flow::Flow;
use super::reader::{DUPLICATE_STATE_NAME, Diagnostic, MISSING_END_STATE, MISSING_TRANSITION_TARGET};
use super::state::{Kind, State};

pub fn check(flow: &Flow) -> Vec<Diagnostic> {
    let mut graph = Graph::default();
    graph.flow("", flow);
    graph.found
}

#[derive(Default)]
struct Graph<'a> {
    found: Vec<Diagnostic>,
    /// Every state name so far and where it stands: names are unique in the whole machine.
    names: BTreeMap<&'a str, String>,
}

impl<'a> Graph<'a> {
    fn report(&mut self, code: &'static str, location: String, message: String) {
        self.found.push(Diagnostic { code, message, location });
    }

    /// The texts: localstack/localstack#11978 and aws-cloudformation/cfn-lint#4074, which quote the
    /// service.
    fn flow(&mut self, place: &str, flow: &'a Flow) {
        let start = [("StartAt".to_owned(), "Next", flow.start_at.as_str())];
        self.targets(place, start.into_iter().collect(), flow);
        for (name, state) in &flow.states {
            let place = format!("{place}/States/{name}");
            if let Some(other) = self.names.insert(name, place.clone()) {
                let message = format!("Duplicate state name: {name}, also at {other}");
                self.report(DUPLICATE_STATE_NAME, place.clone(), message);
            }
            self.targets(&place, targets(state), flow);
            for (below, inner) in state.inner() {
                self.flow(&format!("{place}{below}"), inner);
            }
        }
        self.unreachable(place, flow);
        if !flow.states.values().any(is_terminal) {
            let message = "there is no terminal state: one with End, a Succeed or a Fail".to_owned();
            self.report(MISSING_END_STATE, format!("{place}/States"), message);
        }
    }

    fn targets(&mut self, place: &str, targets: Vec<(String, &'static str, &str)>, flow: &Flow) {
        for (field, kind, target) in targets {
            if !flow.states.contains_key(target) {
                let message = format!("Missing '{kind}' target: {target}");
                self.report(MISSING_TRANSITION_TARGET, format!("{place}/{field}"), message);
            }
        }
    }

    fn unreachable(&mut self, place: &str, flow: &'a Flow) {
        let mut seen = BTreeSet::new();
        let mut open = vec![flow.start_at.as_str()];
        while let Some(name) = open.pop() {
            if let (true, Some(state)) = (seen.insert(name), flow.states.get(name)) {
                open.extend(targets(state).into_iter().map(|(_, _, target)| target));
            }
        }
        for name in flow.states.keys().filter(|name| !seen.contains(name.as_str())) {
            let message = format!("State \"{name}\" is not reachable.");
            self.report(MISSING_TRANSITION_TARGET, format!("{place}/States/{name}"), message);
        }
    }
}

/// Every field of a state that names another: its place, the word in the message, the name.
fn targets(state: &State) -> Vec<(String, &'static str, &str)> {
    let mut targets: Vec<_> =
        state.next.iter().map(|next| ("Next".to_owned(), "Next", next.as_str())).collect();
    for (index, catcher) in state.catch.iter().enumerate() {
        targets.push((format!("Catch[{index}]/Next"), "Next", catcher.next.as_str()));
    }
    if let Kind::Choice(choice) = &state.kind {
        for (index, rule) in choice.rules.iter().enumerate() {
            targets.push((format!("Choices[{index}]/Next"), "Next", rule.next.as_str()));
        }
        targets
            .extend(choice.default.iter().map(|default| ("Default".to_owned(), "Default", default.as_str())));
    }
    targets
}

fn is_terminal(state: &State) -> bool {
    !matches!(state.kind, Kind::Choice(_)) && state.next.is_none()
}
