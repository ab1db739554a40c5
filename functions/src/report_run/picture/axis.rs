//! The time of a run along the picture.

use jiff::Timestamp;
use maud::{Markup, html};

use crate::report_run::{
    report::Report,
    words::{duration, seconds},
};

/// The time of the run as a line from 0 to 100.
pub struct Axis {
    from: Timestamp,
    seconds: f64,
}

impl Axis {
    pub fn of(report: &Report) -> Self {
        let seconds = report.took().as_secs_f64();
        Self { from: report.started, seconds: seconds.max(1.0) }
    }

    pub fn second(&self, at: Timestamp) -> i64 {
        seconds(at.duration_since(self.from))
    }

    pub fn share(&self, at: Timestamp) -> f64 {
        (100.0 * at.duration_since(self.from).as_secs_f64() / self.seconds).clamp(0.0, 100.0)
    }

    /// Behind the rows: a line and a length at each tick, and a band for each outage.
    pub fn lines(&self, report: &Report) -> Markup {
        let outages = report.downtime.iter().flat_map(|downtime| &downtime.outages);
        let share = |at: f64| format!("left:{at:.2}%");
        html! {
            div.axis aria-hidden="true" {
                @for (at, label) in self.ticks() { span style=(share(at)) { (label) } }
                @for outage in outages {
                    @let (from, until) = (self.share(outage.from), self.share(outage.until));
                    i.outage style=(format!("{};width:{:.2}%", share(from), (until - from).max(0.3))) {}
                }
            }
        }
    }

    /// At most seven, at lengths that people count in.
    pub fn ticks(&self) -> Vec<(f64, String)> {
        const STEPS: [u32; 17] =
            [1, 5, 10, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400, 172_800];
        let fitting = STEPS.into_iter().find(|step| self.seconds / f64::from(*step) <= 6.0);
        let step = fitting.unwrap_or_else(|| (self.seconds / 6.0).ceil() as u32);
        (0..=6)
            .map(|number| number * step)
            .filter(|second| f64::from(*second) < self.seconds * 0.97)
            .map(|second| (100.0 * f64::from(second) / self.seconds, round(i64::from(second))))
            .collect()
    }
}

/// Without the part that is nothing: `10m`, `1h 30m`.
fn round(seconds: i64) -> String {
    let text = duration(seconds);
    ["h 0m", "m 0s", "d 0h"]
        .into_iter()
        .find_map(|end| text.strip_suffix(end).map(|rest| format!("{rest}{}", &end[..1])))
        .unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_axis_counts_in_lengths_that_people_use() {
        let labels = |seconds: f64| {
            let axis = Axis { from: Timestamp::UNIX_EPOCH, seconds };
            axis.ticks().into_iter().map(|(_, label)| label).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(labels(4.0), "0s 1s 2s 3s");
        assert_eq!(labels(3000.0), "0s 10m 20m 30m 40m");
        assert_eq!(labels(86_400.0), "0s 6h 12h 18h");
        assert_eq!(labels(9e6), "0s 17d 9h 34d 17h 52d 2h 69d 11h 86d 19h");
    }
}
