//! The run picture: states as a spine, and in the same rows when each was at work. A tick is a
//! poll, a diamond a retry; targets have lanes of their own side by side.
//!
//! Rows are a list, so that a phone shows them one below the other and a screen reader reads them;
//! the spine's pieces and the bars are SVG whose lengths are percentages, so that nothing has to be
//! laid out.

use jiff::Timestamp;
use maud::{Markup, html};

use super::{
    report::{Place, Report, Step},
    words::{count, cut, duration, seconds, time},
};

mod axis;

use axis::Axis;

/// More of a state's words than this does not help whoever looks at the picture.
const LONGEST_WORDS: usize = 400;
/// Ticks that stand closer than this share of the picture are one grey stripe.
const CLOSEST_TICKS: f64 = 0.4;
/// A lane of the spine and its marker, in pixels.
const LANE: f64 = 18.0;
const MARKER: f64 = 15.0;
/// A journal that is longer is read in report.json.
const LONGEST_JOURNAL: usize = 60;

pub fn picture(report: &Report) -> Markup {
    let rows = Rows::of(report);
    let axis = Axis::of(report);
    html! {
        div.picture style=(format!("--gutter:{}px", LANE * (rows.lanes as f64 + 1.0) + 10.0)) {
            (axis.lines(report))
            ol.rows {
                @for (index, row) in rows.rows.iter().enumerate() {
                    li.row.(row.look()) {
                        (rows.spine(index))
                        (row.left(&axis))
                        div.right {
                            (row.bar(&axis))
                            (row.words())
                        }
                    }
                }
            }
        }
        (legend(report))
    }
}

/// Only of what the picture shows.
fn legend(report: &Report) -> Markup {
    let answers = || report.steps.iter().flat_map(|step| &step.answers);
    let sign = |sign: Markup, says: &str| {
        html! {
            span { svg width="16" height="14" aria-hidden="true" focusable="false" { (sign) } " " (says) }
        }
    };
    let poll = html! { rect.took width="16" height="14" {} line.poll x1="8" x2="8" y1="0" y2="14" {} };
    let retry = html! { path.retry d="M8 0l7 7l-7 7l-7 -7z" {} };
    let outage = html! { rect.outage width="16" height="14" {} };
    html! {
        p.legend {
            @if answers().any(|answer| answer.error == "NotReady") { (sign(poll, "a poll")) }
            @if report.steps.iter().any(|step| step.retries > 0) {
                (sign(retry, "a try that failed and was made again"))
            }
            @if report.downtime.is_some() { (sign(outage, "the writer took no connections")) }
        }
    }
}

/// What a row's marker says; never by its colour alone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Look {
    Done,
    Failed,
    Running,
    /// Entered, and the run was stopped or timed out.
    Stopped,
    Ahead,
}

struct Row<'a> {
    /// None of a state that was not entered.
    step: Option<&'a Step>,
    name: &'a str,
    lane: usize,
    look: Look,
    /// When it was over, or until when it is known.
    until: Timestamp,
}

struct Rows<'a> {
    rows: Vec<Row<'a>>,
    /// How many lanes there are beside the spine.
    lanes: usize,
}

impl<'a> Rows<'a> {
    fn of(report: &'a Report) -> Self {
        let mut lanes: Vec<&str> = Vec::new();
        for step in &report.steps {
            if let Some(of) = step.of.as_deref().filter(|of| !lanes.contains(of)) {
                lanes.push(of);
            }
        }
        let lane = |step: &Step| {
            step.of.as_deref().and_then(|of| lanes.iter().position(|lane| *lane == of)).map_or(0, |at| at + 1)
        };
        let mut rows: Vec<Row<'a>> =
            report.steps.iter().map(|step| Row::entered(report, step, lane(step))).collect();
        // Targets go through the same states side by side: each state's rows stand together.
        let mut from = 0;
        while from < rows.len() {
            let fanned = rows[from..].iter().take_while(|row| row.lane > 0).count();
            let group = &mut rows[from..from + fanned];
            let mut order: Vec<&str> = Vec::new();
            for row in group.iter() {
                if !order.contains(&row.name) {
                    order.push(row.name);
                }
            }
            group.sort_by_key(|row| (order.iter().position(|name| *name == row.name), row.lane));
            from += fanned.max(1);
        }
        rows.extend(report.ahead.iter().map(|name| Row {
            step: None,
            name,
            lane: 0,
            look: Look::Ahead,
            until: report.until(),
        }));
        Self { rows, lanes: lanes.len() }
    }

