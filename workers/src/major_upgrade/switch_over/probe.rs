//! How long nobody could write, by asking every 100 ms.
//!
//! Each ask is a new connection through the cluster's endpoint, so that it goes where the name
//! leads at that moment. It asks whether the server would take a write and writes nothing: a table
//! of ours would be a change of the owner's schema, which green does not follow, and a row a change
//! of what is compared. So a server that refuses writes in another way than by read-only
//! transactions or recovery counts as one that takes them.

use std::{future::Future, pin::pin, time::Duration};

use jiff::Timestamp;
use runbook::{
    Context,
    postgres::{self, Login},
};
use serde::Serialize;
use tokio::{task::JoinSet, time::Instant};

const INTERVAL: Duration = Duration::from_millis(100);
/// One that is not answered by then counts as unreachable.
const PATIENCE: Duration = Duration::from_secs(1);

/// After the switchover a name may still lead to the old server for a while: it is probed on until
/// nothing has failed for so long, and no longer than that.
const QUIET: Duration = Duration::from_secs(5);
const LONGEST: Duration = Duration::from_secs(120);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    Writable,
    ReadOnly,
    Unreachable,
}

/// One probe. How long is a matter of the connections' own time, which the sandbox's clock is not.
#[derive(Debug, Clone, Copy)]
pub struct Sample {
    pub at: Timestamp,
    /// Since the first.
    pub since: Duration,
    pub answer: Answer,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Downtime {
    /// The database answered, and would have refused a write.
    pub writes_refused_seconds: f64,
    /// Nobody answered: the server, or what the name led to.
    pub unreachable_seconds: f64,
    pub first_failure: Option<Timestamp>,
    pub last_failure: Option<Timestamp>,
    pub probes: usize,
}

impl Downtime {
    /// A sample stands for the time until the next one.
    pub fn of(mut samples: Vec<Sample>) -> Self {
        samples.sort_by_key(|sample| sample.since);
        let mut downtime = Self { probes: samples.len(), ..Self::default() };
        for (index, Sample { at, since, answer }) in samples.iter().enumerate() {
            let until = samples.get(index + 1).map_or(*since + INTERVAL, |next| next.since);
            let seconds = until.saturating_sub(*since).as_secs_f64();
            match answer {
                Answer::Writable => continue,
                Answer::ReadOnly => downtime.writes_refused_seconds += seconds,
                Answer::Unreachable => downtime.unreachable_seconds += seconds,
            }
            downtime.first_failure.get_or_insert(*at);
            downtime.last_failure = Some(*at);
        }
        let rounded = |seconds: f64| (seconds * 10.0).round() / 10.0;
        downtime.writes_refused_seconds = rounded(downtime.writes_refused_seconds);
        downtime.unreachable_seconds = rounded(downtime.unreachable_seconds);
        downtime
    }

    pub fn words(&self) -> String {
        let Self { writes_refused_seconds: refused, unreachable_seconds: unreachable, probes, .. } = self;
        format!(
            "writes were refused for {refused} s and nobody was reached for {unreachable} s, by {probes} \
             probes"
        )
    }
}

/// Asks until the other is done and all is quiet.
pub async fn watch<T>(cx: &Context, login: &Login, done: impl Future<Output = T>) -> (T, Downtime) {
    let (mut asked, mut samples) = (JoinSet::new(), Vec::<Sample>::new());
    let (mut done, begun) = (pin!(done), Instant::now());
    let mut ticks = tokio::time::interval(INTERVAL);
    let mut over: Option<(T, Duration)> = None;
    let ended = loop {
        tokio::select! {
            ended = &mut done, if over.is_none() => over = Some((ended, begun.elapsed())),
            _ = ticks.tick() => {
                let (cx, login, since) = (cx.clone(), login.clone(), begun.elapsed());
                asked.spawn(async move {
                    let at = cx.clock.now();
                    Sample { at, since, answer: ask(&cx, &login).await }
                });
            }
            Some(sample) = asked.join_next() => samples.extend(sample.ok()),
        }
        let failed = samples.iter().filter(|sample| sample.answer != Answer::Writable);
        let last = failed.map(|sample| sample.since).max().unwrap_or_default();
        over = match over {
            Some((ended, at)) if is_quiet(begun.elapsed(), at, last) => break ended,
            over => over,
        };
    };
    while let Some(sample) = asked.join_next().await {
        samples.extend(sample.ok());
    }
    (ended, Downtime::of(samples))
}

fn is_quiet(now: Duration, over: Duration, last_failure: Duration) -> bool {
    now >= over.max(last_failure) + QUIET || now >= over + LONGEST
}

async fn ask(cx: &Context, login: &Login) -> Answer {
    let asked = async {
        let client = postgres::connect_once(cx, login, "postgres", PATIENCE).await?;
        let sql = "SELECT pg_catalog.pg_is_in_recovery() OR \
                   pg_catalog.current_setting('transaction_read_only')::pg_catalog.bool";
        anyhow::Ok(client.query_one(sql, &[]).await?.get::<_, bool>(0))
    };
    match tokio::time::timeout(PATIENCE, asked).await {
        Ok(Ok(false)) => Answer::Writable,
        Ok(Ok(true)) => Answer::ReadOnly,
        Ok(Err(_)) | Err(_) => Answer::Unreachable,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refused_writes_and_silence_are_told_apart_and_each_stands_until_the_next_probe() {
        let sample = |(tenths, answer): (u32, Answer)| Sample {
            at: at(tenths),
            since: Duration::from_millis(100) * tenths,
            answer,
        };
        let samples = [
            (3, Answer::Unreachable),
            (0, Answer::Writable),
            (1, Answer::ReadOnly),
            (2, Answer::ReadOnly),
            // The probes themselves were held up for half a second.
            (8, Answer::ReadOnly),
            (9, Answer::Writable),
        ];
        let downtime = Downtime::of(samples.map(sample).to_vec());
        assert_eq!((downtime.writes_refused_seconds, downtime.unreachable_seconds), (0.3, 0.5));
        assert_eq!((downtime.first_failure, downtime.last_failure), (Some(at(1)), Some(at(8))));
        assert_eq!(downtime.probes, 6);
        let none = Downtime::of(vec![sample((0, Answer::Writable))]);
        assert_eq!((none.first_failure, none.unreachable_seconds), (None, 0.0));
    }

    fn at(tenths: u32) -> Timestamp {
        Timestamp::from_millisecond(i64::from(tenths) * 100).unwrap()
    }

    #[test]
    fn a_name_that_leads_nowhere_after_the_switchover_is_probed_on_for_a_while() {
        let seconds = Duration::from_secs;
        assert!(!is_quiet(seconds(61), seconds(60), seconds(40)));
        assert!(is_quiet(seconds(65), seconds(60), seconds(40)));
        assert!(!is_quiet(seconds(70), seconds(60), seconds(69)));
        assert!(is_quiet(seconds(180), seconds(60), seconds(179)));
    }
}
