//! The errors of a state. Their names are the contract with the ASL: Lambda's `error_type`, the
//! worker's `SendTaskFailure` error. docs/errors.md says what a person does about each.

use std::fmt::{self, Display, Write};

use aws_credential_types::provider::error::CredentialsError;
use aws_runtime::retries::classifiers::{THROTTLING_ERRORS, TRANSIENT_ERRORS};
use aws_sdk_sts::{error::SdkError, operation::assume_role::AssumeRoleError};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Run, aurora::Fault, patience::UNREACHABLE};

pub type Result<T> = std::result::Result<T, Error>;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Look again later. Says what is waited for.
    #[error("waiting for {0}")]
    NotReady(String),
    /// `NotReady`, because AWS says that a cluster or instance is busy. It says the same for good
    /// when it can never do it, so it is not believed for ever.
    #[error("waiting for {0}")]
    Busy(String),
    /// `NotReady`, because nobody took the call. Not believed for ever either.
    #[error("waiting for {0}")]
    Unreachable(String),
    /// A person must change something first. Nothing was changed.
    #[error("{}", blocked(.0))]
    Blocked(Vec<Finding>),
    /// The input, or a guard rail.
    #[error("{0}")]
    Refused(Box<Failure>),
    /// Someone else owns it or changed it.
    #[error("{0}")]
    Conflict(Box<Failure>),
    /// AWS or PostgreSQL says that it failed. Carries their evidence.
    #[error("{0}")]
    OperationFailed(Box<Failure>),
    #[error("{0}")]
    DeadlineExceeded(Box<Failure>),
    #[error("{0:#}")]
    Unexpected(#[from] anyhow::Error),
}

/// What a person reads at night: what was found, what this state has changed, what to type next.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Failure {
    found: String,
    changed: Option<String>,
    fix: Option<String>,
    then: Option<Then>,
    /// The command of `then` is about this one.
    execution: Option<String>,
}

/// How a run goes on once the cause is out of the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    /// From the state that failed, with what the earlier ones found out.
    Redrive,
    /// From the beginning, with the same input.
    StartAgain,
}

impl Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.found)?;
        if let Some(changed) = &self.changed {
            write!(f, "\nChanged: {changed}.")?;
        }
        let then = match self.then {
            Some(Then::Redrive) => {
                let execution = self.execution.as_deref().unwrap_or("<this execution>");
                Some(format!(
                    "redrive the execution: aws stepfunctions redrive-execution --execution-arn {execution}"
                ))
            }
            Some(Then::StartAgain) => Some("start a new execution with the same input.".to_owned()),
            None => None,
        };
        match (&self.fix, then) {
            (Some(fix), Some(then)) => write!(f, "\nNext: {fix}, then {then}"),
            (Some(fix), None) => write!(f, "\nNext: {fix}."),
            (None, Some(then)) => write!(f, "\nNext: {then}"),
            (None, None) => Ok(()),
        }
    }
}

impl Error {
    pub const NAMES: [&str; 7] =
        ["NotReady", "Blocked", "Refused", "Conflict", "OperationFailed", "DeadlineExceeded", "Unexpected"];

    pub fn not_ready(what: impl Into<String>) -> Self {
        Self::NotReady(what.into())
    }

    /// The input or a guard rail; nothing was changed unless [`Error::changed`] says otherwise.
    pub fn refused(found: impl Into<String>) -> Self {
        Self::Refused(Box::new(Failure::of(found, Some("nothing".into()))))
    }

    /// Someone else's; nothing was changed unless [`Error::changed`] says otherwise.
    pub fn conflict(found: impl Into<String>) -> Self {
        Self::Conflict(Box::new(Failure::of(found, Some("nothing, it was left alone".into()))))
    }

    pub fn failed(found: impl Into<String>) -> Self {
        Self::OperationFailed(Box::new(Failure::of(found, None)))
    }

    /// The state has waited longer than it may.
    pub(crate) fn overdue(state: &str, what: &str, run: &Run) -> Self {
        let failure = Failure::of(
            format!(
                "{state} has waited for {what} since {}, longer than the deadline of {} min",
                run.since(),
                run.deadline.as_secs() / 60
            ),
            Some("what AWS has begun goes on there".into()),
        );
        Self::DeadlineExceeded(Box::new(failure)).then(Then::Redrive).of_run(run)
    }

    /// AWS says the same at every look although nothing is busy: that is its answer.
    pub(crate) fn given_up(what: &str) -> Self {
        Self::refused(format!("RDS keeps refusing although nothing is busy: waiting for {what}"))
            .changed("nothing by this call")
            .fix("change what it names")
            .then(Then::Redrive)
    }

