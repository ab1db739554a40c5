//! A check: what the local AWS says, asked of AWS.

use anyhow::Result;
use aws_sdk_rds::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use futures::future::LocalBoxFuture;

use crate::subject::Subject;

/// One line of a table. To add one is to add a line.
pub struct Check {
    pub name: &'static str,
    pub expected: Expected,
    /// The page, model or report that the expectation comes from.
    pub source: &'static str,
    /// Where the local AWS says so; `None` where it says nothing yet.
    pub local: Option<Local>,
    pub ask: for<'a> fn(&'a Subject) -> LocalBoxFuture<'a, Result<Answer>>,
}

#[derive(Clone, Copy)]
pub enum Expected {
    /// The call is refused with this code and with these words in the message.
    Refused { code: &'static str, words: &'static str },
    /// This is so.
    Holds(&'static str),
}

impl Expected {
    pub fn text(self) -> String {
        match self {
            Self::Refused { code, words: "" } => format!("refused with {code}"),
            Self::Refused { code, words } => format!("refused with {code}: … {words} …"),
            Self::Holds(what) => what.to_owned(),
        }
    }
}

/// A line of the local AWS.
#[derive(Clone, Copy)]
pub struct Local {
    pub file: &'static str,
    pub source: &'static str,
    /// Stands in exactly one line of it, so that a moved line is found and a changed one is
    /// noticed.
    pub phrase: &'static str,
}

/// `local!("rds/names.rs", "a phrase")`, below `sandbox/aws`.
#[macro_export]
macro_rules! local {
    ($file:literal, $phrase:literal) => {
        Some($crate::check::Local {
            file: concat!("sandbox/aws/", $file),
            source: include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../sandbox/aws/", $file)),
            phrase: $phrase,
        })
    };
}

impl Local {
    /// The number of the line; `None` unless it is exactly one.
    pub fn line(self) -> Option<usize> {
        let mut found = self.source.lines().zip(1..).filter(|(line, _)| line.contains(self.phrase));
        let (_, number) = found.next()?;
        found.next().is_none().then_some(number)
    }
}

/// What AWS answered.
#[derive(Debug)]
pub enum Answer {
    Refused {
        code: String,
        message: String,
    },
    Accepted(String),
    /// The sentence that was expected is so, or is not; and what was seen.
    So(String),
    NotSo(String),
    /// It cannot be asked here, and why.
    Unknown(String),
}

impl Answer {
    pub fn of(so: bool, seen: impl Into<String>) -> Self {
        if so { Self::So(seen.into()) } else { Self::NotSo(seen.into()) }
    }

    /// Of a call. Only what the service says is an answer of it: a call that was lost, throttled or
    /// denied to the person who runs this says nothing.
    pub fn to<T, E>(sent: std::result::Result<T, SdkError<E>>) -> Self
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let error = match sent {
            Ok(_) => return Self::Accepted("the call was accepted".to_owned()),
            Err(error) => error,
        };
        match error.code() {
            Some(code) if !says_nothing(code) => {
                let message = error.message().unwrap_or_default().to_owned();
                Self::Refused { code: code.to_owned(), message }
            }
            _ => Self::Unknown(format!("{}", DisplayErrorContext(&error))),
        }
    }
}

fn says_nothing(code: &str) -> bool {
    ["AccessDenied", "Throttl", "RequestLimit", "Internal", "ServiceUnavailable", "ExpiredToken"]
        .iter()
        .any(|part| code.contains(part))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    Agreed,
    Disagreed,
    NotSettled,
}

impl Verdict {
    pub fn text(self) -> &'static str {
        match self {
            Self::Agreed => "agreed",
            Self::Disagreed => "disagreed",
            Self::NotSettled => "not settled",
        }
    }
}

/// The verdict, and in words what was seen.
pub fn judge(expected: Expected, answer: Answer) -> (Verdict, String) {
    match (expected, answer) {
        (Expected::Refused { code, words }, Answer::Refused { code: found, message }) => {
            let same = found == code && message.contains(words);
            (if same { Verdict::Agreed } else { Verdict::Disagreed }, format!("{found}: {message}"))
        }
        (Expected::Holds(_), Answer::So(seen)) => (Verdict::Agreed, seen),
        (_, Answer::Unknown(why)) => (Verdict::NotSettled, why),
        (_, Answer::Refused { code, message }) => (Verdict::Disagreed, format!("{code}: {message}")),
        (_, Answer::Accepted(seen) | Answer::So(seen) | Answer::NotSo(seen)) => (Verdict::Disagreed, seen),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_code_other_words_and_an_acceptance_disagree_and_silence_settles_nothing() {
        let refused = Expected::Refused { code: "InvalidParameterValue", words: "too long" };
        let said = |code: &str, message: &str| Answer::Refused { code: code.into(), message: message.into() };
        assert_eq!(judge(refused, said("InvalidParameterValue", "It is too long.")).0, Verdict::Agreed);
        assert_eq!(judge(refused, said("InvalidParameterValue", "It is short.")).0, Verdict::Disagreed);
        assert_eq!(judge(refused, said("ValidationError", "It is too long.")).0, Verdict::Disagreed);
        assert_eq!(judge(refused, Answer::Accepted(String::new())).0, Verdict::Disagreed);
        assert_eq!(judge(refused, Answer::Unknown(String::new())).0, Verdict::NotSettled);
        let holds = Expected::Holds("it is so");
        assert_eq!(judge(holds, Answer::of(true, "yes")).0, Verdict::Agreed);
        assert_eq!(judge(holds, Answer::of(false, "no")).0, Verdict::Disagreed);
        assert_eq!(judge(holds, said("InvalidParameterValue", "no")).0, Verdict::Disagreed);
        assert!(says_nothing("AccessDenied") && says_nothing("ThrottlingException"));
        assert!(!says_nothing("InvalidDBClusterStateFault"));
    }
}
