//! `Succeed`: ends the machine, the branch or the iteration.

use super::failure::Failure;
use super::flow::{Step, Visit};

/// https://docs.aws.amazon.com/step-functions/latest/dg/state-succeed.html
pub fn step(visit: &mut Visit<'_>) -> Result<Step, Failure> {
    let input = visit.input.clone();
    visit.leave(None, visit.state.common.output.as_ref(), input, None)
}
