//! The contract of a state, and the one way every state is called.

use std::{future::Future, panic::AssertUnwindSafe, time::Duration};

use futures::FutureExt;
use heck::ToKebabCase;
use jiff::{Span, SpanRelativeTo, Timestamp};
use serde::{Deserialize, Deserializer, Serialize, de::DeserializeOwned};
use serde_json::Value;
use sha2::{Digest, Sha256};
use tracing::{Instrument, error, info, info_span};

use crate::{Arn, Context, Error, Result};

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
    pub execution: Arn,
    /// When Step Functions entered the state. Retries do not move it.
    pub entered: Timestamp,
    /// When the execution was last redriven.
    #[serde(default)]
    pub redriven: Option<Timestamp>,
    /// How long the state may wait, from [`Run::since`].
    #[serde(default = "default_deadline", with = "friendly_duration")]
    pub deadline: Duration,
}

/// A duration as people write it: `8h`, `90m`, `PT8H`.
pub use jiff::fmt::serde::unsigned_duration::friendly::compact::{
    optional as friendly_duration_or_none, required as friendly_duration,
};

/// How old something may be: as people write it, with days of 24 hours (`7d`).
pub fn age<'de, D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Option<Duration>, D::Error> {
    let Some(text) = Option::<String>::deserialize(deserializer)? else { return Ok(None) };
    let span = text.parse::<Span>().map_err(serde::de::Error::custom)?;
    let age = span.to_duration(SpanRelativeTo::days_are_24_hours()).map_err(serde::de::Error::custom)?;
    Duration::try_from(age).map(Some).map_err(serde::de::Error::custom)
}

/// RDS has been seen to take 5 hours for the snapshot of an upgrade (status.preset.io, 2026).
pub fn default_deadline() -> Duration {
    Duration::from_hours(8)
}

/// What somebody has written as JSON; or which field of it is wrong, and what is wrong with it.
pub fn read<T: DeserializeOwned>(json: Value) -> std::result::Result<T, String> {
    // serde would also take a list of the fields' values, without their names.
    if !json.is_object() {
        return Err("it is no JSON object".to_owned());
    }
    serde_path_to_error::deserialize(json).map_err(|error| error.to_string())
}

/// How long a state may wait, as an input gives it. A function is asked again 10,000 times at most,
/// every 20 s at last (the `Retry` of the ASL): what is longer than 55 h would never be reached.
pub fn deadline<'de, D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Duration, D::Error> {
    let deadline = friendly_duration::deserialize(deserializer)?;
    if (Duration::from_mins(1)..=Duration::from_hours(48)).contains(&deadline) {
        return Ok(deadline);
    }
    Err(serde::de::Error::custom("a deadline is between 1m and 48h"))
}

/// `arn:…:execution:<prefix>-<to>`, for a run of `<prefix>-<from>`.
pub(crate) fn beside(run: &Run, from: &str, to: &str) -> Option<String> {
    let (machine, _) = run.execution.as_str().rsplit_once(':')?;
    Some(format!("{}{to}", machine.strip_suffix(from)?))
}

/// Whether a run of this runbook that has failed begins again instead of being redriven: a sync has
/// cleaned up behind itself, and so has a rehearsal; a fleet looks at every cluster.
pub fn begins_again(machine: &str) -> bool {
    ["daily-sync", "rehearse-upgrade", "upgrade-fleet"].iter().any(|runbook| machine.ends_with(runbook))
}

impl Run {
    /// The execution's name: the last part of its ARN
    /// (https://docs.aws.amazon.com/step-functions/latest/dg/concepts-state-machine-executions.html).
    pub fn name(&self) -> &str {
        self.execution.resource().rsplit(':').next().unwrap_or_else(|| self.execution.resource())
    }

    /// The name of the state machine: the runbook's, after the deployment's prefix.
    pub fn machine(&self) -> &str {
        self.execution.name().split(':').next().unwrap_or_default()
    }

    /// The account of the execution, in which everything but production lies.
    pub fn account(&self) -> &str {
        self.execution.account()
    }

    /// Eight hexadecimal digits that make names of this execution: its own name may be too long for
    /// them, or an earlier one's.
    pub fn short_id(&self) -> String {
        hex::encode(&Sha256::digest(self.execution.as_str())[..4])
    }

    /// The run of an execution, entered at the beginning of time: for tests and for looking at
    /// another execution's things.
    #[track_caller]
    pub fn of(execution: &str) -> Self {
        Self {
            execution: execution.to_owned().try_into().expect("an execution has an ARN"),
            entered: Timestamp::UNIX_EPOCH,
            redriven: None,
            deadline: default_deadline(),
        }
    }

