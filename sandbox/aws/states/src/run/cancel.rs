//! The end of a Parallel or a Map one of whose branches failed.

use super::branch::Branch;
use super::visit::Visit;
use crate::language::{Flow, Kind};

/// What is recorded from here on follows the last event of the branch that failed. A task that ends
/// a branch is aborted, too; other types are not.
pub fn cancel(visit: &Visit<'_>, flow: &Flow, failed: &Branch, all: &[Branch]) {
    let last = failed.last();
    visit.branch.follow(last);
    let point = visit.execution.point_of(failed);
    let state = point.and_then(|point| flow.states.get(&point.state));
    if state.is_some_and(|state| matches!(state.kind, Kind::Task(_))) {
        visit.record_aside("TaskStateAborted", None);
    }
    all.iter().for_each(|branch| branch.follow(last));
}
