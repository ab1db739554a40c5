//! What a rehearsal finds out, for the upgrade that is to come: its record, by cluster and not by
//! execution, so that an upgrade finds the last one.

pub mod plans;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    Arn, Error, Result, Run,
    aurora::{EngineVersion, ResourceId},
    state::beside,
    upgrade_fleet,
};

pub const RUNBOOK: &str = "rehearse-upgrade";

/// What happened to the clone, in Step Functions' and RDS's own words and times.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Rehearsal {
    /// The execution of rehearse-upgrade, whose output is this record.
    pub execution: Arn,
    pub summary: String,
    /// The cluster that was cloned.
    pub cluster: String,
    pub resource_id: ResourceId,
    pub from: EngineVersion,
    /// The versions that the clone went through.
    pub path: Vec<EngineVersion>,
    /// When the clone had come to its target.
    pub rehearsed: Timestamp,
    /// How long the states took, in order.
    pub phases: Vec<Phase>,
    /// Nobody could write. Absent when RDS showed no event by which it can be measured.
    pub downtime: Option<Span>,
    /// Maintenance, snapshot and upgrade together: what has to fit in a window.
    pub duration: Span,
    /// What InspectDatabases found, as a skip list names it; at most 200.
    pub findings: Vec<String>,
    /// Absent when nothing was compared.
    pub plans: Option<Plans>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Phase {
    pub state: String,
    pub seconds: u64,
}

/// Seconds on the clone, and the most that is expected of the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Span {
    pub measured: u64,
    pub at_most: u64,
}

impl Span {
    /// A clone has no reader, no maintenance pending, no clients and no writes at the moment, and a
    /// cold cache: how much that makes, nobody has published. Twice the measured is the allowance.
    pub fn of(measured: u64) -> Self {
        Self { measured, at_most: 2 * measured }
    }

    /// As people say it: `7 to 14 min`.
    pub fn words(self) -> String {
        let Self { measured, at_most } = self;
        match at_most {
            0..120 => format!("{measured} to {at_most} s"),
            _ => format!("{} to {} min", measured.div_ceil(60), at_most.div_ceil(60)),
        }
    }
}

/// Of the queries that take most time: how many plans are others after the upgrade.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Plans {
    pub compared: u64,
    pub changed: u64,
}

pub fn rehearsal_key(resource_id: &ResourceId) -> String {
    format!("upgrades/{resource_id}/rehearsal.json")
}

/// The name of the upgrade of a clone begins so.
pub const UPGRADE: &str = "rehearsal-";

/// The execution of major-upgrade that a rehearsal starts on its clone: its name follows from the
/// rehearsal's, so that who cleans up finds it.
pub fn upgrade_of(rehearsal: &Run) -> Result<Arn> {
    let machine = beside(rehearsal, RUNBOOK, "major-upgrade");
    let machine =
        machine.ok_or_else(|| Error::unexpected(format!("{} is no {RUNBOOK}", rehearsal.execution)))?;
    Arn::try_from(format!("{machine}:{}", upgrade_name(rehearsal))).map_err(Error::unexpected)
}

pub fn upgrade_name(rehearsal: &Run) -> String {
    format!("{UPGRADE}{}", rehearsal.short_id())
}

/// Whether it is an execution of the rehearse-upgrade beside this run's state machine, which is
/// that of an upgrade or of a fleet of them.
pub fn is_rehearsal(execution: &Arn, run: &Run) -> bool {
    let machine = execution.as_str().rsplit_once(':').map(|(machine, _)| machine.to_owned());
    let beside = ["major-upgrade", upgrade_fleet::RUNBOOK].iter().find_map(|from| beside(run, from, RUNBOOK));
    machine.is_some() && machine == beside
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_upgrade_of_a_rehearsal_is_beside_it() {
        let run = Run::of("arn:aws:states:eu-west-1:444455556666:execution:live-rehearse-upgrade:one");
        let upgrade = upgrade_of(&run).unwrap();
        let name = upgrade_name(&run);
        let expected = format!("arn:aws:states:eu-west-1:444455556666:execution:live-major-upgrade:{name}");
        assert_eq!(upgrade.as_str(), expected);
        let upgrade = Run::of(upgrade.as_str());
        assert!(is_rehearsal(&run.execution, &upgrade) && !is_rehearsal(&upgrade.execution, &upgrade));
        let elsewhere = Run::of("arn:aws:states:eu-west-1:999955556666:execution:live-rehearse-upgrade:one");
        assert!(!is_rehearsal(&elsewhere.execution, &upgrade));
        assert!(upgrade_of(&upgrade).is_err());
    }

    #[test]
    fn a_span_is_said_in_the_unit_that_people_would_use() {
        assert_eq!(Span::of(40).words(), "40 to 80 s");
        assert_eq!(Span::of(420).words(), "7 to 14 min");
    }
}
