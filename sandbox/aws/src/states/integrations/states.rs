//! `states:startExecution.sync:2`:
//! https://docs.aws.amazon.com/step-functions/latest/dg/connect-stepfunctions.html

use std::sync::Arc;

use serde_json::{Value, json};

use super::{Errors, rename, send_json};
use crate::states::api;
use crate::states::execution::{Execution, Status};
use crate::states::failure::Failure;
use crate::states::flow::{OnDrop, Visit};

pub const ARGUMENTS: &[&str] = &["StateMachineArn", "Input", "Name", "TraceHeader"];

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
    if let Some(input) = arguments.get_mut("Input").filter(|input| !input.is_string()) {
        *input = input.to_string().into();
    }
    let body = rename(arguments, char::to_ascii_lowercase);
    let answer =
        send_json(execution, "states", "1.0", "AWSStepFunctions.StartExecution", &body, &ERRORS).await?;
    let child = execution
        .world
        .service
        .upgrade()
        .zip(answer["executionArn"].as_str())
        .and_then(|(service, arn)| service.execution(arn));
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
            self.execution.stop(Failure {
                error: None,
                cause: Some("The execution that waited for it was stopped".into()),
            });
        });
        self.execution.wait_until_finished().await;
        cancelled.disarm();
        let mut description = rename(api::describe(&self.execution), char::to_ascii_uppercase);
        if self.execution.ledger().status != Status::Succeeded {
            return Err(Failure::new("States.TaskFailed", description.to_string()));
        }
        description["Input"] = self.execution.input.clone();
        description["Output"] = self.execution.ledger().output.clone().unwrap_or_else(|| json!(null));
        Ok(description)
    }
}
