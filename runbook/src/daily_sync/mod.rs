//! What the states of a sync share: the policy that the run goes by, its names and tags, how the
//! quarantine has to be, and the attestation.

pub mod attestation;
pub mod names;
pub mod quarantine;
pub mod secret;
pub mod tags;

use policy::{Policy, Sync, Target};

use crate::{Context, Error, Result, Run, error::Then, store::When};

/// The policy of today, as an administrator puts it into the run bucket.
pub const POLICY_KEY: &str = "policy.yaml";

fn kept_key(run: &Run) -> String {
    format!("{}/{POLICY_KEY}", run.prefix())
}

/// Fixes the policy of this run: whoever edits `policy.yaml` while it runs edits the next one. A
/// run that cleans up after another goes by that one's, which says where its things are; one that
/// was stopped before it had fixed any has made nothing.
pub async fn keep_policy(cx: &Context, run: &Run, sync: &str, after: Option<&Run>) -> Result<Sync> {
    if let Some(kept) = cx.store.get_text(&kept_key(run)).await? {
        return one(&kept, sync);
    }
    let former = match after {
        Some(after) => cx.store.get_text(&kept_key(after)).await?,
        None => None,
    };
    let text = match former {
        Some(former) => Some(former),
        None => cx.store.get_text(POLICY_KEY).await?,
    };
    let text = text.ok_or_else(|| {
        Error::refused(format!(
            "there is no s3://{}/{POLICY_KEY}, the policy that says what a sync does",
            cx.store.bucket
        ))
        .fix("put it there")
        .then(Then::StartAgain)
    })?;
    // What is malformed is refused and not kept: fixing the file and a redrive are enough.
    let policy = one(&text, sync)?;
    match cx.store.put_when(&kept_key(run), "application/yaml", text.into_bytes(), When::Absent).await? {
        true => Ok(policy),
        // Another attempt of this state was faster, and may have read another edit.
        false => self::policy(cx, run, sync).await,
    }
}

/// The sync of that name, as the policy stood when the run began.
pub async fn policy(cx: &Context, run: &Run, sync: &str) -> Result<Sync> {
    let kept = cx.store.get_text(&kept_key(run)).await?.ok_or_else(|| {
        Error::conflict(format!(
            "s3://{}/{} is gone, the policy that this run goes by; today's may be another",
            cx.store.bucket,
            kept_key(run)
        ))
        .changed("nothing by this state")
        .then(Then::StartAgain)
    })?;
    one(&kept, sync)
}

fn one(text: &str, sync: &str) -> Result<Sync> {
    let mut policy = Policy::parse(text).map_err(|errors| {
        Error::refused(format!("{POLICY_KEY} is not a policy:\n{errors}"))
            .fix("fix it (`policy check` shows the same)")
            .then(Then::StartAgain)
    })?;
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
