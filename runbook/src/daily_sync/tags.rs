//! The tags of what a run makes: they say whose it is, and what cleans up deletes by them.

use std::fmt::{self, Display};

use aws_sdk_rds::types::Tag;

use crate::{
    Run,
    aurora::{ResourceId, Tags},
    major_upgrade::MANAGED_BY,
};

pub const RUNBOOK: &str = "runbook";
pub const SYNC: &str = "sync";
pub const EXPORT: &str = "export";
/// On the clone of a rehearsal: the cluster that it is a clone of.
pub const REHEARSAL: &str = "rehearsal";
pub const EXECUTION: &str = "execution";
pub const ROLE: &str = "role";
pub const TARGET: &str = "target";
/// On a cluster that was replaced: when its successor was about to take its place.
pub const REPLACED_AT: &str = "replaced-at";
/// On the sanitised cluster and snapshot: the run that attested it.
pub const ATTESTED_RUN: &str = "attested-run";
/// On the sanitised snapshot: the DbClusterResourceId of the cluster that was attested.
pub const ATTESTED_RESOURCE: &str = "attested-resource";

/// On an export's copy of a snapshot: from when on nobody is expected to go on with it.
pub const DELETE_AFTER: &str = "delete-after";

/// Whose runs made a thing, by the name in the policy; a rehearsal's, by the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Maker<'a> {
    Sync(&'a str),
    Export(&'a str),
    Rehearsal(&'a str),
}

impl<'a> Maker<'a> {
    /// The export whose run made what has these tags.
    pub fn export(tags: &'a Tags) -> Option<Self> {
        tags.get(EXPORT).map(Self::Export).filter(|maker| maker.made(tags))
    }

    /// The cluster whose rehearsal made what has these tags.
    pub fn rehearsal(tags: &'a Tags) -> Option<Self> {
        tags.get(REHEARSAL).map(Self::Rehearsal).filter(|maker| maker.made(tags))
    }

    fn runbook(self) -> &'static str {
        match self {
            Self::Sync(_) => "daily-sync",
            Self::Export(_) => "snapshot-export",
            Self::Rehearsal(_) => "rehearse-upgrade",
        }
    }

    pub fn name(self) -> &'a str {
        let (Self::Sync(name) | Self::Export(name) | Self::Rehearsal(name)) = self;
        name
    }

    fn key(self) -> &'static str {
        match self {
            Self::Sync(_) => SYNC,
            Self::Export(_) => EXPORT,
            Self::Rehearsal(_) => REHEARSAL,
        }
    }

    /// The tags of something that this run makes.
    pub fn tags(self, run: &Run, role: Role) -> Vec<Tag> {
        let (managed_by, us) = MANAGED_BY;
        [
            (managed_by, us),
            (RUNBOOK, self.runbook()),
            (self.key(), self.name()),
            (EXECUTION, run.name()),
            (ROLE, role.as_str()),
        ]
        .map(|(key, value)| tag(key, value))
        .into()
    }

    /// By whichever run.
    pub fn made(self, tags: &Tags) -> bool {
        tags.is(MANAGED_BY.0, MANAGED_BY.1)
            && tags.is(RUNBOOK, self.runbook())
            && tags.is(self.key(), self.name())
    }

    pub fn made_in(self, tags: &Tags, run: &Run) -> bool {
        self.made(tags) && tags.is(EXECUTION, run.name())
    }
}

impl Display for Maker<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the {} {}", self.key(), self.name())
    }
}

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

/// Whose attestation a snapshot, or what was restored from it, carries.
pub fn attested(run: &str, resource_id: &ResourceId) -> [Tag; 2] {
    [tag(ATTESTED_RUN, run), tag(ATTESTED_RESOURCE, resource_id.as_str())]
}

/// The tags of something that this run makes.
pub fn of(run: &Run, sync: &str, role: Role) -> Vec<Tag> {
    Maker::Sync(sync).tags(run, role)
}

/// Made by a run of this sync, whichever.
pub fn is_of_sync(tags: &Tags, sync: &str) -> bool {
    Maker::Sync(sync).made(tags)
}

/// Made by this run.
pub fn is_of_run(tags: &Tags, sync: &str, run: &Run) -> bool {
    Maker::Sync(sync).made_in(tags, run)
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
