//! When a schedule starts runs.

use croner::parser::{CronParser, Seconds, Year};
use jiff::{
    Timestamp, Zoned,
    tz::{AmbiguousOffset, TimeZone},
};

use crate::types::Schedule;

impl Schedule {
    /// When the environments are to have the data of a run that started then: at the next such time
    /// of day. None when the policy has none.
    pub fn fresh_until(&self, started: Timestamp) -> Option<Timestamp> {
        let day = started.to_zoned(self.time_zone.clone()).date();
        let until = [day, day.tomorrow().ok()?].map(|day| {
            let until = day.to_datetime(self.fresh_by?.0).to_zoned(self.time_zone.clone()).ok()?;
            Some(until.timestamp())
        });
        until.into_iter().flatten().find(|until| *until >= started)
    }

    /// The starts after `from`, as EventBridge Scheduler makes them: a time that the clocks skip in
    /// spring is left out, one that comes twice in autumn counts once (Scheduler User Guide,
    /// "Daylight savings time"). None when the expression names a day that no year has.
    pub fn runs(&self, from: Timestamp) -> impl Iterator<Item = Zoned> {
        let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
        let cron = parser.parse(self.cron.as_str()).ok();
        // The wall clock is walked as if it were UTC's, which knows no change; only then is it
        // looked up what moment that is.
        let mut wall = from.to_zoned(self.time_zone.clone()).datetime();
        std::iter::from_fn(move || {
            loop {
                let next =
                    cron.as_ref()?.find_next_occurrence(&wall.to_zoned(TimeZone::UTC).ok()?, false).ok()?;
                wall = next.datetime();
                let ambiguous = self.time_zone.to_ambiguous_zoned(wall);
                if matches!(ambiguous.offset(), AmbiguousOffset::Gap { .. }) {
                    continue;
                }
                let start = ambiguous.earlier().ok()?;
                if start.timestamp() > from {
                    return Some(start);
                }
            }
        })
    }
}
