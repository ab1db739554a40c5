//! The names of what an export makes.

use jiff::{Timestamp, civil::DateTime, tz::TimeZone};
use sha2::{Digest, Sha256};

use crate::{Arn, Run};

const TIME: &str = "%Y%m%dt%H%M";

/// The export task of this attempt: a redrive makes another one, as a task that has failed keeps
/// its name ("We strongly recommend that you use a unique name for each export task", Aurora User
/// Guide, "Considerations for DB cluster snapshot exports"). At most 60 characters, no two hyphens
/// beside each other (wellcomecollection/catalogue-pipeline#3227,
/// opensearch-project/data-prepper#6186); the policy keeps an export's name to 30.
pub fn task(export: &str, taken: Timestamp, run: &Run) -> String {
    let attempt = format!("{} {}", run.execution, run.since());
    let attempt = hex::encode(&Sha256::digest(attempt)[..4]);
    format!("{export}-{}-{attempt}", taken.to_zoned(TimeZone::UTC).strftime(TIME))
}

/// Of which time the snapshot was whose export has that name; none when it is no name of ours.
pub fn taken(export: &str, task: &str) -> Option<Timestamp> {
    let (time, attempt) = task.strip_prefix(export)?.strip_prefix('-')?.split_once('-')?;
    let is_attempt = attempt.len() == 8 && attempt.bytes().all(|byte| byte.is_ascii_hexdigit());
    let taken = DateTime::strptime(TIME, time).ok().filter(|_| is_attempt)?;
    Some(taken.to_zoned(TimeZone::UTC).ok()?.timestamp())
}

/// Our copy of a snapshot that another account has shared with us.
pub fn copy(export: &str, run: &Run) -> String {
    format!("export-{export}-{}", run.short_id())
}

/// What is claimed: this snapshot for this export. Somebody's manual snapshot may get the name of
/// one that is gone.
pub fn claim(export: &str, snapshot: &Arn, taken: Timestamp) -> String {
    let name: String =
        snapshot.name().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    format!("export-{export}-{}-{name}-{}", snapshot.account(), taken.as_second())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(redriven: Option<&str>) -> Run {
        let run = Run::of("arn:aws:states:eu-west-1:444455556666:execution:snapshot-export:one");
        Run { redriven: redriven.map(|time| time.parse().unwrap()), ..run }
    }

    #[test]
    fn the_name_of_a_task_is_the_same_at_every_look_and_another_after_a_redrive() {
        let time: Timestamp = "2026-01-05T02:00:31Z".parse().unwrap();
        let name = task("orders", time, &run(None));
        assert!(name.starts_with("orders-20260105t0200-"), "{name}");
        assert_eq!(name, task("orders", time, &run(None)));
        assert_ne!(name, task("orders", time, &run(Some("2026-01-05T04:00:00Z"))));
        assert!(task(&"e".repeat(30), time, &run(None)).len() <= 60);
        assert_eq!(taken("orders", &name), "2026-01-05T02:00:00Z".parse().ok());
    }

    #[test]
    fn only_our_own_names_are_ours() {
        for other in [
            "orders",
            "orders-20260105t0200",
            "orders-20260105t0200-xyzxyzxy",
            "orders-eu-20260105t0200-0a1b2c3d",
            "invoices-20260105t0200-0a1b2c3d",
            "orders-20261305t0200-0a1b2c3d",
        ] {
            assert_eq!(taken("orders", other), None, "{other}");
        }
    }
}