    /// No call has come through for a long time.
    pub(crate) fn cut_off(what: &str) -> Self {
        Self::refused(format!("no connection for {} min: waiting for {what}", UNREACHABLE.as_mins()))
            .changed("nothing by this call")
            .fix(
                "check the way out of this function's or task's subnets: VPC endpoint or NAT gateway, DNS, \
                 outgoing rules of its security group, ingoing rules of the other side's",
            )
            .then(Then::Redrive)
    }

    /// Something that no state expects: AWS or the run bucket answered what it never should.
    pub fn unexpected(found: impl Into<String>) -> Self {
        Self::Unexpected(anyhow::Error::msg(found.into()))
    }

    /// What this state has changed so far, as the end of "Changed: …".
    pub fn changed(self, changed: impl Into<String>) -> Self {
        self.with(|failure| failure.changed = Some(changed.into()))
    }

    /// What a person does about it, as an imperative; nothing to type follows.
    pub fn fix(self, fix: impl Into<String>) -> Self {
        self.with(|failure| failure.fix = Some(fix.into()))
    }

    /// How the run goes on, after the fix when there is one.
    pub fn then(self, then: Then) -> Self {
        self.with(|failure| failure.then = Some(then))
    }

    /// The command of the next step names this run's execution.
    pub(crate) fn of_run(self, run: &Run) -> Self {
        self.with(|failure| failure.execution = Some(run.execution.to_string()))
    }

    fn with(mut self, change: impl FnOnce(&mut Failure)) -> Self {
        if let Self::Refused(failure)
        | Self::Conflict(failure)
        | Self::OperationFailed(failure)
        | Self::DeadlineExceeded(failure) = &mut self
        {
            change(failure);
        }
        self
    }

    /// What is waited for, when this is a wait.
    pub fn waiting_for(&self) -> Option<&str> {
        match self {
            Self::NotReady(what) | Self::Busy(what) | Self::Unreachable(what) => Some(what),
            _ => None,
        }
    }

    /// The name by which the ASL knows it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::NotReady(_) | Self::Busy(_) | Self::Unreachable(_) => "NotReady",
            Self::Blocked(_) => "Blocked",
            Self::Refused(_) => "Refused",
            Self::Conflict(_) => "Conflict",
            Self::OperationFailed(_) => "OperationFailed",
            Self::DeadlineExceeded(_) => "DeadlineExceeded",
            Self::Unexpected(_) => "Unexpected",
        }
    }

    /// The text for people, cut to what Step Functions takes as a cause (32,768 characters:
    /// SendTaskFailure, API reference).
    pub fn cause(&self) -> String {
        let text = self.to_string();
        match text.char_indices().nth(30_000) {
            Some((end, _)) => format!("{} … (cut; the whole is in the run's folder)", &text[..end]),
            None => text,
        }
    }
}

impl Failure {
    fn of(found: impl Into<String>, changed: Option<String>) -> Self {
        Self { found: found.into(), changed, ..Self::default() }
    }
}

/// What stands in the way of an upgrade, or is worth knowing before it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// The check that found it, e.g. `prepared-transaction`.
    pub check: String,
    pub level: Level,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub database: Option<String>,
    /// What was found.
    pub object: String,
    /// Why it matters.
    pub reason: String,
    /// What to do.
    pub remedy: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    Info,
    Warn,
    Block,
}

impl Finding {
    /// Names this finding in a skip list: `<check>:<database>/<object>`, or `<check>:<object>` for
    /// the whole cluster.
    pub fn id(&self) -> String {
        match &self.database {
            Some(database) => format!("{}:{database}/{}", self.check, self.object),
            None => format!("{}:{}", self.check, self.object),
        }
    }
}

/// A finding that shall not stop a run, as its input says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SkippedFinding {
    /// The finding's id as the error shows it, e.g. "logical-slot:shop/cdc", or a check's name for
    /// all that it finds.
    pub finding: String,
    /// Why, for the report.
    #[schemars(length(min = 1))]
    pub reason: String,
}

impl SkippedFinding {
    pub fn names(&self, finding: &Finding) -> bool {
        self.finding == finding.check || self.finding == finding.id()
    }
}

fn blocked(findings: &[Finding]) -> String {
    let mut text = format!(
        "{} thing{} must be fixed first; nothing was changed.",
        findings.len(),
        if findings.len() == 1 { "" } else { "s" }
    );
    for finding in findings {
        let _ = write!(text, "\n\n{}\n  why: {}\n  do:  {}", finding.id(), finding.reason, finding.remedy);
    }
    text.push_str("\n\nThen run it again with the same input.");
    text
}

/// An AWS call that failed. What may pass by itself is looked at again; the rest is shown as AWS
/// said it.
pub fn aws<E>(action: &str) -> impl FnOnce(SdkError<E>) -> Error + '_
where
    E: std::error::Error + ProvideErrorMetadata + 'static,
{
    move |error| sort(action, &error)
}

