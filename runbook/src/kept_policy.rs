//! The policy that a run goes by: today's, kept in the run's folder when the run begins.

use std::sync::Arc;

use parking_lot::Mutex;
use policy::{Errors, Policy};

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
    read: impl Fn(&Arc<Policy>) -> Result<T>,
) -> Result<T> {
    if let Some(kept) = cx.store.get_text(&kept_key(run)).await? {
        return read(&parse(&kept)?);
    }
    let former = match after {
        Some(after) => cx.store.get_text(&kept_key(after)).await?,
        None => None,
    };
    let text = match former {
        Some(former) => Some(former),
        None => today(cx).await?,
    };
    let text = text.ok_or_else(|| {
        Error::refused(format!(
            "there is no s3://{}/{POLICY_KEY}, the policy that says what a run does",
            cx.store.bucket
        ))
        .fix("put it there")
        .then(Then::StartAgain)
    })?;
    let policy = read(&parse(&text)?)?;
    match cx.store.put_when(&kept_key(run), "application/yaml", text.into_bytes(), When::Absent).await? {
        true => Ok(policy),
        // Another attempt of this state was faster, and may have read another edit.
        false => read(&kept(cx, run).await?),
    }
}

/// The policy as it stands now; none where nothing goes by one.
pub async fn of_today(cx: &Context) -> Result<Option<Arc<Policy>>> {
    cx.store.get_text(POLICY_KEY).await?.as_deref().map(parse).transpose()
}

/// The policy as it stood when the run began.
pub async fn kept(cx: &Context, run: &Run) -> Result<Arc<Policy>> {
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

/// A policy of 100,000 tables has a tenth of it.
const LARGEST: usize = 32 << 20;

/// Today's, which a person wrote: what is wrong with it is theirs to fix.
async fn today(cx: &Context) -> Result<Option<String>> {
    let refused = |why: &str| {
        Error::refused(format!("s3://{}/{POLICY_KEY} {why}", cx.store.bucket))
            .fix("put a policy there (`policy check` reads it as a run does)")
            .then(Then::StartAgain)
    };
    let Some(bytes) = cx.store.get_up_to(POLICY_KEY, LARGEST).await? else { return Ok(None) };
    let bytes = bytes.map_err(|size| refused(&format!("has {size} bytes, more than {LARGEST}")))?;
    String::from_utf8(bytes)
        .map(Some)
        .map_err(|error| refused(&format!("is not UTF-8 from byte {} on", error.utf8_error().valid_up_to())))
}

fn parse(text: &str) -> Result<Arc<Policy>> {
    read(text).map_err(|errors| {
        Error::refused(format!("{POLICY_KEY} is not a policy:\n{errors}"))
            .fix("fix it (`policy check` shows the same)")
            .then(Then::StartAgain)
    })
}

/// The last one. A warm function is asked again every few seconds, and a policy of hundreds of
/// syncs takes it longer to read than all else.
static LAST: Mutex<Option<(String, Arc<Policy>)>> = Mutex::new(None);

pub fn read(text: &str) -> std::result::Result<Arc<Policy>, Errors> {
    if let Some((_, last)) = LAST.lock().as_ref().filter(|(of, _)| of == text) {
        return Ok(last.clone());
    }
    let policy = Arc::new(Policy::parse(text)?);
    *LAST.lock() = Some((text.to_owned(), policy.clone()));
    Ok(policy)
}
