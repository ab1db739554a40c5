//! `Retry`: whether a failed attempt is made again, and after how long.

use std::time::Duration;

use rand::Rng;
use rand::rngs::StdRng;
use serde::Deserialize;

use super::failure::Failure;

/// https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html, "Retry field
/// examples"; the defaults are there.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Retrier {
    #[serde(default, rename = "Comment")]
    _comment: String,
    pub error_equals: Vec<String>,
    #[serde(default = "one")]
    pub interval_seconds: u64,
    #[serde(default = "three")]
    pub max_attempts: u32,
    #[serde(default = "two")]
    pub backoff_rate: f64,
    pub max_delay_seconds: Option<u64>,
    #[serde(default)]
    pub jitter_strategy: Jitter,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Jitter {
    #[default]
    None,
    Full,
}

fn one() -> u64 {
    1
}

fn three() -> u32 {
    3
}

fn two() -> f64 {
    2.0
}

/// How often each retrier of one visit has been used: every retrier has a count of its own.
pub struct Attempts(Vec<u32>);

impl Attempts {
    pub fn new(retriers: &[Retrier]) -> Self {
        Self(vec![0; retriers.len()])
    }

    /// The wait before the next attempt, by the first retrier that names the error; none when that
    /// one is exhausted.
    pub fn next(&mut self, retriers: &[Retrier], failure: &Failure, rng: &mut StdRng) -> Option<Duration> {
        let index = retriers
            .iter()
            .position(|retrier| retrier.error_equals.iter().any(|pattern| failure.matches(pattern)))?;
        let (retrier, used) = (&retriers[index], &mut self.0[index]);
        if *used >= retrier.max_attempts {
            return None;
        }
        let delay = retrier.interval_seconds as f64 * retrier.backoff_rate.powf(f64::from(*used));
        *used += 1;
        // The longest value that the service accepts for MaxDelaySeconds is 31622400, a year.
        let delay = delay.min(retrier.max_delay_seconds.unwrap_or(31_622_400) as f64);
        Some(Duration::from_secs_f64(match retrier.jitter_strategy {
            Jitter::Full => rng.random_range(0.0..=delay),
            Jitter::None => delay,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use serde_json::json;

    fn delays(retriers: serde_json::Value, errors: &[&str]) -> Vec<Option<f64>> {
        let retriers: Vec<Retrier> = serde_json::from_value(retriers).unwrap();
        let (mut attempts, mut rng) = (Attempts::new(&retriers), StdRng::seed_from_u64(1));
        errors
            .iter()
            .map(|e| attempts.next(&retriers, &Failure::new(*e, ""), &mut rng).map(|d| d.as_secs_f64()))
            .collect()
    }

    #[test]
    fn the_wait_grows_to_its_limit_and_ends() {
        let retry = json!([{"ErrorEquals": ["NotReady"], "IntervalSeconds": 5, "BackoffRate": 2, "MaxDelaySeconds": 15, "MaxAttempts": 4}]);
        assert_eq!(delays(retry, &["NotReady"; 5]), [Some(5.0), Some(10.0), Some(15.0), Some(15.0), None]);
    }

    #[test]
    fn every_retrier_counts_for_itself() {
        let retry = json!([{"ErrorEquals": ["A"], "MaxAttempts": 1}, {"ErrorEquals": ["States.ALL"], "IntervalSeconds": 7, "MaxAttempts": 1}]);
        assert_eq!(delays(retry, &["A", "B", "A", "B"]), [Some(1.0), Some(7.0), None, None]);
    }

    #[test]
    fn no_attempts_means_never() {
        assert_eq!(
            delays(
                json!([{"ErrorEquals": ["A"], "MaxAttempts": 0}, {"ErrorEquals": ["States.ALL"]}]),
                &["A"]
            ),
            [None]
        );
    }

    #[test]
    fn full_jitter_stays_below_the_wait() {
        let retry = json!([{"ErrorEquals": ["A"], "IntervalSeconds": 60, "BackoffRate": 1, "MaxAttempts": 50, "JitterStrategy": "FULL"}]);
        let delays = delays(retry, &["A"; 50]);
        assert!(delays.iter().all(|d| d.unwrap() <= 60.0));
        assert!(delays.iter().any(|d| d.unwrap() < 20.0) && delays.iter().any(|d| d.unwrap() > 40.0));
    }
}
