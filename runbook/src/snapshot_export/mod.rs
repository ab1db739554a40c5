//! What the states of an export share: the policy that the run goes by, names, and what stands
//! beside the files.

pub mod manifest;
pub mod names;
pub mod reconciliation;

use policy::{Export, Policy};

use crate::{
    Context, Error, Result, Run,
    error::Then,
    kept_policy::{self, POLICY_KEY},
    store::Store,
};

/// The export of that name, as the policy stood when the run began.
pub async fn policy(cx: &Context, run: &Run, export: &str) -> Result<Export> {
    let kept = kept_policy::kept(cx, run).await?;
    one(&kept, export).cloned()
}

pub fn one<'a>(policy: &'a Policy, export: &str) -> Result<&'a Export> {
    let known = policy.exports.keys().cloned().collect::<Vec<_>>().join(", ");
    policy.exports.get(export).ok_or_else(|| {
        Error::refused(format!("{POLICY_KEY} knows no export {export:?}; it has: {known}"))
            .fix("name one of these")
            .then(Then::StartAgain)
    })
}

/// The bucket that the files lie in.
pub fn bucket(cx: &Context, export: &Export) -> Store {
    cx.store.in_bucket(&export.bucket)
}

/// AWS's S3Prefix: everything of an export lies in one folder, and below it a folder a task.
pub fn prefix(export: &Export, name: &str) -> String {
    export.folder(name).trim_end_matches('/').to_owned()
}
