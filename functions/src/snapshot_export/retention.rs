//! Which exports go: by their folders' names, which say of which time their data is.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use policy::KeepOld;
use runbook::snapshot_export::names;

/// The folders that go, the oldest first. What `latest` names stays, what is newer (a run may still
/// be at it), what is pinned, and whatever is no folder of ours.
pub fn doomed(
    export: &str,
    folders: &[String],
    latest: (&str, Timestamp),
    pinned: &[String],
    keep: &KeepOld,
    now: Timestamp,
) -> Vec<String> {
    let pinned: BTreeSet<&str> = pinned.iter().map(String::as_str).chain([latest.0]).collect();
    let mut older: Vec<(Timestamp, &str)> = folders
        .iter()
        .filter_map(|folder| Some((names::taken(export, folder)?, folder.as_str())))
        // A name has whole minutes.
        .filter(|(taken, folder)| *taken <= latest.1 && *folder != latest.0)
        .collect();
    older.sort_unstable();
    let too_many = (older.len() + 1).saturating_sub(keep.count.max(1) as usize);
    let is_old = |taken: Timestamp| SignedDuration::try_from(now - taken).unwrap_or_default() > keep.age;
    let doomed = older
        .iter()
        .enumerate()
        .filter(|(index, (taken, folder))| (*index < too_many || is_old(*taken)) && !pinned.contains(folder));
    doomed.map(|(_, (_, folder))| (*folder).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FOLDERS: [&str; 7] = [
        "orders-20260101t0200-00000001",
        "orders-20260102t0200-00000002",
        "orders-20260103t0200-00000003",
        "orders-20260104t0200-00000004",
        "orders-20260105t0200-00000005",
        "by-hand",
        "invoices-20260101t0200-00000001",
    ];

    fn doomed(latest: usize, pinned: &[&str], count: u32, days: i64, now: &str) -> Vec<String> {
        let folders: Vec<String> = FOLDERS.iter().map(ToString::to_string).collect();
        let keep = KeepOld { count, age: SignedDuration::from_hours(24 * days) };
        let pinned: Vec<String> = pinned.iter().map(ToString::to_string).collect();
        let latest = (FOLDERS[latest], names::taken("orders", FOLDERS[latest]).unwrap());
        super::doomed("orders", &folders, latest, &pinned, &keep, now.parse().unwrap())
    }

    #[test]
    fn more_than_are_kept_and_older_than_they_may_be_go_and_nothing_else() {
        assert_eq!(doomed(4, &[], 3, 30, "2026-01-05T03:00:00Z"), FOLDERS[..2]);
        assert_eq!(doomed(4, &[], 9, 2, "2026-01-05T03:00:00Z"), FOLDERS[..3]);
        assert!(doomed(4, &[], 9, 30, "2026-01-05T03:00:00Z").is_empty());
    }

    #[test]
    fn what_latest_names_what_is_newer_and_what_is_pinned_stays() {
        assert_eq!(doomed(4, &[FOLDERS[0]], 1, 30, "2027-01-05T03:00:00Z"), FOLDERS[1..4]);
        assert_eq!(doomed(1, &[], 1, 1, "2027-01-05T03:00:00Z"), FOLDERS[..1]);
        assert!(doomed(0, &[], 0, 1, "2027-01-05T03:00:00Z").is_empty(), "latest alone");
    }
}
