//! https://docs.aws.amazon.com/step-functions/latest/dg/state-wait.html

use jiff::Timestamp;

use super::reader::{Fields, Reader};
use super::setting::{Setting, timestamp};

#[derive(Debug)]
pub enum Wait {
    Seconds(Setting<u64>),
    Until(Setting<Timestamp>),
}

impl Wait {
    pub fn read(reader: &mut Reader, fields: &mut Fields) -> Option<Self> {
        let named = |name: &str| fields.names().any(|field| field == name);
        match (named("Seconds"), named("Timestamp")) {
            (true, false) => Setting::seconds(reader, fields, "Seconds", 0).map(Self::Seconds),
            (false, true) => {
                // The text: localstack/localstack, v2/scenarios/test_base_scenarios.snapshot.json,
                // test_wait_timestamp_invalid.
                let refusal = |_: &serde_json::Value| "String does not match RFC3339 timestamp".to_owned();
                Setting::read(reader, fields, "Timestamp", timestamp, refusal).map(Self::Until)
            }
            _ => {
                reader.refuse(&fields.place, "exactly one of Seconds and Timestamp must be there");
                fields.take("Seconds");
                fields.take("Timestamp");
                None
            }
        }
    }
}
