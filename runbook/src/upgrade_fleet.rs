//! What a fleet starts: the name of each execution follows from the fleet's and the cluster's, so
//! that a lost answer starts no second one (StartExecution is idempotent by name: API reference),
//! and whoever reports finds it.

use crate::{Arn, Error, Result, Run, rehearse_upgrade, state::beside};

pub const RUNBOOK: &str = "upgrade-fleet";

/// The name of an execution that a fleet has started begins so.
pub const CHILD: &str = "fleet-";

/// At most 6 + 8 + 1 + 63 of the 80 characters that a name may have.
pub fn child_name(fleet: &Run, cluster: &str) -> String {
    format!("{CHILD}{}-{cluster}", fleet.short_id())
}

/// The fleet's rehearsal of that cluster.
pub fn rehearsal_of(fleet: &Run, cluster: &str) -> Result<Arn> {
    child(fleet, rehearse_upgrade::RUNBOOK, cluster)
}

/// The fleet's upgrade of that cluster.
pub fn upgrade_of(fleet: &Run, cluster: &str) -> Result<Arn> {
    child(fleet, "major-upgrade", cluster)
}

fn child(fleet: &Run, runbook: &str, cluster: &str) -> Result<Arn> {
    let machine = beside(fleet, RUNBOOK, runbook);
    let machine = machine.ok_or_else(|| Error::unexpected(format!("{} is no {RUNBOOK}", fleet.execution)))?;
    Arn::try_from(format!("{machine}:{}", child_name(fleet, cluster))).map_err(Error::unexpected)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_fleet_starts_is_beside_it_under_a_name_that_step_functions_takes() {
        let fleet = Run::of("arn:aws:states:eu-west-1:444455556666:execution:live-upgrade-fleet:one");
        let cluster = "a".repeat(63);
        assert!(child_name(&fleet, &cluster).len() <= 80);
        let expected = format!(
            "arn:aws:states:eu-west-1:444455556666:execution:live-rehearse-upgrade:{}",
            child_name(&fleet, &cluster)
        );
        assert_eq!(rehearsal_of(&fleet, &cluster).unwrap().as_str(), expected);
        let upgrade = Run::of(upgrade_of(&fleet, "orders").unwrap().as_str());
        assert!(upgrade_of(&upgrade, "orders").is_err());
    }
}
