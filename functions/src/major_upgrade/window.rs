//! When an upgrade may begin: `Sun 02:00-04:00 Europe/Berlin`, `Mon-Thu,Sat 23:00-01:00 UTC`.

use std::{fmt, str::FromStr, time::Duration};

use jiff::{
    SignedDuration, Timestamp, Zoned,
    civil::{Time, Weekday},
    tz::TimeZone,
};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Window {
    text: String,
    days: Vec<Weekday>,
    from: Time,
    /// The next day, where it is not later than `from`.
    until: Time,
    zone: TimeZone,
}

const DAYS: [(&str, Weekday); 7] = [
    ("Mon", Weekday::Monday),
    ("Tue", Weekday::Tuesday),
    ("Wed", Weekday::Wednesday),
    ("Thu", Weekday::Thursday),
    ("Fri", Weekday::Friday),
    ("Sat", Weekday::Saturday),
    ("Sun", Weekday::Sunday),
];

const FORM: &str = "write it as \"Sun 02:00-04:00 Europe/Berlin\", \"Mon-Thu,Sat 23:00-01:00 UTC\" or, for \
                    every day, \"02:00-04:00 Europe/Berlin\"";

/// Where a moment stands to a window.
#[derive(Debug, Clone, PartialEq)]
pub enum Standing {
    /// It is open for that long enough, until then.
    Open(Zoned),
    /// It opens then, for long enough.
    Opens(Zoned),
    /// No day of it is that long.
    TooShort,
}

impl Window {
    /// For something that takes that long.
    pub fn standing(&self, now: Timestamp, takes: Duration) -> Standing {
        let takes = SignedDuration::try_from(takes).unwrap_or(SignedDuration::MAX);
        let today = now.to_zoned(self.zone.clone()).date();
        // One of yesterday may reach into today.
        for days in -1..=8 {
            let Ok(date) = today.checked_add(jiff::Span::new().days(days)) else { continue };
            if !self.days.contains(&date.weekday()) {
                continue;
            }
            let last = if self.until > self.from { Ok(date) } else { date.tomorrow() };
            let bounds = last.and_then(|last| {
                let begin = date.to_datetime(self.from).to_zoned(self.zone.clone())?;
                Ok((begin, last.to_datetime(self.until).to_zoned(self.zone.clone())?))
            });
            let Ok((begin, end)) = bounds else { continue };
            let first = begin.timestamp().max(now);
            if end.timestamp().duration_since(first) < takes {
                continue;
            }
            return if begin.timestamp() <= now { Standing::Open(end) } else { Standing::Opens(begin) };
        }
        Standing::TooShort
    }
}

impl FromStr for Window {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = |why: String| format!("window {text:?}: {why}; {FORM}");
        let words: Vec<&str> = text.split_whitespace().collect();
        let (days, times, zone) = match words[..] {
            [times, zone] => ("Mon-Sun", times, zone),
            [days, times, zone] => (days, times, zone),
            _ => return Err(wrong("it has days, times and a time zone".into())),
        };
        let time = |text: &str| {
            let parts = text.split_once(':').filter(|(hour, minute)| hour.len() == 2 && minute.len() == 2);
            let numbers = parts.and_then(|(hour, minute)| Some((hour.parse().ok()?, minute.parse().ok()?)));
            let time = numbers.and_then(|(hour, minute)| Time::new(hour, minute, 0, 0).ok());
            time.ok_or_else(|| wrong(format!("{text:?} is no time of day")))
        };
        let (from, until) =
            times.split_once('-').ok_or_else(|| wrong(format!("{times:?} has no beginning and end")))?;
        let (from, until) = (time(from)?, time(until)?);
        if from == until {
            return Err(wrong("it ends when it begins".into()));
        }
        let days = read_days(days).ok_or_else(|| wrong(format!("{days:?} are no days")))?;
        let zone = TimeZone::get(zone).map_err(|_| wrong(format!("{zone:?} is no time zone of IANA's")))?;
        Ok(Self { text: words.join(" "), days, from, until, zone })
    }
}

