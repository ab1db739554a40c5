//! The contract of a state, and the one way every state is called.

use std::{future::Future, panic::AssertUnwindSafe, time::Duration};

use futures::FutureExt;
use jiff::Timestamp;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;
use sha2::{Digest, Sha256};
use tracing::{Instrument, error, info, info_span};

use crate::{Context, Error, Result};

/// A state of a runbook. The type is the state's input; unknown fields must be refused.
pub trait State: DeserializeOwned + Send {
    /// As in the ASL, in PascalCase.
    const NAME: &'static str;
    type Output: Serialize + Send;

    /// Looks, changes at most one thing, and answers done or [`Error::NotReady`].
    fn reconcile(self, cx: &Context, run: &Run) -> impl Future<Output = Result<Self::Output>> + Send;
}

/// The execution on whose behalf a state acts. The ASL fills it from the context object.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Run {
    /// The execution's ARN.
    pub execution: String,
    /// When Step Functions entered the state. Retries do not move it.
    pub entered: Timestamp,
    /// When the execution was last redriven.
    #[serde(default)]
    pub redriven: Option<Timestamp>,
    /// How long the state may wait, from [`Run::since`].
    #[serde(default = "default_deadline", with = "friendly_duration")]
    pub deadline: Duration,
}

/// RDS has been seen to take 5 hours for the snapshot of an upgrade (status.preset.io, 2026).
pub fn default_deadline() -> Duration {
    Duration::from_secs(8 * 3600)
}

impl Run {
    /// The execution's name: the last part of its ARN
    /// (https://docs.aws.amazon.com/step-functions/latest/dg/concepts-state-machine-executions.html).
    pub fn name(&self) -> &str {
        self.execution.rsplit(':').next().unwrap_or(&self.execution)
    }

    /// The account of the execution, in which everything but production lies.
    pub fn account(&self) -> &str {
        self.execution.split(':').nth(4).unwrap_or_default()
    }

    /// Eight hexadecimal digits that make names of this execution: its own name may be too long for
    /// them, or an earlier one's.
    pub fn short_id(&self) -> String {
        Sha256::digest(&self.execution).iter().take(4).map(|byte| format!("{byte:02x}")).collect()
    }

    /// The run of an execution, entered at the beginning of time: for tests and for looking at
    /// another execution's things.
    pub fn of(execution: &str) -> Self {
        Self {
            execution: execution.to_owned(),
            entered: Timestamp::UNIX_EPOCH,
            redriven: None,
            deadline: default_deadline(),
        }
    }

    /// How long the state has been at it.
    pub fn waited(&self, now: Timestamp) -> Duration {
        Duration::try_from(now - self.since()).unwrap_or_default()
    }

    /// Where the run's objects lie in the run bucket.
    pub fn prefix(&self) -> String {
        format!("runs/{}", self.name())
    }

    /// When this attempt at the state began: a redrive goes on in the state without entering it
    /// again.
    pub fn since(&self) -> Timestamp {
        self.redriven.map_or(self.entered, |redriven| redriven.max(self.entered))
    }

    fn is_over(&self, now: Timestamp) -> bool {
        self.waited(now) > self.deadline
    }
}

/// A duration as people write it: `8h`, `90m`, `PT8H`.
pub mod friendly_duration {
    use super::{Deserialize, Duration};

    pub fn parse(text: &str) -> std::result::Result<Duration, String> {
        let duration = text
            .parse::<jiff::SignedDuration>()
            .map_err(|error| format!("{text:?} is not a duration such as \"8h\" or \"90m\": {error}"))?;
        Duration::try_from(duration).map_err(|_| format!("{text:?} is negative"))
    }

