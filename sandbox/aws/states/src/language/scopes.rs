//! Where a variable may be assigned:
//! https://docs.aws.amazon.com/step-functions/latest/dg/workflow-variables.html

use std::collections::BTreeSet;

use super::flow::Flow;
use super::reader::{Diagnostic, SCHEMA_VALIDATION_FAILED};
use super::state::{Kind, State};

/// An inner scope reads the variables of the outer ones and assigns none of them. The Catch of the
/// Parallel or Map around it may assign the same names: when it runs, the inner scope is gone.
pub fn check(flow: &Flow) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    check_flow("", flow, &BTreeSet::new(), &mut found);
    found
}

fn check_flow(place: &str, flow: &Flow, outer: &BTreeSet<&str>, found: &mut Vec<Diagnostic>) {
    for (name, state) in &flow.states {
        let place = format!("{place}/States/{name}");
        for variable in by_itself(state).chain(by_its_catch(state)).filter(|name| outer.contains(name)) {
            let message =
                format!("the variable '{variable}' belongs to an outer scope and cannot be assigned here");
            let (code, location) = (SCHEMA_VALIDATION_FAILED, format!("{place}/Assign"));
            found.push(Diagnostic { code, message, location });
        }
        let others = flow.states.iter().filter(|(other, _)| *other != name).map(|(_, other)| other);
        let mut seen_inside = outer.clone();
        seen_inside.extend(by_itself(state));
        seen_inside.extend(others.flat_map(|other| by_itself(other).chain(by_its_catch(other))));
        for (below, flow) in state.inner() {
            check_flow(&format!("{place}{below}"), flow, &seen_inside, found);
        }
    }
}

fn by_itself(state: &State) -> impl Iterator<Item = &str> {
    let rules = match &state.kind {
        Kind::Choice(choice) => choice.rules.as_slice(),
        _ => &[],
    };
    state.assign.names().chain(rules.iter().flat_map(|rule| rule.assign.names()))
}

fn by_its_catch(state: &State) -> impl Iterator<Item = &str> {
    state.catch.iter().flat_map(|catcher| catcher.assign.names())
}
