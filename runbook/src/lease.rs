//! One run at a time on a cluster: an S3 object whose holder is an execution.
//!
//! There is nothing to release: a lease whose execution is no longer running is free, whatever
//! ended it.

use aws_sdk_sfn::types::ExecutionStatus;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    Arn, Context, Error, Result, Run,
    error::{Then, aws},
    store::When,
};

#[derive(Debug, Serialize, Deserialize)]
struct Lease {
    execution: Arn,
    taken: Timestamp,
}

/// Takes the lease for this run, or says [`Error::Conflict`] with the execution that holds it.
pub async fn take(cx: &Context, run: &Run, resource: &str) -> Result<()> {
    let key = format!("leases/{resource}.json");
    let lease = Lease { execution: run.execution.clone(), taken: cx.clock.now() };
    let Some((held, etag)) = cx.store.get_json_tagged::<Lease>(&key).await? else {
        return won(cx.store.put_json_when(&key, &lease, When::Absent).await?, resource);
    };
    if held.execution == run.execution {
        return Ok(());
    }
    if is_running(cx, &held.execution).await? {
        return Err(Error::conflict(format!(
            "{} works on {resource} since {}. Two runs on one cluster would undo each other's work",
            held.execution, held.taken
        ))
        .fix(format!(
            "wait for it, or stop it: aws stepfunctions stop-execution --execution-arn {}",
            held.execution
        ))
        .then(Then::StartAgain));
    }
    won(cx.store.put_json_when(&key, &lease, When::Unchanged(&etag)).await?, resource)
}

/// Takes the lease unless any execution has ever taken it, one that has ended too: answers that
/// one. So what starts by itself is begun at most once.
pub async fn claim(cx: &Context, run: &Run, resource: &str) -> Result<Option<Arn>> {
    let key = format!("leases/{resource}.json");
    if let Some(held) = cx.store.get_json::<Lease>(&key).await? {
        return Ok(Some(held.execution).filter(|holder| *holder != run.execution));
    }
    let lease = Lease { execution: run.execution.clone(), taken: cx.clock.now() };
    won(cx.store.put_json_when(&key, &lease, When::Absent).await?, resource)?;
    Ok(None)
}

/// A lost race is looked at again: the winner is then seen as the holder.
fn won(won: bool, resource: &str) -> Result<()> {
    if won {
        Ok(())
    } else {
        Err(Error::NotReady(format!("the lease on {resource}, which another execution takes at this moment")))
    }
}

/// Whether the execution is at work, maybe again.
pub async fn is_running(cx: &Context, execution: &Arn) -> Result<bool> {
    match cx.sfn.describe_execution().execution_arn(execution.as_str()).send().await {
        Ok(answer) => Ok(*answer.status() == ExecutionStatus::Running),
        // Step Functions forgets an execution 90 days after it closed (quotas page).
        Err(error) if error.code() == Some("ExecutionDoesNotExist") => Ok(false),
        Err(error) => Err(aws("states:DescribeExecution")(error)),
    }
}
