//! The errors of a state. Their names are the contract with the ASL: Lambda's `error_type`, the
//! worker's `SendTaskFailure` error. docs/errors.md says what a person does about each.

use std::fmt::Write;

use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub type Result<T> = std::result::Result<T, Error>;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Look again later. Says what is waited for.
    #[error("waiting for {0}")]
    NotReady(String),
    /// A person must change something first. Nothing was changed.
    #[error("{}", blocked(.0))]
    Blocked(Vec<Finding>),
    /// The input, or a guard rail. Nothing was touched.
    #[error("{0}")]
    Refused(String),
    /// Someone else owns it or changed it.
    #[error("{0}")]
    Conflict(String),
    /// AWS or PostgreSQL says that it failed. Carries their evidence.
    #[error("{0}")]
    OperationFailed(String),
    #[error("{0}")]
    DeadlineExceeded(String),
    #[error("{0:#}")]
    Unexpected(#[from] anyhow::Error),
}

impl Error {
    pub const NAMES: [&str; 7] =
        ["NotReady", "Blocked", "Refused", "Conflict", "OperationFailed", "DeadlineExceeded", "Unexpected"];

    /// The name by which the ASL knows it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::NotReady(_) => "NotReady",
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
        "{} thing{} must be mended first; nothing was changed.",
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
///
/// Error codes that may pass: the "throttling" and "transient" classes of the SDK retry behaviour
/// page, https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html
pub fn aws<E: ProvideErrorMetadata + std::fmt::Debug, R: std::fmt::Debug>(
    action: &str,
) -> impl FnOnce(SdkError<E, R>) -> Error + '_ {
    move |error| match &error {
        SdkError::TimeoutError(_) | SdkError::DispatchFailure(_) | SdkError::ResponseError(_) => {
            Error::NotReady(format!("AWS to answer {action} (the call was lost on its way)"))
        }
        SdkError::ServiceError(context) => {
            let (code, message) =
                (context.err().code().unwrap_or("no code"), context.err().message().unwrap_or("no message"));
            match code {
                "Throttling"
                | "ThrottlingException"
                | "ThrottledException"
                | "RequestLimitExceeded"
                | "TooManyRequestsException"
                | "SlowDown"
                | "RequestThrottled"
                | "InternalFailure"
                | "InternalError"
                | "InternalServerError"
                | "ServiceUnavailable"
                | "RequestTimeout" => Error::NotReady(format!("AWS to answer {action} ({code}: {message})")),
                // Busy with something, most often with what an earlier call of ours began: the next
                // look tells.
                "InvalidDBClusterStateFault" | "InvalidDBInstanceState" => {
                    Error::NotReady(format!("RDS to take {action} ({message})"))
                }
                "AccessDenied" | "AccessDeniedException" | "AccessDeniedFault" => Error::Refused(format!(
                    "{action} is not allowed: {message}. The role of this state lacks the permission; \
                    nothing was changed by this call. Grant it, then redrive the execution."
                )),
                _ => Error::Unexpected(anyhow::anyhow!("{action}: {code}: {message}")),
            }
        }
        _ => Error::Unexpected(anyhow::anyhow!("{action}: {error:?}")),
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
    fn a_cause_fits_into_step_functions() {
        let error = Error::OperationFailed("ü".repeat(40_000));
        assert!(error.cause().chars().count() < 32_768);
    }
}
