//! How a quarantine has to be set up, so that a raw copy is safe in it: shut by its security group,
//! quiet by its parameter group (docs/policy.md). RestoreQuarantine asks before there is a copy,
//! AttestSanitized again after the masking.

pub mod network;
pub mod settings;

use crate::{Context, Error, Result, error::Then, security_groups::security_group};

/// Refuses what is open or tells. There is no cluster yet: its port is not known, nor what its
/// server goes by.
pub async fn before_a_restore(
    cx: &Context,
    security_groups: &[String],
    parameter_group: &str,
    workers: &[String],
) -> Result<()> {
    let mut wrong = Vec::new();
    for id in security_groups {
        wrong.extend(network::check(&security_group(cx, id).await?, workers, None));
    }
    let values = settings::of_group(cx, parameter_group).await?;
    wrong.extend(settings::check(parameter_group, &values, None));
    if wrong.is_empty() {
        return Ok(());
    }
    Err(Error::refused(format!(
        "the quarantine is not set up as it has to be, so no copy is restored into it; {} things are \
        wrong:\n- {}",
        wrong.len(),
        wrong.join("\n- ")
    ))
    .changed("nothing by this state")
    .fix("change what is named (docs/policy.md, The quarantine)")
    .then(Then::StartAgain))
}
