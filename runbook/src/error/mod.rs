//! The errors of a state. Their names are the contract with the ASL: Lambda's `error_type`, the
//! worker's `SendTaskFailure` error. docs/errors.md says what a person does about each.

use std::fmt::{self, Display};

mod aws;
mod finding;

pub use aws::aws;
pub use finding::{Finding, Level, SkippedFinding, judge};

use crate::{Run, patience::UNREACHABLE, state::begins_again, visible::visible};

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
    /// A person must change something first. Nothing in production was changed.
    #[error("{}", finding::blocked(.0))]
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

    /// The input or a guard rail; nothing was changed unless [`Error::changed`] says otherwise.
    pub fn refused(found: impl Into<String>) -> Self {
        Self::Refused(Box::new(Failure::of(found, Some("nothing".into()))))
    }

    /// Someone else's; nothing was changed unless [`Error::changed`] says otherwise.
    pub fn conflict(found: impl Into<String>) -> Self {
        Self::Conflict(Box::new(Failure::of(found, Some("nothing".into()))))
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

    /// The command of the next step names this run's execution, and is one that this run takes.
    pub(crate) fn of_run(self, run: &Run) -> Self {
        self.with(|failure| {
            failure.execution = Some(run.execution.to_string());
            if begins_again(run.machine()) {
                failure.then = failure.then.map(|_| Then::StartAgain);
            }
        })
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

    /// What was found and what a person does about it, in a line: for an error that has another as
    /// its reason.
    pub fn reason(&self) -> String {
        match self {
            Self::Refused(failure)
            | Self::Conflict(failure)
            | Self::OperationFailed(failure)
            | Self::DeadlineExceeded(failure) => {
                let fix = failure.fix.as_ref().map(|fix| format!("; {fix}"));
                format!("{}{}", failure.found, fix.unwrap_or_default())
            }
            other => other.to_string(),
        }
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
        cause(&self.to_string())
    }
}

/// A text as a cause: nothing in it hides, and it is not longer than Step Functions takes.
pub fn cause(text: &str) -> String {
    let text = visible(text);
    match text.char_indices().nth(30_000) {
        Some((end, _)) => format!("{} … (cut; the whole is in the run's folder)", &text[..end]),
        None => text,
    }
}

impl Failure {
    fn of(found: impl Into<String>, changed: Option<String>) -> Self {
        Self { found: found.into(), changed, ..Self::default() }
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
            "1 thing must be fixed first; nothing in production was changed",
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
        let sync = Run::of("arn:aws:states:eu-west-1:444455556666:execution:ops-daily-sync:one");
        let error = Error::refused("the key is disabled").fix("enable it").then(Then::Redrive).of_run(&sync);
        assert_eq!(
            error.to_string(),
            "the key is disabled\nChanged: nothing.\nNext: enable it, then start a new execution with the \
             same input."
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