/// `Mon-Thu,Sat`; a span may go over Sunday.
fn read_days(text: &str) -> Option<Vec<Weekday>> {
    let day = |name: &str| Some(DAYS.iter().find(|(known, _)| *known == name)?.1);
    let mut days = Vec::new();
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (mut at, last) = (day(first)?, day(last)?);
        days.push(at);
        while at != last {
            at = at.next();
            days.push(at);
        }
    }
    Some(days)
}

impl TryFrom<String> for Window {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Window> for String {
    fn from(window: Window) -> Self {
        window.text
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing(window: &str, now: &str, minutes: u64) -> String {
        let window: Window = window.parse().unwrap();
        match window.standing(now.parse().unwrap(), Duration::from_secs(60 * minutes)) {
            Standing::Open(until) => format!("open until {}", until.timestamp()),
            Standing::Opens(at) => format!("opens {}", at.timestamp()),
            Standing::TooShort => "too short".into(),
        }
    }

    #[test]
    fn a_window_is_open_as_long_as_what_is_left_is_enough() {
        // 2026-11-29 is a Sunday; Berlin is an hour before UTC.
        let sunday = "Sun 02:00-04:00 Europe/Berlin";
        assert_eq!(standing(sunday, "2026-11-26T15:00:00Z", 30), "opens 2026-11-29T01:00:00Z");
        assert_eq!(standing(sunday, "2026-11-29T01:00:00Z", 120), "open until 2026-11-29T03:00:00Z");
        assert_eq!(standing(sunday, "2026-11-29T02:30:00Z", 30), "open until 2026-11-29T03:00:00Z");
        assert_eq!(standing(sunday, "2026-11-29T02:31:00Z", 30), "opens 2026-12-06T01:00:00Z");
        assert_eq!(standing(sunday, "2026-11-26T15:00:00Z", 121), "too short");
    }

    #[test]
    fn a_window_may_reach_over_midnight_and_over_the_week() {
        let night = "Fri-Mon 23:00-01:00 UTC";
        assert_eq!(standing(night, "2026-12-01T00:30:00Z", 30), "open until 2026-12-01T01:00:00Z");
        assert_eq!(standing(night, "2026-12-01T23:30:00Z", 30), "opens 2026-12-04T23:00:00Z");
        assert_eq!(
            standing("23:00-01:00 UTC", "2026-12-01T23:30:00Z", 30),
            "open until 2026-12-02T01:00:00Z"
        );
    }

    #[test]
    fn when_clocks_change_a_window_has_the_hours_that_there_are() {
        // On 2026-03-29 Berlin has no 02:00 to 03:00, on 2026-10-25 it has it twice.
        let window = "02:00-03:30 Europe/Berlin";
        assert_eq!(standing(window, "2026-03-28T12:00:00Z", 60), "opens 2026-03-30T00:00:00Z");
        assert_eq!(standing(window, "2026-03-29T00:30:00Z", 20), "opens 2026-03-29T01:00:00Z");
        assert_eq!(standing(window, "2026-10-24T12:00:00Z", 150), "opens 2026-10-25T00:00:00Z");
    }

    #[test]
    fn what_is_no_window_is_refused_with_the_part_that_is_wrong() {
        for (wrong, part) in [
            ("", "days, times and a time zone"),
            ("Sunday 02:00-04:00 UTC", "\"Sunday\" are no days"),
            ("Sun 2:00-04:00 UTC", "\"2:00\" is no time of day"),
            ("Sun 02:00-25:00 UTC", "\"25:00\" is no time of day"),
            ("Sun 02:00 UTC", "no beginning and end"),
            ("Sun 02:00-02:00 UTC", "ends when it begins"),
            ("Sun 02:00-04:00 Berlin", "\"Berlin\" is no time zone"),
            ("Sun,, 02:00-04:00 UTC", "are no days"),
        ] {
            let error = wrong.parse::<Window>().unwrap_err();
            assert!(error.contains(part), "{wrong}: {error}");
        }
    }
}
