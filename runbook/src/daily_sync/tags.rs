//! The tags of what a run makes: they say whose it is, and CleanUp and RetireOld delete by them.

use aws_sdk_rds::types::Tag;

use crate::{Run, aurora::Tags, major_upgrade::MANAGED_BY};

pub const SYNC: &str = "sync";
pub const EXECUTION: &str = "execution";
pub const ROLE: &str = "role";
pub const TARGET: &str = "target";
/// On a cluster that was replaced: when its successor was about to take its place.
pub const REPLACED_AT: &str = "replaced-at";
/// On the sanitised cluster and snapshot: the run that attested it.
pub const ATTESTED_RUN: &str = "attested-run";
/// On the sanitised snapshot: the DbClusterResourceId of the cluster that was attested.
pub const ATTESTED_RESOURCE: &str = "attested-resource";

/// What a resource is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Our copy of production's snapshot.
    Copy,
    Quarantine,
    /// The sanitised snapshot.
    Sanitized,
    /// A target's new cluster that nobody has been sent to yet.
    Fresh,
    /// The cluster that a target's clients use.
    Published,
    /// The one that they used before.
    Old,
}

impl Role {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Copy => "copy",
            Self::Quarantine => "quarantine",
            Self::Sanitized => "sanitized",
            Self::Fresh => "fresh",
            Self::Published => "published",
            Self::Old => "old",
        }
    }
}

pub fn tag(key: &str, value: &str) -> Tag {
    Tag::builder().key(key).value(value).build()
}

/// The tags of something that this run makes.
pub fn of(run: &Run, sync: &str, role: Role) -> Vec<Tag> {
    let (managed_by, us) = MANAGED_BY;
    [
        (managed_by, us),
        ("runbook", "daily-sync"),
        (SYNC, sync),
        (EXECUTION, run.name()),
        (ROLE, role.as_str()),
    ]
    .map(|(key, value)| tag(key, value))
    .into()
}

/// Made by a run of this sync, whichever.
pub fn is_of_sync(tags: &Tags, sync: &str) -> bool {
    tags.is(MANAGED_BY.0, MANAGED_BY.1) && tags.is(SYNC, sync)
}

/// Made by this run.
pub fn is_of_run(tags: &Tags, sync: &str, run: &Run) -> bool {
    is_of_sync(tags, sync) && tags.is(EXECUTION, run.name())
}

pub fn has_role(tags: &Tags, role: Role) -> bool {
    tags.is(ROLE, role.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_run_of_the_same_sync_owns_what_it_made() {
        let run = Run::of("arn:aws:states:eu-west-1:444455556666:execution:daily-sync:one");
        let other = Run::of("arn:aws:states:eu-west-1:444455556666:execution:daily-sync:two");
        let tags = Tags::from(of(&run, "orders", Role::Fresh).as_slice());
        assert!(is_of_run(&tags, "orders", &run) && has_role(&tags, Role::Fresh));
        assert!(!is_of_run(&tags, "orders", &other) && is_of_sync(&tags, "orders"));
        assert!(!is_of_sync(&tags, "customers"));
        assert!(
            !is_of_sync(&Tags::from([tag(SYNC, "orders")].as_slice()), "orders"),
            "someone else may use the same words"
        );
    }
}
