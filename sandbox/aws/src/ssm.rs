//! Change Calendars of AWS Systems Manager: when something may be changed. JSON 1.1, 2014-11-06,
//! shapes from botocore ssm 1.43.11; what a state is, from
//! https://docs.aws.amazon.com/systems-manager/latest/userguide/systems-manager-change-calendar.html

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use clock::Clock;
use jiff::Timestamp;
use parking_lot::Mutex;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::http::{Endpoint, Request, Response};
use crate::json::{self, Answer, Error};

/// Open at some times alone (`DEFAULT_CLOSED`): each with its end.
type Opens = Vec<(Timestamp, Timestamp)>;

pub struct Ssm {
    clock: Clock,
    calendars: Mutex<BTreeMap<String, Opens>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct GetCalendarState {
    calendar_names: Vec<String>,
}

impl Ssm {
    pub fn new(clock: Clock) -> Arc<Self> {
        Arc::new(Self { clock, calendars: Mutex::default() })
    }

    /// A calendar that is open between these times.
    pub fn plant_calendar(&self, name: &str, opens: Opens) {
        self.calendars.lock().insert(name.to_owned(), opens);
    }

    /// "The command returns OPEN only if all calendars in the request are open"; the next
    /// transition is the nearest of any of them (API_GetCalendarState).
    fn state(&self, names: &[String]) -> Answer {
        let (now, calendars) = (self.clock.now(), self.calendars.lock());
        let (mut open, mut next) = (true, None::<Timestamp>);
        for name in names {
            // A shared one is named by its ARN.
            let known = name.rsplit('/').next().unwrap_or(name);
            let opens = calendars.get(known).ok_or_else(|| {
                Error::new("InvalidDocument", format!("Document with name {name} does not exist."))
            })?;
            open &= opens.iter().any(|(from, until)| (*from..*until).contains(&now));
            let times = opens.iter().flat_map(|(from, until)| [*from, *until]);
            next = times.filter(|time| *time > now).chain(next).min();
        }
        let state = if open { "OPEN" } else { "CLOSED" };
        let mut answer = json!({"State": state, "AtTime": now.to_string()});
        if let Some(next) = next {
            answer["NextTransitionTime"] = next.to_string().into();
        }
        Ok(answer)
    }
}

#[async_trait]
impl Endpoint for Ssm {
    async fn call(&self, request: Request) -> Response {
        let answer: Result<Value, Error> = match json::operation(&request) {
            "GetCalendarState" => {
                json::input::<GetCalendarState>(&request).and_then(|asked| self.state(&asked.calendar_names))
            }
            _ => Err(json::unknown_operation(&request)),
        };
        json::reply(answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn several_calendars_are_open_when_all_are_and_the_next_change_of_any_is_named() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let ssm = Ssm::new(Clock::virtual_time(at("2026-11-25T02:00:00Z")));
        ssm.plant_calendar("night", vec![(at("2026-11-25T01:00:00Z"), at("2026-11-25T05:00:00Z"))]);
        ssm.plant_calendar("late", vec![(at("2026-11-25T04:00:00Z"), at("2026-11-25T06:00:00Z"))]);
        let ask = async |names: &[&str]| {
            json::call(&*ssm, "AmazonSSM.GetCalendarState", json!({"CalendarNames": names})).await
        };
        let (_, night) = ask(&["night"]).await;
        assert_eq!(
            (&night["State"], &night["NextTransitionTime"]),
            (&json!("OPEN"), &json!("2026-11-25T05:00:00Z"))
        );
        let shared = "arn:aws:ssm:eu-west-1:444455556666:document/late";
        let (_, both) = ask(&["night", shared]).await;
        assert_eq!(
            (&both["State"], &both["NextTransitionTime"]),
            (&json!("CLOSED"), &json!("2026-11-25T04:00:00Z"))
        );
        let (status, refused) = ask(&["none"]).await;
        assert_eq!((status, &refused["__type"]), (400, &json!("InvalidDocument")));
    }
}
