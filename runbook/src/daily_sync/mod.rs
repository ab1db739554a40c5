//! What the states of a sync share: the policy that the run goes by, its names and tags, how the
//! quarantine has to be, and the attestation.

pub mod attestation;
pub mod names;
pub mod quarantine;
pub mod secret;
pub mod tags;

use policy::{Masking, Policy, Quarantine, Sync, Target};

pub use crate::kept_policy::POLICY_KEY;
use crate::{Context, Error, Result, Run, error::Then, kept_policy};

/// The sync of that name, as the policy stands when the run begins, or as `after` went by it.
pub async fn keep_policy(cx: &Context, run: &Run, sync: &str, after: Option<&Run>) -> Result<Sync> {
    kept_policy::keep(cx, run, after, |policy| one(policy, sync)).await
}

/// The sync of that name, as the policy stood when the run began.
pub async fn policy(cx: &Context, run: &Run, sync: &str) -> Result<Sync> {
    let kept = kept_policy::kept(cx, run).await?;
    one(&kept, sync)
}

fn one(policy: &Policy, sync: &str) -> Result<Sync> {
    let known = policy.syncs.keys().cloned().collect::<Vec<_>>().join(", ");
    policy.syncs.get(sync).cloned().ok_or_else(|| {
        Error::refused(format!("{POLICY_KEY} knows no sync {sync:?}; it has: {known}"))
            .fix("name one of these")
            .then(Then::StartAgain)
    })
}

/// How a sync of a cluster makes it harmless, and where.
pub fn sanitizing(sync: &Sync) -> Result<(&Quarantine, &Masking)> {
    let both = sync.quarantine.as_ref().zip(sync.masking.as_ref());
    both.ok_or_else(|| {
        Error::refused(format!(
            "this sync takes what {} has sanitised, and masks nothing",
            sync.source.name()
        ))
        .then(Then::StartAgain)
    })
}

/// The key that encrypts the targets.
pub fn targets_key(sync: &Sync) -> Result<&str> {
    let key = sync.targets_key();
    key.ok_or_else(|| Error::refused("the policy of this run names no key for the targets"))
}

/// The target of that name in the sync's policy.
pub fn target<'a>(sync: &'a Sync, name: &str) -> Result<&'a Target> {
    let found = sync.targets.iter().find(|target| target.cluster == name);
    found.ok_or_else(|| Error::refused(format!("the policy of this run has no target {name:?}")))
}