/// What may pass is what the SDK itself would try again: its codes, and HTTP 500, 502, 503 and 504
/// (https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html).
fn sort<E>(action: &str, error: &SdkError<E>) -> Error
where
    E: std::error::Error + ProvideErrorMetadata + 'static,
{
    let SdkError::ServiceError(context) = error else { return not_sent(action, error) };
    let (code, message) =
        (context.err().code().unwrap_or("no code"), context.err().message().unwrap_or("no message"));
    if THROTTLING_ERRORS.contains(&code)
        || TRANSIENT_ERRORS.contains(&code)
        || matches!(context.raw().status().as_u16(), 500 | 502 | 503 | 504)
    {
        return Error::NotReady(format!("AWS to answer {action} ({code}: {message})"));
    }
    match code {
        "AccessDenied" | "AccessDeniedException" | "AccessDeniedFault" => {
            Error::refused(format!("{action} is not allowed: {message}"))
                .changed("nothing by this call")
                .fix("grant this state's role the permission")
                .then(Then::Redrive)
        }
        // Busy with something, most often with what an earlier call of ours began: the next look
        // tells.
        _ if Fault::of(context.err()).is_some_and(Fault::is_busy) => {
            Error::Busy(format!("RDS to take {action} ({message})"))
        }
        _ => Error::unexpected(format!("{action}: {code}: {message}")),
    }
}

/// A call without an answer of the service. The SDK reports missing credentials, a role that may
/// not be assumed, names that do not resolve and connections that nobody takes all as a dispatch
/// failure: what it is stands in the chain of causes.
fn not_sent<E>(action: &str, error: &SdkError<E>) -> Error
where
    E: std::error::Error + ProvideErrorMetadata + 'static,
{
    let causes: Vec<&(dyn std::error::Error + 'static)> =
        std::iter::successors(std::error::Error::source(error), |cause| cause.source()).collect();
    let chain = causes.iter().map(ToString::to_string).collect::<Vec<_>>().join(": ");
    let chain = if chain.is_empty() { error.to_string() } else { chain };
    for cause in &causes {
        if let Some(denied) = cause.downcast_ref::<SdkError<AssumeRoleError>>() {
            return sort("sts:AssumeRole", denied);
        }
    }
    match causes.iter().find_map(|cause| cause.downcast_ref::<CredentialsError>()) {
        Some(CredentialsError::ProviderTimedOut(_)) => {
            Error::Unreachable(format!("AWS to hand out credentials for {action} ({chain})"))
        }
        Some(_) => Error::refused(format!("{action} was not sent, for there are no credentials: {chain}"))
            .changed("nothing by this call")
            .fix("give this function or task its role")
            .then(Then::Redrive),
        None => match error {
            SdkError::ConstructionFailure(_) => Error::unexpected(format!("{action}: {chain}")),
            SdkError::ResponseError(_) => {
                Error::NotReady(format!("AWS to answer {action} in full ({chain})"))
            }
            _ => Error::Unreachable(format!("AWS to answer {action} (lost on its way: {chain})")),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blocked_run_tells_object_reason_and_remedy() {
        let finding = Finding {
            check: "prepared-transaction".into(),
            level: Level::Block,
            database: Some("shop".into()),
            object: "gid 'x1'".into(),
            reason: "pg_upgrade refuses".into(),
            remedy: "ROLLBACK PREPARED 'x1'".into(),
        };
        let text = Error::Blocked(vec![finding]).to_string();
        for part in [
            "1 thing must",
            "prepared-transaction:shop/gid 'x1'",
            "pg_upgrade refuses",
            "ROLLBACK PREPARED 'x1'",
            "run it again",
        ] {
            assert!(text.contains(part), "{part} is missing in {text}");
        }
    }

    #[test]
    fn a_failure_says_what_was_changed_and_what_to_type_next() {
        let run = Run::of("arn:aws:states:eu-west-1:444455556666:execution:major-upgrade:one");
        let error = Error::refused("the key is disabled").fix("enable it").then(Then::Redrive).of_run(&run);
        assert_eq!(
            error.to_string(),
            "the key is disabled\nChanged: nothing.\nNext: enable it, then redrive the execution: aws \
             stepfunctions redrive-execution --execution-arn \
             arn:aws:states:eu-west-1:444455556666:execution:major-upgrade:one"
        );
        let error = Error::failed("it broke").changed("one tag").then(Then::StartAgain);
        assert_eq!(
            error.to_string(),
            "it broke\nChanged: one tag.\nNext: start a new execution with the same input."
        );
    }

    #[test]
    fn a_cause_fits_into_step_functions() {
        let error = Error::failed("ü".repeat(40_000));
        assert!(error.cause().chars().count() < 32_768);
    }
}