    pub fn deserialize<'de, D: serde::Deserializer<'de>>(
        deserializer: D,
    ) -> std::result::Result<Duration, D::Error> {
        parse(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }

    pub fn serialize<S: serde::Serializer>(
        duration: &Duration,
        serializer: S,
    ) -> std::result::Result<S::Ok, S::Error> {
        serializer.serialize_str(&format!("{}s", duration.as_secs()))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Call {
    run: Run,
    input: Value,
}

/// Parses the payload, runs the state, and turns a wait past the deadline into `DeadlineExceeded`
/// and a panic into `Unexpected`.
pub async fn call<S: State>(cx: &Context, payload: Value) -> Result<Value> {
    let call: Call = serde_json::from_value(payload)
        .map_err(|error| Error::Refused(format!("the payload of {} is malformed: {error}", S::NAME)))?;
    let cluster = call.input.get("cluster").and_then(Value::as_str).unwrap_or_default().to_owned();
    let span = info_span!("state", state = S::NAME, execution = call.run.name(), cluster);
    async move {
        let input: S = serde_json::from_value(call.input)
            .map_err(|error| Error::Refused(format!("the input does not fit {}: {error}. Nothing was \
            touched. See input.schema.json.", S::NAME)))?;
        let outcome = AssertUnwindSafe(input.reconcile(cx, &call.run)).catch_unwind().await;
        let result = outcome.unwrap_or_else(|panic| Err(Error::Unexpected(anyhow::anyhow!("{} panicked: {}", S::NAME, panic_text(&panic)))));
        let result = result.and_then(|output| serde_json::to_value(output).map_err(|error| Error::Unexpected(error.into())));
        let result = match result {
            Err(Error::NotReady(what)) if call.run.is_over(cx.clock.now()) => Err(Error::DeadlineExceeded(format!(
                "{} has waited for {what} since {}, longer than the deadline of {} min. What AWS has begun \
                goes on there; redrive the execution to go on waiting.",
                S::NAME,
                call.run.since(),
                call.run.deadline.as_secs() / 60
            ))),
            other => other,
        };
        match &result {
            Ok(_) => info!("done"),
            Err(Error::NotReady(what)) => info!(what, "not ready"),
            Err(error) => error!(error = error.name(), "{error}"),
        }
        result
    }
    .instrument(span)
    .await
}

fn panic_text(panic: &Box<dyn std::any::Any + Send>) -> String {
    panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_default()
}

/// `ModifyClusterVersion` → `modify-cluster-version`.
pub fn kebab(name: &str) -> String {
    let mut kebab = String::new();
    for (index, letter) in name.char_indices() {
        if letter.is_ascii_uppercase() && index > 0 {
            kebab.push('-');
        }
        kebab.push(letter.to_ascii_lowercase());
    }
    kebab
}

/// THE TABLE of a package: which states it has, by runbook, and how one is called by its kebab-case
/// name.
#[macro_export]
macro_rules! table {
    ($($runbook:ident :: { $($file:ident :: $state:ident),+ $(,)? }),+ $(,)?) => {
        /// Every state of this package, in PascalCase.
        pub const STATES: &[&str] = &[$($(<$runbook::$file::$state as $crate::State>::NAME),+),+];

        /// Calls the state of that kebab-case name; `None` when there is none.
        pub async fn call(name: &str, cx: &$crate::Context, payload: serde_json::Value) -> Option<$crate::Result<serde_json::Value>> {
            $($(if name == $crate::state::kebab(<$runbook::$file::$state as $crate::State>::NAME) {
                // Boxed, so that the caller's future is not as large as the largest of all states.
                return Some(Box::pin($crate::state::call::<$runbook::$file::$state>(cx, payload)).await);
            })+)+
            None
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_spelled_in_kebab_case() {
        assert_eq!(kebab("ModifyClusterVersion"), "modify-cluster-version");
    }

    #[test]
    fn a_short_id_is_of_one_execution() {
        let run = Run::of("arn:aws:states:eu-west-1:444455556666:execution:daily-sync:orders");
        assert_eq!((run.short_id().len(), run.account(), run.name()), (8, "444455556666", "orders"));
        assert_ne!(
            run.short_id(),
            Run::of("arn:aws:states:eu-west-1:444455556666:execution:other-sync:orders").short_id()
        );
    }

    #[test]
    fn deadlines_are_written_as_people_write_them() {
        assert_eq!(friendly_duration::parse("8h").unwrap(), default_deadline());
        assert_eq!(friendly_duration::parse("PT90M").unwrap(), Duration::from_secs(5400));
        assert!(friendly_duration::parse("soon").is_err());
        assert!(friendly_duration::parse("-8h").is_err());
    }
}
