//! `Task`: one attempt at the work of another service, with its timeout and its heartbeat.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use serde_json::{Value, json};

use super::failure::Failure;
use super::integrations::{ecs, events, lambda, ssm, states};
use super::tokens::{Signal, Ticket};
use super::visit::{PAYLOAD_LIMIT, Visit};
use crate::language::{Resource, Task};

#[cfg(test)]
mod tests;

/// Where TimeoutSeconds is left out (page "state-task").
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(99_999_999);

pub async fn run(visit: &mut Visit<'_>, task: &Task) -> Result<Value, Failure> {
    let attempt = Attempt { resource: task.resource };
    let mut ticket = task
        .resource
        .waits_for_token()
        .then(|| visit.execution.world.tokens.issue(visit.execution.draw_token()));
    visit.token = ticket.as_ref().map(|ticket| ticket.token.clone());
    let arguments = visit.evaluate_or_input("Arguments", task.arguments.as_ref())?;
    visit.arguments = Some(arguments.clone());
    let seconds = |field: &str, setting| visit.seconds(field, setting, 1).map(Duration::from_secs);
    let timeout = task.timeout_seconds.as_ref().map(|t| seconds("TimeoutSeconds", t)).transpose()?;
    let heartbeat = task.heartbeat_seconds.as_ref().map(|t| seconds("HeartbeatSeconds", t)).transpose()?;
    attempt.record_start(visit, &arguments, timeout, heartbeat);

    let visit = &*visit;
    let timer = visit.execution.world.clock.sleep(timeout.unwrap_or(DEFAULT_TIMEOUT));
    let outcome = tokio::select! {
        biased;
        outcome = attempt.work(visit, arguments, ticket.as_mut(), heartbeat) => outcome,
        () = timer => Err(Failure::timeout()),
    };
    // An answer that was accepted while a timer ran out is not thrown away.
    let outcome = match ticket.as_mut().and_then(Ticket::close) {
        Some(Signal::Success(output)) => Ok(output),
        Some(Signal::Failure(failure)) => Err(failure),
        Some(Signal::Heartbeat) | None => outcome,
    };
    let outcome = outcome.and_then(|output| attempt.check_size(output));
    attempt.record_end(visit, &outcome);
    outcome
}

struct Attempt {
    resource: Resource,
}

impl Attempt {
    fn check_size(&self, output: Value) -> Result<Value, Failure> {
        if output.to_string().len() <= PAYLOAD_LIMIT {
            Ok(output)
        } else {
            Err(Failure::too_large_result(self.resource.parts().0))
        }
    }

    async fn work(
        &self,
        visit: &Visit<'_>,
        arguments: Value,
        ticket: Option<&mut Ticket>,
        heartbeat: Option<Duration>,
    ) -> Result<Value, Failure> {
        match (self.resource, ticket) {
            (Resource::LambdaInvoke, _) => lambda::invoke(visit, arguments).await,
            (Resource::EventsPutEvents, _) => events::put_events(visit, arguments).await,
            (Resource::SsmGetCalendarState, _) => ssm::get_calendar_state(visit, &arguments).await,
            (Resource::LambdaInvokeWaitForTaskToken, Some(ticket)) => {
                self.wait_for_token(visit, ticket, lambda::invoke(visit, arguments), heartbeat).await
            }
            (Resource::StatesStartExecutionSync, _) => {
                let child = states::start_execution(visit, arguments).await?;
                self.record_submitted(visit, &child.answer);
                child.wait().await
            }
            (Resource::EcsRunTaskWaitForTaskToken, Some(ticket)) => {
                self.wait_for_token(visit, ticket, ecs::run_task(visit, arguments), heartbeat).await
            }
            (Resource::LambdaInvokeWaitForTaskToken | Resource::EcsRunTaskWaitForTaskToken, None) => {
                Err(Failure::runtime("a task that waits for a token has none"))
            }
        }
    }

    /// Listens to the worker from the first moment: it may be faster than the answer of the request
    /// that started it.
    async fn wait_for_token(
        &self,
        visit: &Visit<'_>,
        ticket: &mut Ticket,
        request: impl Future<Output = Result<Value, Failure>>,
        heartbeat: Option<Duration>,
    ) -> Result<Value, Failure> {
        let clock = visit.execution.world.clock;
        let mut request = pin!(request);
        let mut submitted = false;
        loop {
            let mut silence = pin!(async {
                match heartbeat {
                    Some(heartbeat) => clock.sleep(heartbeat).await,
                    None => std::future::pending().await,
                }
            });
            let signal = loop {
                tokio::select! {
                    biased;
                    signal = ticket.next() => break signal,
                    answer = &mut request, if !submitted => {
                        submitted = true;
                        self.record_submitted(visit, &answer?);
                    }
                    () = &mut silence => return Err(Failure::heartbeat_timeout()),
                }
            };
            match signal {
                Signal::Heartbeat => {}
                Signal::Success(output) => return Ok(output),
                Signal::Failure(failure) => return Err(failure),
            }
        }
    }

    fn details(&self) -> Value {
        let (resource_type, resource) = self.resource.parts();
        json!({"resourceType": resource_type, "resource": resource})
    }

    fn record_start(
        &self,
        visit: &Visit<'_>,
        arguments: &Value,
        timeout: Option<Duration>,
        heartbeat: Option<Duration>,
    ) {
        let mut scheduled = self.details();
        scheduled["region"] = endpoint::aws::REGION.into();
        scheduled["parameters"] = arguments.to_string().into();
        if let Some(timeout) = timeout {
            scheduled["timeoutInSeconds"] = timeout.as_secs().into();
        }
        if let Some(heartbeat) = heartbeat {
            scheduled["heartbeatInSeconds"] = heartbeat.as_secs().into();
        }
        visit.record("TaskScheduled", Some(("taskScheduledEventDetails", scheduled)));
        visit.record("TaskStarted", Some(("taskStartedEventDetails", self.details())));
    }

    fn record_submitted(&self, visit: &Visit<'_>, answer: &Value) {
        visit.record("TaskSubmitted", Some(("taskSubmittedEventDetails", self.with_output(answer))));
    }

    fn record_end(&self, visit: &Visit<'_>, outcome: &Result<Value, Failure>) {
        match outcome {
            Ok(output) => {
                visit.record("TaskSucceeded", Some(("taskSucceededEventDetails", self.with_output(output))))
            }
            Err(failure) => {
                let mut details = self.details();
                if let (Some(details), Value::Object(failure)) = (details.as_object_mut(), failure.details())
                {
                    details.extend(failure);
                }
                if failure.is_timeout() {
                    visit.record("TaskTimedOut", Some(("taskTimedOutEventDetails", details)))
                } else {
                    visit.record("TaskFailed", Some(("taskFailedEventDetails", details)))
                }
            }
        }
    }

    fn with_output(&self, output: &Value) -> Value {
        let mut details = self.details();
        details["output"] = output.to_string().into();
        details["outputDetails"] = json!({"truncated": false});
        details
    }
}