    /// The piece of the spine beside a row: lines of every lane that goes on here, forks out of the
    /// spine and back into it, and the row's marker.
    fn spine(&self, index: usize) -> Markup {
        let row = &self.rows[index];
        let x = |lane: usize| LANE * (lane as f64 + 0.5) + 2.0;
        let before = index.checked_sub(1).map(|before| &self.rows[before]);
        let (fans_out, fans_in) = match before {
            Some(before) => (before.lane == 0 && row.lane > 0, before.lane > 0 && row.lane == 0),
            None => (row.lane > 0, false),
        };
        let goes_on = |lane: usize| self.goes_on(index, lane);
        let curve = |from: f64, to: f64| format!("M{from} 0C{from} 9 {to} 3 {to} {MARKER}");
        let color = if row.look == Look::Ahead { "ahead" } else { "line" };
        html! {
            svg.spine aria-hidden="true" focusable="false" {
                @if row.lane == 0 {
                    @if before.is_some() && !fans_in {
                        line class=(color) x1=(x(0)) y1="0" x2=(x(0)) y2=(MARKER) {}
                    }
                    @if index + 1 < self.rows.len() {
                        line class=(self.color_below(index)) x1=(x(0)) y1=(MARKER) x2=(x(0)) y2="100%" {}
                    }
                    @if fans_in {
                        @for lane in (1..=self.lanes).filter(|lane| !self.failed_before(index, *lane)) {
                            path.line d=(curve(x(lane), x(0))) {}
                        }
                    }
                } @else {
                    @for lane in 1..=self.lanes {
                        @if fans_out { path.line d=(curve(x(0), x(lane))) {} }
                        @else if lane == row.lane || goes_on(lane) || self.failed_here(index, lane) {
                            line.line x1=(x(lane)) y1="0" x2=(x(lane)) y2=(MARKER) {}
                        }
                        @if goes_on(lane) { line.line x1=(x(lane)) y1=(MARKER) x2=(x(lane)) y2="100%" {} }
                    }
                }
                (row.marker(x(row.lane)))
            }
        }
    }

    /// Whether a lane is drawn on below that row: to its later rows, and where it ended well to
    /// where the lanes meet again.
    fn goes_on(&self, index: usize, lane: usize) -> bool {
        let group = self.rows[index + 1..].iter().take_while(|row| row.lane > 0);
        let later = group.clone().any(|row| row.lane == lane);
        let last = index + 1 + group.count() >= self.rows.len();
        later || (!last && !self.failed_before(index + 1, lane))
    }

    fn failed_before(&self, index: usize, lane: usize) -> bool {
        let of_lane = self.rows[..index].iter().rev().find(|row| row.lane == lane);
        of_lane.is_some_and(|row| row.look != Look::Done)
    }

    fn failed_here(&self, index: usize, lane: usize) -> bool {
        self.rows[index].lane == lane && self.rows[index].look != Look::Done
    }

    fn color_below(&self, index: usize) -> &'static str {
        let next = self.rows.get(index + 1);
        if next.is_some_and(|next| next.look == Look::Ahead) { "ahead" } else { "line" }
    }
}

impl<'a> Row<'a> {
    fn entered(report: &Report, step: &'a Step, lane: usize) -> Self {
        let failed = step.failed_at(!report.is_running());
        let look = match (failed, step.exited) {
            (Some(_), _) => Look::Failed,
            (None, Some(_)) => Look::Done,
            (None, None) if report.is_running() => Look::Running,
            (None, None) => Look::Stopped,
        };
        let until = step.exited.or(failed).unwrap_or_else(|| report.until());
        Self { step: Some(step), name: &step.state, lane, look, until }
    }

