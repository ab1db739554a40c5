//! The one clock that functions, workers and the sandbox ask.
//!
//! In production it is the system's. The sandbox runs time faster in front of real PostgreSQL
//! ([`Clock::scaled`], handed to our executables by the variable `RUNBOOK_CLOCK`), or lets it jump
//! from timer to timer ([`Clock::virtual_time`]).

#![allow(clippy::disallowed_methods, reason = "this is the one clock")]

use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use tokio::time::Instant;

pub const VARIABLE: &str = "RUNBOOK_CLOCK";

#[derive(Debug, Clone, Copy)]
pub enum Clock {
    System,
    /// Runs `speed` times as fast as the system's clock since `anchor`.
    Scaled {
        anchor: SystemTime,
        speed: f64,
    },
    /// Follows tokio's clock, which a paused runtime advances to the next timer.
    Virtual {
        anchor: Timestamp,
        since: Instant,
    },
}

impl Clock {
    pub fn scaled(speed: f64) -> Self {
        // Whole milliseconds, so that a clock handed to another process is the same clock.
        let millis = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_millis();
        Self::Scaled { anchor: SystemTime::UNIX_EPOCH + Duration::from_millis(millis as u64), speed }
    }

    pub fn virtual_time(anchor: Timestamp) -> Self {
        Self::Virtual { anchor, since: Instant::now() }
    }

    /// The system's clock, unless `RUNBOOK_CLOCK` says `<anchor in ms since 1970>@<speed>`.
    pub fn from_environment() -> anyhow::Result<Self> {
        let Ok(text) = std::env::var(VARIABLE) else { return Ok(Self::System) };
        let parsed = text
            .split_once('@')
            .and_then(|(anchor, speed)| Some((anchor.parse().ok()?, speed.parse().ok()?)));
        let (anchor, speed) = parsed
            .ok_or_else(|| anyhow::anyhow!("{VARIABLE} must be <milliseconds>@<speed>, found {text:?}"))?;
        Ok(Self::Scaled { anchor: SystemTime::UNIX_EPOCH + Duration::from_millis(anchor), speed })
    }

    /// The value of `RUNBOOK_CLOCK` that gives another process this clock.
    pub fn to_variable(self) -> Option<String> {
        let Self::Scaled { anchor, speed } = self else { return None };
        Some(format!("{}@{speed}", anchor.duration_since(SystemTime::UNIX_EPOCH).ok()?.as_millis()))
    }

    pub fn now(self) -> Timestamp {
        match self {
            Self::System => Timestamp::now(),
            Self::Scaled { anchor, speed } => {
                let elapsed = SystemTime::now().duration_since(anchor).unwrap_or_default().mul_f64(speed);
                Timestamp::try_from(anchor + elapsed).expect("the sandbox does not run for millennia")
            }
            Self::Virtual { anchor, since } => anchor + since.elapsed(),
        }
    }

    /// How long the machine waits while this clock advances by `duration`.
    pub fn real(self, duration: Duration) -> Duration {
        match self {
            Self::Scaled { speed, .. } => duration.div_f64(speed),
            Self::System | Self::Virtual { .. } => duration,
        }
    }

    pub async fn sleep(self, duration: Duration) {
        tokio::time::sleep(self.real(duration)).await;
    }

    pub async fn sleep_until(self, at: Timestamp) {
        self.sleep(Duration::try_from(at - self.now()).unwrap_or_default()).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scaled_clock_is_the_same_in_another_process() {
        let clock = Clock::scaled(60.0);
        let (anchor, speed) = clock
            .to_variable()
            .unwrap()
            .split_once('@')
            .map(|(a, s)| (a.parse().unwrap(), s.parse().unwrap()))
            .unwrap();
        let other = Clock::Scaled { anchor: SystemTime::UNIX_EPOCH + Duration::from_millis(anchor), speed };
        assert!((other.now() - clock.now()).get_seconds().abs() <= 1);
    }
}
