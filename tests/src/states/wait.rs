//! `Wait`: lets time pass.

use jiff::Timestamp;
use serde::Deserialize;

use super::failure::Failure;
use super::flow::{Step, Visit};
use super::jsonata::Template;

/// https://docs.aws.amazon.com/step-functions/latest/dg/state-wait.html
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Wait {
    pub seconds: Option<Template>,
    pub timestamp: Option<Template>,
}

impl Wait {
    pub async fn step(&self, visit: &mut Visit<'_>) -> Result<Step, Failure> {
        if let Some(seconds) = &self.seconds {
            visit.execution.world.clock.sleep(visit.seconds("Seconds", seconds, 0)?).await;
        }
        if let Some(timestamp) = &self.timestamp {
            let value = visit.evaluate("Timestamp", timestamp)?;
            let until: Option<Timestamp> = value.as_str().and_then(|text| text.parse().ok());
            let until = until.ok_or_else(|| visit.query_error("Timestamp", &format!("must return a timestamp and returned {value}")))?;
            visit.execution.world.clock.sleep_until(until).await;
        }
        let input = visit.input.clone();
        visit.leave_by_common_fields(input)
    }
}
