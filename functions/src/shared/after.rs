//! What a clean-up comes after: an execution of the same state machine that is over.

use aws_sdk_sfn::{error::ProvideErrorMetadata as _, types::ExecutionStatus};
use runbook::{Arn, Context, Error, Result, Run, error::aws};

/// A clean-up may be stopped, too, and is then cleaned up after: by how many of them in a row an
/// execution is looked for. What goes on longer goes round in a circle.
const MOST_STOPPED: usize = 20;

/// What an execution was started for.
pub enum Input<T> {
    Work(T),
    After(Arn),
}

pub enum After<T> {
    /// It is at work, maybe again.
    Running(Arn),
    /// Its input says nothing to do: it was refused and has made nothing.
    Refused(Arn),
    /// The run that worked, and what for.
    Over(T, Run),
}

/// Where it was itself a clean-up, that is the run that it cleaned up after. An input is whatever
/// somebody once typed; `read` knows none of what it has to refuse.
pub async fn look<T>(
    cx: &Context,
    run: &Run,
    after: Arn,
    read: impl Fn(&str) -> Option<Input<T>>,
) -> Result<After<T>> {
    let machine =
        |execution: &Arn| execution.as_str().rsplit_once(':').map(|(machine, _)| machine.to_owned());
    let mut execution = after.clone();
    for _ in 0..MOST_STOPPED {
        if machine(&execution) != machine(&run.execution) || execution == run.execution {
            return Err(Error::refused(format!(
                "after leads to {execution}, which is no other execution of this state machine"
            )));
        }
        let describe = cx.sfn.describe_execution().execution_arn(execution.as_str());
        let described = match describe.send().await {
            Err(error) if error.code() == Some("ExecutionDoesNotExist") => {
                return Err(Error::refused(format!(
                    "after leads to {execution}, which Step Functions does not \
                    know (any more)"
                )));
            }
            described => described.map_err(aws("states:DescribeExecution"))?,
        };
        if *described.status() == ExecutionStatus::Running {
            return Ok(After::Running(execution));
        }
        match described.input().and_then(&read) {
            Some(Input::Work(work)) => {
                return Ok(After::Over(work, Run { execution, ..run.clone() }));
            }
            Some(Input::After(earlier)) => execution = earlier,
            None => return Ok(After::Refused(execution)),
        }
    }
    Err(Error::refused(format!("what after, {after}, cleaned up after is not found: each names another")))
}
