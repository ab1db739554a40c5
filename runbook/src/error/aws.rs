//! What a failed call of AWS means to a state.

use aws_credential_types::provider::error::CredentialsError;
use aws_runtime::retries::classifiers::{THROTTLING_ERRORS, TRANSIENT_ERRORS};
use aws_sdk_sts::{error::SdkError, operation::assume_role::AssumeRoleError};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use super::{Error, Then};
use crate::aurora::Fault;

/// An AWS call that failed. What may pass by itself is looked at again; the rest is shown as AWS
/// said it.
pub fn aws<E>(action: &str) -> impl FnOnce(SdkError<E>) -> Error + '_
where
    E: std::error::Error + ProvideErrorMetadata + 'static,
{
    move |error| sort(action, &error)
}

/// What may pass is what the SDK itself would try again: its codes, and HTTP 500, 502, 503 and 504
/// (https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html).
fn sort<E>(action: &str, error: &SdkError<E>) -> Error
where
    E: std::error::Error + ProvideErrorMetadata + 'static,
{
    let SdkError::ServiceError(context) = error else { return not_sent(action, error) };
    let (code, message) =
        (context.err().code().unwrap_or("no code"), context.err().message().unwrap_or("no message"));
    if THROTTLING_ERRORS.contains(&code)
        || TRANSIENT_ERRORS.contains(&code)
        || matches!(context.raw().status().as_u16(), 500 | 502 | 503 | 504)
    {
        return Error::NotReady(format!("AWS to answer {action} ({code}: {message})"));
    }
    match code {
        // The last is EC2's.
        "AccessDenied" | "AccessDeniedException" | "AccessDeniedFault" | "UnauthorizedOperation" => {
            Error::refused(format!("{action} is not allowed: {message}"))
                .changed("nothing by this call")
                .fix("grant this state's role the permission")
                .then(Then::Redrive)
        }
        "NoSuchBucket" => Error::refused(format!("{action}: there is no such bucket ({message})"))
            .changed("nothing by this call")
            .fix("make the bucket that the policy names")
            .then(Then::Redrive),
        // Busy with something, most often with what an earlier call of ours began: the next look
        // tells.
        _ if Fault::of(context.err()).is_some_and(Fault::is_busy) => {
            Error::Busy(format!("RDS to take {action} ({message})"))
        }
        _ => Error::unexpected(format!("{action}: {code}: {message}")),
    }
}

/// A call without an answer of the service. The SDK reports missing credentials, a role that may
/// not be assumed, names that do not resolve and connections that nobody takes all as a dispatch
/// failure: what it is stands in the chain of causes.
fn not_sent<E>(action: &str, error: &SdkError<E>) -> Error
where
    E: std::error::Error + ProvideErrorMetadata + 'static,
{
    let causes: Vec<&(dyn std::error::Error + 'static)> =
        std::iter::successors(std::error::Error::source(error), |cause| cause.source()).collect();
    let chain = causes.iter().map(ToString::to_string).collect::<Vec<_>>().join(": ");
    let chain = if chain.is_empty() { error.to_string() } else { chain };
    for cause in &causes {
        if let Some(denied) = cause.downcast_ref::<SdkError<AssumeRoleError>>() {
            return sort("sts:AssumeRole", denied);
        }
    }
    match causes.iter().find_map(|cause| cause.downcast_ref::<CredentialsError>()) {
        Some(CredentialsError::ProviderTimedOut(_)) => {
            Error::Unreachable(format!("AWS to hand out credentials for {action} ({chain})"))
        }
        Some(_) => Error::refused(format!("{action} was not sent, for there are no credentials: {chain}"))
            .changed("nothing by this call")
            .fix("give this function or task its role")
            .then(Then::Redrive),
        None => match error {
            SdkError::ConstructionFailure(_) => Error::unexpected(format!("{action}: {chain}")),
            SdkError::ResponseError(_) => {
                Error::NotReady(format!("AWS to answer {action} in full ({chain})"))
            }
            _ => Error::Unreachable(format!("AWS to answer {action} (lost on its way: {chain})")),
        },
    }
}
