//! What the states of a sync share: the policy that the run goes by, its names and tags, how the
//! quarantine has to be, and the attestation.

pub mod attestation;
pub mod names;
pub mod quarantine;
pub mod secret;
pub mod tags;

use policy::{Policy, Sync, Target};

pub use crate::kept_policy::POLICY_KEY;
use crate::{Context, Error, Result, Run, error::Then, kept_policy};

/// The sync of that name, as the policy stands when the run begins, or as `after` went by it.
pub async fn keep_policy(cx: &Context, run: &Run, sync: &str, after: Option<&Run>) -> Result<Sync> {
    kept_policy::keep(cx, run, after, |policy| one(policy, sync)).await
}

/// The sync of that name, as the policy stood when the run began.
pub async fn policy(cx: &Context, run: &Run, sync: &str) -> Result<Sync> {
    one(kept_policy::kept(cx, run).await?, sync)
}

fn one(mut policy: Policy, sync: &str) -> Result<Sync> {
    let known = policy.syncs.keys().cloned().collect::<Vec<_>>().join(", ");
    policy.syncs.remove(sync).ok_or_else(|| {
        Error::refused(format!("{POLICY_KEY} knows no sync {sync:?}; it has: {known}"))
            .fix("name one of these")
            .then(Then::StartAgain)
    })
}

/// The target of that name in the sync's policy.
pub fn target<'a>(sync: &'a Sync, name: &str) -> Result<&'a Target> {
    let found = sync.targets.iter().find(|target| target.cluster == name);
    found.ok_or_else(|| Error::refused(format!("the policy of this run has no target {name:?}")))
}
