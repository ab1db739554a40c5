//! `Retry`: whether a failed attempt is made again, and after how long.

use std::time::Duration;

use rand::Rng;
use rand::rngs::StdRng;

use super::failure::Failure;
use crate::language::{Jitter, Retrier};

/// How often each retrier of one visit has been used: every retrier has a count of its own.
pub struct Attempts(Vec<u64>);

/// The wait before the next attempt, and which retrier asks for it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Again {
    pub retrier: usize,
    pub delay: Duration,
}

impl Attempts {
    pub fn new(retriers: &[Retrier]) -> Self {
        Self(vec![0; retriers.len()])
    }

    /// As if every retrier had been used so often.
    pub fn after(retriers: &[Retrier], used: u64) -> Self {
        Self(vec![used; retriers.len()])
    }

    /// Which retrier names the error first.
    pub fn retrier(retriers: &[Retrier], failure: &Failure) -> Option<usize> {
        retriers
            .iter()
            .position(|retrier| retrier.error_equals.iter().any(|pattern| failure.matches(pattern)))
    }

    /// By the first retrier that names the error; none when that one is exhausted.
    pub fn next(&mut self, retriers: &[Retrier], failure: &Failure, rng: &mut StdRng) -> Option<Again> {
        let index = Self::retrier(retriers, failure)?;
        let (retrier, used) = (&retriers[index], &mut self.0[index]);
        if *used >= retrier.max_attempts {
            return None;
        }
        let delay = retrier.interval_seconds as f64 * retrier.backoff_rate.powf(*used as f64);
        *used += 1;
        // The longest value that the service accepts for MaxDelaySeconds is 31622400, a year.
        let delay = delay.min(retrier.max_delay_seconds.unwrap_or(31_622_400) as f64);
        let delay = Duration::from_secs_f64(match retrier.jitter {
            Jitter::Full => rng.random_range(0.0..=delay),
            Jitter::None => delay,
        });
        Some(Again { retrier: index, delay })
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use serde_json::{Value, json};

    use super::*;
    use crate::fake::invoke;
    use crate::language::parse_state;

    fn delays(retriers: Value, errors: &[&str]) -> Vec<Option<f64>> {
        let state = parse_state("A", &invoke(json!({"End": true, "Retry": retriers})).to_string()).unwrap();
        let (mut attempts, mut rng) = (Attempts::new(&state.retry), StdRng::seed_from_u64(1));
        let mut next = |error: &&str| attempts.next(&state.retry, &Failure::new(*error, ""), &mut rng);
        errors.iter().map(|error| next(error).map(|again| again.delay.as_secs_f64())).collect()
    }

    #[test]
    fn the_wait_grows_to_its_limit_and_ends() {
        let retry = json!([{"ErrorEquals": ["NotReady"], "IntervalSeconds": 5, "BackoffRate": 2,
            "MaxDelaySeconds": 15, "MaxAttempts": 4}]);
        assert_eq!(delays(retry, &["NotReady"; 5]), [Some(5.0), Some(10.0), Some(15.0), Some(15.0), None]);
    }

    #[test]
    fn every_retrier_counts_for_itself() {
        let retry = json!([{"ErrorEquals": ["A"], "MaxAttempts": 1}, {"ErrorEquals": ["States.ALL"],
            "IntervalSeconds": 7, "MaxAttempts": 1}]);
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
        let retry = json!([{"ErrorEquals": ["A"], "IntervalSeconds": 60, "BackoffRate": 1,
            "MaxAttempts": 50, "JitterStrategy": "FULL"}]);
        let delays = delays(retry, &["A"; 50]);
        assert!(delays.iter().all(|d| d.unwrap() <= 60.0));
        assert!(delays.iter().any(|d| d.unwrap() < 20.0) && delays.iter().any(|d| d.unwrap() > 40.0));
    }
}