    fn look(&self) -> &'static str {
        match self.look {
            Look::Done => "done",
            Look::Failed => "failed",
            Look::Running => "running",
            Look::Stopped => "stopped",
            Look::Ahead => "ahead",
        }
    }

    /// Each look has a form of its own.
    fn marker(&self, x: f64) -> Markup {
        let y = MARKER;
        html! {
            @match self.look {
                Look::Done => circle.mark cx=(x) cy=(y) r="6" {},
                Look::Running => { circle.mark cx=(x) cy=(y) r="6" {} circle.hole cx=(x) cy=(y) r="3" {} },
                Look::Ahead => circle.mark cx=(x) cy=(y) r="5" {},
                Look::Failed => {
                    rect.mark x=(x - 7.0) y=(y - 7.0) width="14" height="14" rx="3" {}
                    path.cross d=(format!("M{} {}l6 6m0 -6l-6 6", x - 3.0, y - 3.0)) {}
                },
                Look::Stopped => rect.mark x=(x - 6.0) y=(y - 6.0) width="12" height="12" rx="2" {},
            }
        }
    }

    fn left(&self, axis: &Axis) -> Markup {
        let Some(step) = self.step else {
            return html! { div.left { p.state { (self.name) } p.meta { "not reached" } } };
        };
        let said = match self.look {
            Look::Failed => "failed after ",
            Look::Stopped => "stopped after ",
            Look::Running => "at work for ",
            Look::Done | Look::Ahead => "",
        };
        let took = seconds(self.until.duration_since(step.entered));
        html! {
            div.left {
                p.state { (cut(self.name, 80)) @if let Some(of) = &step.of { " " span.of { (cut(of, 80)) } } }
                p.meta {
                    (said) b { (duration(took)) }
                    @if step.polls > 0 { " · " (count(step.polls, "poll", "polls")) }
                    @if step.retries > 0 { " · " (count(step.retries, "retry", "retries")) }
                    @if step.place == Place::Worker { " · worker" }
                    span.unseen { ", begun " (duration(axis.second(step.entered))) " into the run" }
                }
            }
        }
    }

    fn bar(&self, axis: &Axis) -> Markup {
        let Some(step) = self.step else { return html! {} };
        let (from, until) = (axis.share(step.entered), axis.share(self.until));
        // What took no time has a bar that can be seen.
        let (from, width) = (from.min(99.4), (until - from).max(0.6));
        let polls = step.answers.iter().filter(|answer| answer.error == "NotReady");
        let polls = spread(polls.map(|answer| axis.share(answer.at)), CLOSEST_TICKS);
        let last = step.answers.len().saturating_sub(1);
        let tries = step.answers.iter().enumerate().filter(|(number, answer)| {
            answer.error != "NotReady" && (*number < last || self.look != Look::Failed)
        });
        html! {
            svg.bar aria-hidden="true" focusable="false" {
                rect.took x=(pc(from)) width=(pc(width)) y="6" height="18" rx="3" {}
                @for at in polls { line.poll x1=(pc(at)) x2=(pc(at)) y1="6" y2="24" {} }
                @for (_, answer) in tries {
                    // A diamond of 7 pixels, moved to a share of the width.
                    svg x=(pc(axis.share(answer.at))) overflow="visible" {
                        path.retry d="M0 8l7 7l-7 7l-7 -7z" {}
                    }
                }
            }
        }
    }

    fn words(&self) -> Markup {
        let Some(step) = self.step else { return html! {} };
        let progress = step.progress.as_ref().filter(|_| self.look == Look::Running);
        let error = step.error.as_deref().map(|error| error.strip_prefix("NotReady: ").unwrap_or(error));
        let said = match (progress, self.look) {
            (Some(progress), _) => Some(progress.said.as_str()),
            (None, Look::Done) => step.summary.as_deref(),
            (None, _) => error.and_then(|error| error.lines().next()),
        };
        html! {
            @if let Some(said) = said { p.words { (cut(said, LONGEST_WORDS)) } }
            (journal(step))
        }
    }
}

/// What it waited for and what it was told, each once, with the time.
fn journal(step: &Step) -> Markup {
    let said: Vec<_> = step.answers.iter().filter(|answer| answer.said.is_some()).collect();
    if said.len() < 2 {
        return html! {};
    }
    html! {
        details {
            summary { (count(said.len() as i64, "answer", "answers")) " on the way" }
            ol.journal {
                @for answer in said.iter().take(LONGEST_JOURNAL) {
                    li {
                        time datetime=(answer.at) { (time(answer.at)) } " "
                        @if answer.error != "NotReady" { b { (cut(&answer.error, 80)) } " " }
                        (cut(answer.said.as_deref().unwrap_or_default(), LONGEST_WORDS))
                    }
                }
                @if said.len() > LONGEST_JOURNAL {
                    li { "and " (said.len() - LONGEST_JOURNAL) " more in report.json" }
                }
            }
        }
    }
}

fn pc(share: f64) -> String {
    format!("{share:.2}%")
}

/// Of positions that stand too close only the first.
fn spread(positions: impl Iterator<Item = f64>, closest: f64) -> Vec<f64> {
    let mut kept: Vec<f64> = Vec::new();
    for position in positions {
        if kept.last().is_none_or(|last| position - last >= closest) {
            kept.push(position);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_that_stand_too_close_are_left_out() {
        assert_eq!(spread([0.0, 0.1, 0.5, 0.6, 1.0].into_iter(), 0.4), [0.0, 0.5, 1.0]);
    }
}
