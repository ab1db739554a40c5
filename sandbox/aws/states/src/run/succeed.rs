//! `Succeed`: ends the machine, the branch or the iteration.

use super::failure::Failure;
use super::visit::{Step, Visit};

/// https://docs.aws.amazon.com/step-functions/latest/dg/state-succeed.html
pub fn step(visit: &mut Visit<'_>) -> Result<Step, Failure> {
    let input = visit.input.clone();
    visit.leave_by_common_fields(input)
}
