//! When runs start, over the days on which the clocks change.

use crate::Schedule;

fn schedule(cron: &str, zone: &str, fresh_by: Option<&str>) -> Schedule {
    Schedule {
        cron: cron.parse().unwrap(),
        time_zone: jiff::tz::TimeZone::get(zone).unwrap(),
        fresh_by: fresh_by.map(|time| time.parse().unwrap()),
        maximum_window_in_minutes: None,
    }
}

fn starts(cron: &str, zone: &str, from: &str, count: usize) -> Vec<String> {
    let schedule = schedule(cron, zone, None);
    let runs = schedule.runs(from.parse().unwrap()).take(count);
    runs.map(|start| start.strftime("%a %Y-%m-%d %H:%M %Z").to_string()).collect()
}

#[test]
fn a_run_has_until_the_next_such_time_of_day_in_its_zone() {
    let until = |fresh_by, started: &str| {
        let schedule = schedule("30 3 * * *", "Europe/Berlin", fresh_by);
        schedule.fresh_until(started.parse().unwrap()).map(|until| until.to_string())
    };
    assert_eq!(until(None, "2026-01-15T02:30:00Z"), None);
    for (started, expected) in [
        ("2026-01-15T02:30:00Z", "2026-01-15T06:00:00Z"),
        ("2026-01-15T06:00:00Z", "2026-01-15T06:00:00Z"),
        ("2026-01-15T06:00:01Z", "2026-01-16T06:00:00Z"),
        // The clocks go forward between.
        ("2026-03-28T22:30:00Z", "2026-03-29T05:00:00Z"),
    ] {
        assert_eq!(until(Some("07:00"), started).as_deref(), Some(expected), "{started}");
    }
    for wrong in ["7", "7:00", "24:00", "07:00:00", "noon"] {
        assert!(wrong.parse::<crate::TimeOfDay>().is_err(), "{wrong}");
    }
}

#[test]
fn weekdays_have_no_weekend() {
    let expected = ["Fri 2026-01-16 03:30 CET", "Mon 2026-01-19 03:30 CET"];
    assert_eq!(starts("30 3 * * MON-FRI", "Europe/Berlin", "2026-01-15T12:00:00Z", 2), expected);
}

#[test]
fn a_start_that_is_now_is_not_the_next() {
    assert_eq!(starts("0 12 * * *", "UTC", "2026-01-15T12:00:00Z", 1), ["Fri 2026-01-16 12:00 UTC"]);
    assert_eq!(starts("0 12 * * *", "UTC", "2026-01-15T11:59:59.9Z", 1), ["Thu 2026-01-15 12:00 UTC"]);
}

#[test]
fn a_time_that_spring_skips_starts_nothing() {
    let expected = ["Sat 2026-03-28 02:30 CET", "Mon 2026-03-30 02:30 CEST"];
    assert_eq!(starts("30 2 * * *", "Europe/Berlin", "2026-03-27T12:00:00Z", 2), expected);
}

#[test]
fn a_time_that_autumn_has_twice_starts_once() {
    let expected = ["Sun 2026-10-25 02:30 CEST", "Mon 2026-10-26 02:30 CET"];
    assert_eq!(starts("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", 2), expected);
    // Also when the question is asked between the two.
    assert_eq!(
        starts("30 2 * * *", "Europe/Berlin", "2026-10-25T00:45:00Z", 1),
        ["Mon 2026-10-26 02:30 CET"]
    );
}

#[test]
fn a_leap_day_is_waited_for() {
    assert_eq!(
        starts("0 4 29 FEB *", "America/New_York", "2026-01-01T00:00:00Z", 1),
        ["Tue 2028-02-29 04:00 EST"]
    );
}

#[test]
fn the_scheduler_gets_one_day() {
    let scheduler = |cron: &str| cron.parse::<crate::Cron>().unwrap().scheduler_expression();
    assert_eq!(scheduler("30 3 * * MON-FRI"), "cron(30 3 ? * MON-FRI *)");
    assert_eq!(scheduler("0 4 1 * *"), "cron(0 4 1 * ? *)");
    assert_eq!(scheduler("*/15 * * * *"), "cron(*/15 * * * ? *)");
}
