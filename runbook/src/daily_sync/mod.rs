//! What the states of a sync share: the policy that the run goes by, its names and tags, and the
//! attestation.

pub mod attestation;
pub mod names;
pub mod secret;
pub mod tags;

use policy::{Policy, Sync, Target};

use crate::{Context, Error, Result, Run, store::When};

/// The policy of today, as an administrator puts it into the run bucket.
pub const POLICY_KEY: &str = "policy.yaml";

fn kept_key(run: &Run) -> String {
    format!("{}/{POLICY_KEY}", run.prefix())
}

/// Fixes the policy of this run: whoever edits `policy.yaml` while it runs edits the next one.
pub async fn keep_policy(cx: &Context, run: &Run, sync: &str) -> Result<Sync> {
    if cx.store.get_text(&kept_key(run)).await?.is_none() {
        let text = cx.store.get_text(POLICY_KEY).await?.ok_or_else(|| missing(cx))?;
        // What is malformed is refused and not kept: mending the file and a redrive are enough.
        one(&text, sync)?;
        cx.store.put_when(&kept_key(run), "application/yaml", text.into_bytes(), When::Absent).await?;
    }
    policy(cx, run, sync).await
}

/// The sync of that name, as the policy stood when the run began.
pub async fn policy(cx: &Context, run: &Run, sync: &str) -> Result<Sync> {
    let kept = cx.store.get_text(&kept_key(run)).await?;
    let text = match kept {
        Some(text) => text,
        None => cx.store.get_text(POLICY_KEY).await?.ok_or_else(|| missing(cx))?,
    };
    one(&text, sync)
}

fn one(text: &str, sync: &str) -> Result<Sync> {
    let mut policy = Policy::parse(text).map_err(|errors| {
        Error::Refused(format!(
            "{POLICY_KEY} is not a policy; nothing was touched.\n{errors}\nMend it, then run this again."
        ))
    })?;
    let known = policy.syncs.keys().cloned().collect::<Vec<_>>().join(", ");
    policy.syncs.remove(sync).ok_or_else(|| {
        Error::Refused(format!("{POLICY_KEY} knows no sync {sync:?}; it has: {known}. Nothing was touched."))
    })
}

fn missing(cx: &Context) -> Error {
    Error::Refused(format!(
        "there is no s3://{}/{POLICY_KEY}, the policy that says what a sync does. Nothing was touched. Put \
        it there, then run this again.",
        cx.store.bucket
    ))
}

/// The target of that name in the sync's policy.
pub fn target<'a>(sync: &'a Sync, name: &str) -> Result<&'a Target> {
    sync.targets.iter().find(|target| target.cluster == name).ok_or_else(|| {
        Error::Refused(format!("the policy of this run has no target {name:?}. Nothing was touched."))
    })
}
