//! The policy that a run goes by: today's, kept in the run's folder when the run begins.

use policy::Policy;

use crate::{Context, Error, Result, Run, error::Then, store::When};

/// The policy of today, as an administrator puts it into the run bucket.
pub const POLICY_KEY: &str = "policy.yaml";

fn kept_key(run: &Run) -> String {
    format!("{}/{POLICY_KEY}", run.prefix())
}

/// Fixes the policy of this run: whoever edits `policy.yaml` while it runs edits the next one. A
/// run that cleans up after another goes by that one's, which says where its things are; one that
/// was stopped before it had fixed any has made nothing. What `read` refuses is not kept: fixing
/// the file and a redrive are enough.
pub async fn keep<T>(
    cx: &Context,
    run: &Run,
    after: Option<&Run>,
    read: impl Fn(Policy) -> Result<T>,
) -> Result<T> {
    if let Some(kept) = cx.store.get_text(&kept_key(run)).await? {
        return read(parse(&kept)?);
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
            "there is no s3://{}/{POLICY_KEY}, the policy that says what a run does",
            cx.store.bucket
        ))
        .fix("put it there")
        .then(Then::StartAgain)
    })?;
    let policy = read(parse(&text)?)?;
    match cx.store.put_when(&kept_key(run), "application/yaml", text.into_bytes(), When::Absent).await? {
        true => Ok(policy),
        // Another attempt of this state was faster, and may have read another edit.
        false => read(kept(cx, run).await?),
    }
}

/// The policy as it stands now; none where nothing goes by one.
pub async fn of_today(cx: &Context) -> Result<Option<Policy>> {
    cx.store.get_text(POLICY_KEY).await?.as_deref().map(parse).transpose()
}

/// The policy as it stood when the run began.
pub async fn kept(cx: &Context, run: &Run) -> Result<Policy> {
    let kept = cx.store.get_text(&kept_key(run)).await?.ok_or_else(|| {
        Error::conflict(format!(
            "s3://{}/{} is gone, the policy that this run goes by; today's may be another",
            cx.store.bucket,
            kept_key(run)
        ))
        .changed("nothing by this state")
        .then(Then::StartAgain)
    })?;
    parse(&kept)
}

fn parse(text: &str) -> Result<Policy> {
    Policy::parse(text).map_err(|errors| {
        Error::refused(format!("{POLICY_KEY} is not a policy:\n{errors}"))
            .fix("fix it (`policy check` shows the same)")
            .then(Then::StartAgain)
    })
}
