//! `Pass`: hands its input on, through Assign and Output.

use super::failure::Failure;
use super::flow::{Step, Visit};

/// https://docs.aws.amazon.com/step-functions/latest/dg/state-pass.html
pub fn step(visit: &mut Visit<'_>) -> Result<Step, Failure> {
    let input = visit.input.clone();
    visit.leave_by_common_fields(input)
}
