//! The names of what a run makes. RDS knows no idempotency token, so a name that follows from the
//! execution is what makes a second call harmless (botocore rds 2014-10-31: no ClientToken on any
//! of these calls).
//!
//! A DB cluster identifier has at most 63 lower-case letters, digits and hyphens; the policy keeps
//! a sync's name to 40 and a target's to 48.

use crate::Run;

/// Of a sync or an export, by its name; of a rehearsal by the cluster's, which may be too long.
pub fn quarantine(of: &str, run: &Run) -> String {
    let of = of.get(..40).unwrap_or(of).trim_end_matches('-');
    format!("quarantine-{of}-{}", run.short_id()).to_lowercase()
}

/// Our copy of production's snapshot, in production's account.
pub fn copy(sync: &str, run: &Run) -> String {
    format!("sync-{sync}-{}", run.short_id())
}

pub fn sanitized(sync: &str, run: &Run) -> String {
    format!("sanitized-{sync}-{}", run.short_id())
}

/// The new cluster of a target, until it gets the stable name.
pub fn fresh(target: &str, run: &Run) -> String {
    format!("{target}-{}", run.short_id())
}

/// The cluster that had the stable name, once this run has replaced it.
pub fn old(target: &str, run: &Run) -> String {
    format!("{target}-old-{}", run.short_id())
}

/// A cluster of ours has one instance.
pub fn instance(cluster: &str) -> String {
    format!("{cluster}-1")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_names_of_the_policy_make_names_that_rds_takes() {
        let run = Run::of("arn:aws:states:eu-west-1:444455556666:execution:daily-sync:orders-20260101");
        for cluster in
            [quarantine(&"s-".repeat(31), &run), fresh(&"t".repeat(48), &run), old(&"t".repeat(48), &run)]
        {
            assert!(instance(&cluster).len() <= 63, "{cluster}");
        }
    }

    #[test]
    fn names_follow_from_the_execution() {
        let first = Run::of("arn:aws:states:eu-west-1:444455556666:execution:daily-sync:one");
        let second = Run::of("arn:aws:states:eu-west-1:444455556666:execution:daily-sync:two");
        assert_eq!(fresh("orders-dev", &first), fresh("orders-dev", &first));
        assert_ne!(fresh("orders-dev", &first), fresh("orders-dev", &second));
    }
}
