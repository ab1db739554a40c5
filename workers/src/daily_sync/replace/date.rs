//! Dates and times, moved by days. The time of day and the zone stay as they are written.

use std::fmt::Write as _;

use super::{Kind, Unfit, key::Digest};

#[derive(Clone)]
pub(super) struct Shift {
    days: i64,
    /// The first and the last day that the type has.
    first: i64,
    last: i64,
    document: bool,
}

impl Shift {
    /// The limits are those that PostgreSQL checks (src/include/datatype/timestamp.h): the first
    /// day is the one that Julian days are counted from.
    pub(super) fn new(days: u32, kind: Kind) -> Result<Self, String> {
        let last = if kind == Kind::Date { 5_874_897 } else { 294_276 };
        Self::between(days, day(-4713, 11, 24), day(last, 12, 31), false)
    }

    /// Dates in the years that four digits write.
    pub(super) fn of_document(days: u32) -> Result<Self, String> {
        Self::between(days, day(1, 1, 1), day(9999, 12, 31), true)
    }

    fn between(days: u32, first: i64, last: i64, document: bool) -> Result<Self, String> {
        if days == 0 {
            return Err("no other date is at most 0 days away".into());
        }
        Ok(Self { days: days.into(), first, last, document })
    }

    /// Whether it is infinity, which stays.
    pub(super) fn write(
        &self,
        text: &str,
        digest: impl FnOnce() -> Digest,
        out: &mut String,
    ) -> Result<bool, Unfit> {
        if !self.document && matches!(text, "infinity" | "-infinity") {
            out.push_str(text);
            return Ok(true);
        }
        let (was, time) = self.read(text).ok_or(Unfit("is no date"))?;
        let number = (digest().number() % (2 * self.days.cast_unsigned())).cast_signed();
        // From -days to days, and never 0.
        let shift = if number < self.days { number - self.days } else { number - self.days + 1 };
        let days = [was + shift, was - shift];
        let moved = days.into_iter().find(|day| (self.first..=self.last).contains(day));
        let (year, month, day) = civil(moved.ok_or(Unfit("is no date that can be moved"))?);
        let (shown, era) = if year > 0 { (year, "") } else { (1 - year, " BC") };
        write!(out, "{shown:04}-{month:02}-{day:02}{time}{era}").expect("a String takes all");
        Ok(false)
    }

    /// The day, and what stands behind the date.
    fn read<'a>(&self, text: &'a str) -> Option<(i64, &'a str)> {
        let (text, before_christ) = match text.strip_suffix(" BC").filter(|_| !self.document) {
            Some(text) => (text, true),
            None => (text, false),
        };
        let year_length = text.bytes().take_while(u8::is_ascii_digit).count();
        let (year, rest) = text.split_at(year_length);
        let [b'-', m1, m2, b'-', d1, d2] = rest.as_bytes().first_chunk()? else { return None };
        let two = |high: &u8, low: &u8| {
            (high.is_ascii_digit() && low.is_ascii_digit())
                .then(|| i64::from(high - b'0') * 10 + i64::from(low - b'0'))
        };
        let (month, date) = (two(m1, m2)?, two(d1, d2)?);
        let time = &rest[6..];
        // A word that only begins like a date would keep what follows.
        let is_time = |byte: u8| byte.is_ascii_digit() || b"TZtz:.,+- ".contains(&byte);
        if !(4..=7).contains(&year_length)
            || self.document && (year_length > 4 || time.len() > 40 || !time.bytes().all(is_time))
            || time.as_bytes().first().is_some_and(u8::is_ascii_digit)
        {
            return None;
        }
        let year: i64 = year.parse().ok()?;
        let year = if before_christ { 1 - year } else { year };
        let day = day(year, month, date);
        // There is no 30 February: it would come back as 1 or 2 March.
        (civil(day) == (year, month, date)).then_some((day, time))
    }
}

/// The day's number, counted from 1 March of the year 0, in the calendar that PostgreSQL uses for
/// all times, the Gregorian one
/// (https://www.postgresql.org/docs/current/datetime-units-history.html). A year that begins in
/// March has its leap day at the end, and its months' lengths repeat every five.
fn day(year: i64, month: i64, day: i64) -> i64 {
    let year = if month < 3 { year - 1 } else { year };
    let month = (month + 9) % 12;
    year * 365 + year.div_euclid(4) - year.div_euclid(100)
        + year.div_euclid(400)
        + (month * 153 + 2) / 5
        + day
        - 1
}

fn civil(day: i64) -> (i64, i64, i64) {
    // 400 years have 146,097 days, 100 of them 36,524 or one more at the end, 4 have 1,461.
    let (era, day) = (day.div_euclid(146_097), day.rem_euclid(146_097));
    let century = (day / 36_524).min(3);
    let day = day - century * 36_524;
    let (four, day) = (day / 1_461, day % 1_461);
    let year = (day / 365).min(3);
    let day = day - year * 365;
    let month = (day * 5 + 2) / 153;
    let date = day - (month * 153 + 2) / 5 + 1;
    let year = era * 400 + century * 100 + four * 4 + year;
    if month < 10 { (year, month + 3, date) } else { (year + 1, month - 9, date) }
}
