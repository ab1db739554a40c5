//! A denied call that is looked at again before it is believed.
//!
//! The role may not do it; or what it was to be done to has lost that name: the policies ask for
//! tags of what they allow to change, and a name that nothing has, or that a rename is taking away,
//! carries none (infra/iam/README.md). Only the first needs a person.

use aws_sdk_rds::error::{ProvideErrorMetadata, SdkError};
use runbook::{
    Context, Error, Result,
    aurora::{self, Status, is_denied, message},
    error::aws,
};

/// What a failed call on that cluster means, when no fault of RDS's says it.
pub async fn on_cluster<E>(cx: &Context, action: &str, name: &str, error: SdkError<E>) -> Error
where
    E: std::error::Error + ProvideErrorMetadata + 'static,
{
    let status = async || Ok(aurora::find_cluster(cx, name).await?.map(|cluster| cluster.status));
    look_again(action, name, error, status).await
}

/// The same of an instance.
pub async fn on_instance<E>(cx: &Context, action: &str, name: &str, error: SdkError<E>) -> Error
where
    E: std::error::Error + ProvideErrorMetadata + 'static,
{
    let status = async || Ok(aurora::find_instance(cx, name).await?.map(|instance| instance.status));
    look_again(action, name, error, status).await
}

async fn look_again<E>(
    action: &str,
    name: &str,
    error: SdkError<E>,
    status: impl AsyncFnOnce() -> Result<Option<Status>>,
) -> Error
where
    E: std::error::Error + ProvideErrorMetadata + 'static,
{
    if !is_denied(&error) {
        return aws(action)(error);
    }
    match status().await {
        Err(failed) => failed,
        Ok(Some(status)) if status != Status::Renaming => aws(action)(error),
        Ok(_) => Error::NotReady(format!("{name} to be shown again, or no more ({})", message(&error))),
    }
}
