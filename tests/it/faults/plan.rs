//! Which faults a run meets, as one line that can be typed.

use std::{fmt, str::FromStr};

use sandbox::{
    Sandbox,
    faults::{Fault, Kind},
};

use super::runbooks::Runbook;
use crate::harness::CallSite;

/// The kinds that a single call can meet.
pub const KINDS: [Kind; 8] = [
    Kind::Throttle,
    Kind::ServerError,
    Kind::TimeoutBefore,
    Kind::TimeoutAfter,
    Kind::KillBefore,
    Kind::KillAfter,
    Kind::Denied,
    Kind::Stale,
];

#[derive(Debug, Clone, PartialEq)]
pub struct Planned {
    pub kind: Kind,
    pub site: CallSite,
    /// How many such calls pass first.
    pub after: u32,
    pub times: u32,
}

impl Planned {
    pub fn once(kind: Kind, site: &CallSite) -> Self {
        Self { kind, site: site.clone(), after: 0, times: 1 }
    }

    pub fn fault(&self) -> Fault {
        let CallSite { principal, service, action } = &self.site;
        Fault::once(self.kind, service, action).by(principal).after(self.after).times(self.times)
    }
}

/// `KillAfter@swap-target/rds:ModifyDBCluster+1x3`: three times, the first such call passes.
impl fmt::Display for Planned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let CallSite { principal, service, action } = &self.site;
        write!(f, "{:?}@{principal}/{service}:{action}+{}x{}", self.kind, self.after, self.times)
    }
}

impl FromStr for Planned {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parse = || {
            let (kind, rest) = text.split_once('@')?;
            let (principal, rest) = rest.split_once('/')?;
            let (service, rest) = rest.split_once(':')?;
            let (action, rest) = rest.split_once('+')?;
            let (after, times) = rest.split_once('x')?;
            let kind = KINDS.into_iter().find(|known| format!("{known:?}") == kind)?;
            let (principal, service, action) = (principal.into(), service.into(), action.into());
            let site = CallSite { principal, service, action };
            Some(Self { kind, site, after: after.parse().ok()?, times: times.parse().ok()? })
        };
        parse().ok_or_else(|| format!("{text:?} is not KIND@PRINCIPAL/SERVICE:ACTION+AFTERxTIMES"))
    }
}

/// A run of a runbook and what it meets.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    pub runbook: Runbook,
    pub faults: Vec<Planned>,
}

impl Plan {
    pub fn lay(&self, sandbox: &Sandbox) {
        self.faults.iter().for_each(|planned| sandbox.gateway.lay(planned.fault()));
    }

    /// Runs it again, and shrinks it to the faults that it needs to fail.
    pub fn command(&self) -> String {
        format!("FAULT_PLAN='{self}' cargo test -p tests --test it -- several_faults")
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.runbook.name())?;
        self.faults.iter().try_for_each(|fault| write!(f, " {fault}"))
    }
}

impl FromStr for Plan {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut words = text.split_whitespace();
        let name = words.next().unwrap_or_default();
        let runbook = Runbook::ALL.into_iter().find(|runbook| runbook.name() == name);
        let runbook = runbook.ok_or_else(|| format!("there is no runbook {name:?}"))?;
        Ok(Self { runbook, faults: words.map(str::parse).collect::<Result<_, _>>()? })
    }
}

#[test]
fn a_plan_is_read_as_it_was_written() {
    let line =
        "daily-sync KillAfter@swap-target/rds:ModifyDBCluster+1x1 Stale@clean-up/rds:DescribeDBClusters+0x2";
    let plan: Plan = line.parse().unwrap();
    assert_eq!((plan.to_string().as_str(), plan.faults[1].times), (line, 2));
    for wrong in
        ["weekly-sync", "daily-sync Kill@swap-target/rds:ModifyDBCluster+1x1", "daily-sync Stale@a/b:c"]
    {
        assert!(wrong.parse::<Plan>().is_err(), "{wrong}");
    }
}
