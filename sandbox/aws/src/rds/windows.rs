//! Backup and maintenance windows (botocore rds 2014-10-31, CreateDBCluster): `hh24:mi-hh24:mi` and
//! `ddd:hh24:mi-ddd:hh24:mi` in UTC, at least 30 minutes, apart from one another. RDS answers them
//! in lower case.
//!
//! The words about the maintenance window are AWS's, by getmoto/moto and
//! hashicorp/terraform-provider-aws#49828; those about the backup window are by analogy.

use super::error::Fault;

const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
const DAY: u32 = 24 * 60;
const WEEK: u32 = 7 * DAY;
const LEAST: u32 = 30;

/// RDS chooses at random; what it is not told it lays beside what it is.
const BACKUPS: [&str; 3] = ["03:00-03:30", "09:00-09:30", "15:00-15:30"];
const MAINTENANCES: [&str; 3] = ["sun:04:00-sun:04:30", "sun:10:00-sun:10:30", "sun:16:00-sun:16:30"];

/// The first minute and the length, of the day or of the week.
type Span = (u32, u32);

/// The windows of a new cluster, in lower case.
pub fn chosen(backup: Option<&str>, maintenance: Option<&str>) -> Result<(String, String), Fault> {
    let backups = backup.map_or(BACKUPS.to_vec(), |given| vec![given]);
    let maintenances = maintenance.map_or(MAINTENANCES.to_vec(), |given| vec![given]);
    let mut refused = None;
    for backup in &backups {
        for maintenance in &maintenances {
            match checked(backup, maintenance) {
                Ok(windows) => return Ok(windows),
                Err(fault) => refused = Some(fault),
            }
        }
    }
    Err(refused.unwrap_or_else(|| Fault::value("There is no room for both windows")))
}

/// Both windows in lower case, if they may stand side by side.
pub fn checked(backup: &str, maintenance: &str) -> Result<(String, String), Fault> {
    let (backup, maintenance) = (backup.to_lowercase(), maintenance.to_lowercase());
    let daily = backup_span(&backup).ok_or_else(|| {
        Fault::value(format!(
            "Invalid backup window format: {backup}. Should be specified as a range hh24:mi-hh24:mi (24H \
            Clock UTC). Example: 04:30-05:00"
        ))
    })?;
    let weekly = maintenance_span(&maintenance).ok_or_else(|| {
        Fault::value(format!(
            "Invalid maintenance window format: {maintenance}. Should be specified as a range \
            ddd:hh24:mi-ddd:hh24:mi (24H Clock UTC). Example: Sun:23:45-Mon:00:15"
        ))
    })?;
    if daily.1 < LEAST {
        return Err(Fault::value("The backup window must be at least 30 minutes."));
    }
    if weekly.1 < LEAST {
        return Err(Fault::value("The maintenance window must be at least 30 minutes."));
    }
    if weekly.1 >= DAY {
        return Err(Fault::value("Maintenance window must be less than 24 hours."));
    }
    if (0..7).any(|day| overlap((day * DAY + daily.0, daily.1), weekly)) {
        return Err(Fault::value("The backup window and maintenance window must not overlap."));
    }
    Ok((backup, maintenance))
}

/// Both in minutes of a week that begins again at its end.
fn overlap(one: Span, other: Span) -> bool {
    let after = |first: u32, then: u32| (then + WEEK - first) % WEEK;
    after(one.0, other.0) < one.1 || after(other.0, one.0) < other.1
}

fn backup_span(window: &str) -> Option<Span> {
    let (start, end) = window.split_once('-')?;
    let (start, end) = (minute(start)?, minute(end)?);
    Some((start, (end + DAY - start) % DAY))
}

fn maintenance_span(window: &str) -> Option<Span> {
    let (start, end) = window.split_once('-')?;
    let of_week = |moment: &str| {
        let (day, time) = moment.split_once(':')?;
        let day = DAYS.iter().position(|known| *known == day)?;
        Some(u32::try_from(day).ok()? * DAY + minute(time)?)
    };
    let (start, end) = (of_week(start)?, of_week(end)?);
    Some((start, (end + WEEK - start) % WEEK))
}

/// `hh24:mi`, with both digits.
fn minute(time: &str) -> Option<u32> {
    let (hour, minute) = time.split_once(':')?;
    let number = |text: &str, most: u32| {
        let digits = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse::<u32>().ok().filter(|number| digits && *number < most)
    };
    Some(number(hour, 24)? * 60 + number(minute, 60)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_come_back_in_lower_case() {
        let windows = checked("23:45-00:30", "Sun:05:00-Sun:06:00").unwrap();
        assert_eq!(windows, ("23:45-00:30".to_owned(), "sun:05:00-sun:06:00".to_owned()));
    }

    #[test]
    fn what_is_no_window_is_refused() {
        let good = ("03:00-03:30", "sun:04:00-sun:04:30");
        for backup in ["3:00-4:00", "03:00", "03:00-24:00", "03:00-03:20", "03:00-03:00", "aa:bb-cc:dd"] {
            assert_eq!(checked(backup, good.1).unwrap_err().code, "InvalidParameterValue", "{backup}");
        }
        for maintenance in
            ["04:00-04:30", "xyz:04:00-xyz:04:30", "sun:04:00-sun:04:20", "sun:04:00-tue:04:00"]
        {
            assert_eq!(
                checked(good.0, maintenance).unwrap_err().code,
                "InvalidParameterValue",
                "{maintenance}"
            );
        }
    }

    #[test]
    fn the_two_windows_stand_apart_on_every_day_and_over_midnight() {
        let overlap = "The backup window and maintenance window must not overlap.";
        for (backup, maintenance) in [
            ("04:00-05:00", "wed:04:30-wed:05:30"),
            ("23:30-00:30", "mon:00:00-mon:01:00"),
            ("00:00-01:00", "sun:23:45-mon:00:15"),
        ] {
            assert_eq!(checked(backup, maintenance).unwrap_err().message, overlap, "{backup} {maintenance}");
        }
        assert!(checked("02:00-02:30", "sun:02:30-sun:03:00").is_ok(), "one after the other");
    }

    #[test]
    fn what_is_not_given_is_laid_beside_what_is() {
        assert_eq!(chosen(None, None).unwrap().0, "03:00-03:30");
        let (backup, maintenance) = chosen(None, Some("sun:03:00-sun:04:00")).unwrap();
        assert_eq!((&*backup, &*maintenance), ("09:00-09:30", "sun:03:00-sun:04:00"));
        assert!(chosen(Some("04:00-04:30"), Some("sun:04:00-sun:05:00")).is_err());
    }
}