    /// How long the state has been at it.
    pub fn waited(&self, now: Timestamp) -> Duration {
        // A clock that is behind the one of Step Functions has not waited at all.
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

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Call {
    run: Run,
    input: Value,
}

/// Parses the payload, runs the state, and turns a wait past the deadline into `DeadlineExceeded`
/// and a panic into `Unexpected`.
pub async fn call<S: State>(cx: &Context, payload: Value) -> Result<Value> {
    let call: Call = read(payload)
        .map_err(|error| Error::refused(format!("the payload of {} is malformed: {error}", S::NAME)))?;
    let text = |name: &str| call.input.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (cluster, sync) = (text("cluster"), text("sync"));
    let span = info_span!(
        "state",
        runbook = call.run.machine(),
        state = S::NAME,
        execution = call.run.name(),
        cluster,
        sync
    );
    async move {
        let result = attempt::<S>(cx, &call.run, call.input).await;
        match &result {
            Ok(_) => info!("done"),
            Err(error) => match error.waiting_for() {
                Some(what) => info!(what, "not ready"),
                None => error!(error = error.name(), "{error}"),
            },
        }
        result
    }
    .instrument(span)
    .await
}

async fn attempt<S: State>(cx: &Context, run: &Run, input: Value) -> Result<Value> {
    let input: S = read(input).map_err(|error| {
        Error::refused(format!("the input does not fit {}: {error}", S::NAME))
            .fix("see the runbook's input.schema.json")
    })?;
    // On the heap: whoever can call every state would hold the futures of all of them on its stack.
    let outcome = AssertUnwindSafe(Box::pin(input.reconcile(cx, run))).catch_unwind().await;
    let result = outcome.unwrap_or_else(|panic| {
        let place = crate::panics::place().map(|place| format!(" at {place}")).unwrap_or_default();
        Err(Error::unexpected(format!("{} panicked{place}: {}", S::NAME, panic_text(&panic))))
    });
    let (now, whose) = (cx.clock.now(), format!("{} {}", run.execution, S::NAME));
    let error = match result {
        Ok(output) => {
            cx.patience.forget(&whose);
            return serde_json::to_value(output).map_err(|error| Error::Unexpected(error.into()));
        }
        // A redrive is patient again.
        Err(Error::Busy(what)) if cx.patience.is_refusal(&whose, &what, now) => {
            cx.patience.forget(&whose);
            Error::given_up(&what)
        }
        Err(Error::Unreachable(what)) if cx.patience.is_unreachable(&whose, now) => {
            cx.patience.forget(&whose);
            Error::cut_off(&what)
        }
        Err(error @ (Error::Busy(_) | Error::Unreachable(_))) => error,
        Err(error) => {
            cx.patience.forget(&whose);
            error
        }
    };
    match error.waiting_for() {
        Some(what) if run.is_over(now) => Err(Error::overdue(S::NAME, what, run)),
        _ => Err(error.of_run(run)),
    }
}

fn panic_text(panic: &Box<dyn std::any::Any + Send>) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "without a word".into())
}

/// `ModifyClusterVersion` → `modify-cluster-version`.
pub fn kebab(name: &str) -> String {
    name.to_kebab_case()
}

/// THE TABLE of a package: which states it has, by runbook, and how one is called by its kebab-case
/// name.
#[macro_export]
macro_rules! table {
    ($($runbook:ident :: { $($file:ident :: $state:ident),+ $(,)? }),+ $(,)?) => {
        /// Every state of this package, in PascalCase.
        pub const STATES: &[&str] = &[$($(<$runbook::$file::$state as $crate::State>::NAME),+),+];

        /// Calls the state of that kebab-case name; `None` when there is none.
        pub async fn call(
            name: &str,
            cx: &$crate::Context,
            payload: serde_json::Value,
        ) -> Option<$crate::Result<serde_json::Value>> {
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

    #[derive(Debug, Deserialize)]
    struct Panics {}

    impl State for Panics {
        const NAME: &'static str = "Panics";
        type Output = ();

        async fn reconcile(self, _: &Context, _: &Run) -> Result<()> {
            panic!("the cluster has no writer")
        }
    }

    #[tokio::test]
    async fn a_panic_is_unexpected_and_says_where_it_was() {
        let config = aws_config::SdkConfig::builder()
            .behavior_version(aws_config::BehaviorVersion::v2026_01_12())
            .build();
        let cx = Context::new(&config, crate::clock::Clock::System, "runs".to_owned(), None);
        let run = Run::of("arn:aws:states:eu-central-1:444455556666:execution:daily-sync:orders");
        let before = std::panic::take_hook();
        crate::panics::remember();
        let error = attempt::<Panics>(&cx, &run, serde_json::json!({})).await.unwrap_err();
        std::panic::set_hook(before);
        let said = error.to_string();
        assert!(said.contains("Panics panicked at runbook/src/state.rs:"), "{said}");
        assert!(said.contains("the cluster has no writer"), "{said}");
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
    fn what_is_wrong_is_said_of_its_field() {
        #[derive(Debug, Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Input {
            #[serde(deserialize_with = "deadline")]
            deadline: Duration,
            skip: Vec<crate::SkippedFinding>,
        }
        let said = |json| read::<Input>(json).unwrap_err();
        let skip = serde_json::json!({"deadline": "8h", "skip": [{"finding": "a", "reason": 1}]});
        assert!(said(skip).starts_with("skip[0].reason: invalid type"));
        assert_eq!(said(serde_json::json!(["8h", []])), "it is no JSON object");
        for (deadline, fits) in [("1m", true), ("48h", true), ("59s", false), ("49h", false), ("-8h", false)]
        {
            let input = read::<Input>(serde_json::json!({"deadline": deadline, "skip": []}));
            let taken = input.as_ref().is_ok_and(|input| input.skip.is_empty() && !input.deadline.is_zero());
            assert_eq!(taken, fits, "{deadline}");
            let error = input.err().unwrap_or_default();
            assert!(fits || error.starts_with("deadline: "), "{deadline}: {error}");
        }
    }

    #[test]
    fn deadlines_are_written_as_people_write_them() {
        let run = |deadline: &str| {
            serde_json::from_value::<Run>(serde_json::json!({
                "execution": "arn:aws:states:eu-west-1:444455556666:execution:daily-sync:orders",
                "entered": "2026-01-02T03:30:00Z",
                "deadline": deadline,
            }))
        };
        assert_eq!(run("8h").unwrap().deadline, default_deadline());
        assert_eq!(run("PT90M").unwrap().deadline, Duration::from_mins(90));
        assert_eq!(serde_json::to_value(run("480m").unwrap()).unwrap()["deadline"], "8h");
        assert!(run("soon").is_err());
        assert!(run("-8h").is_err());
    }
}
