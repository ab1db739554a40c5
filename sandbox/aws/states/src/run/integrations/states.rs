//! `states:startExecution.sync:2`:
//! https://docs.aws.amazon.com/step-functions/latest/dg/connect-stepfunctions.html

use std::sync::Arc;

use serde_json::{Value, json};

use super::{Errors, rename, send_json};
use crate::run::describe;
use crate::run::execution::{Execution, Status};
use crate::run::failure::Failure;
use crate::run::visit::{OnDrop, Visit};

/// The errors of StartExecution in botocore stepfunctions/2016-11-23.
const ERRORS: Errors = Errors {
    prefix: "StepFunctions",
    service: "AWSStepFunctions",
    generic: "AWSStepFunctionsException",
    modelled: &[
        "ExecutionAlreadyExistsException",
        "ExecutionLimitExceededException",
        "InvalidArnException",
        "InvalidExecutionInputException",
        "InvalidNameException",
        "StateMachineDeletingException",
        "StateMachineDoesNotExistException",
        "ValidationException",
    ],
};

pub struct Child {
    pub answer: Value,
    execution: Arc<Execution>,
}

pub async fn start_execution(visit: &Visit<'_>, mut arguments: Value) -> Result<Child, Failure> {
    let execution = visit.execution;
    match arguments.get_mut("Input") {
        // Null is an empty input (by analogy with Payload in connect-lambda).
        Some(input) if input.is_null() => *input = "{}".into(),
        Some(input) if !input.is_string() => *input = input.to_string().into(),
        _ => {}
    }
    let body = rename(arguments, char::to_ascii_lowercase);
    let answer =
        send_json(execution, "states", "1.0", "AWSStepFunctions.StartExecution", &body, &ERRORS).await?;
    let child = answer["executionArn"].as_str().and_then(|arn| execution.world.execution(arn));
    Ok(Child {
        answer: rename(answer, char::to_ascii_uppercase),
        execution: child.ok_or_else(|| ERRORS.unreachable())?,
    })
}

impl Child {
    /// Its description, with the output parsed; a child that does not succeed fails the task with
    /// the description as the cause.
    pub async fn wait(self) -> Result<Value, Failure> {
        // The service tries to stop what it waits for (page "connect-to-resource", "Run a Job").
        let cancelled = OnDrop::new(|| {
            let cause = "The execution that waited for it was stopped".to_owned();
            self.execution.stop(Failure::of(None, Some(cause)));
        });
        self.execution.wait_until_finished().await;
        cancelled.disarm();
        let mut description = rename(describe(&self.execution), char::to_ascii_uppercase);
        if self.execution.ledger().status != Status::Succeeded {
            return Err(Failure::new("States.TaskFailed", description.to_string()));
        }
        description["Input"] = self.execution.input.value.clone();
        description["Output"] = self.execution.ledger().output.clone().unwrap_or_else(|| json!(null));
        Ok(description)
    }
}
