//! Our own copy of a snapshot that another account has shared.

use aws_sdk_rds::types::Tag;
use runbook::{
    Arn, Context, Error, Result, Run,
    aurora::{Fault, message},
    error::{Then, aws},
};

/// Begins it. Whose the name is shows at the next look. What a person has to fix leads to `then`.
pub async fn begin(
    cx: &Context,
    run: &Run,
    from: &Arn,
    name: &str,
    kms_key: &str,
    tags: Vec<Tag>,
    then: Then,
) -> Result<()> {
    let copy = cx.rds.copy_db_cluster_snapshot().source_db_cluster_snapshot_identifier(from.as_str());
    let copy = copy.target_db_cluster_snapshot_identifier(name).kms_key_id(kms_key);
    let Err(error) = copy.copy_tags(false).set_tags(Some(tags)).send().await else { return Ok(()) };
    Err(match Fault::of(&error) {
        // Another attempt of this state was faster.
        Some(Fault::DBClusterSnapshotAlreadyExistsFault) => return Ok(()),
        // A share is seen in the other account after a moment.
        Some(Fault::DBClusterSnapshotNotFoundFault) if run.waited(cx.clock.now()).as_secs() < 600 => {
            Error::NotReady(format!("snapshot {from} to be seen in this account"))
        }
        Some(Fault::DBClusterSnapshotNotFoundFault) => {
            Error::failed(format!("the snapshot {from} is gone, or no longer shared"))
                .changed("nothing")
                .then(Then::StartAgain)
        }
        Some(Fault::InvalidDBClusterSnapshotStateFault) => {
            Error::Busy(format!("snapshot {from} to be copyable ({})", message(&error)))
        }
        fault => match fault.and_then(Fault::needs_a_person) {
            Some(remedy) => Error::refused(format!("RDS does not copy {from}: {}", message(&error)))
                .fix(remedy)
                .then(then),
            None => aws("rds:CopyDBClusterSnapshot")(error),
        },
    })
}
