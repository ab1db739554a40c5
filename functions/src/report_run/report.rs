//! The report of a run as data: what `runs/<execution>/report.json` holds, and what the page, the
//! messages and the metrics are made of. Its schema is docs/report.schema.json.
//!
//! Everything in it has been said by AWS, PostgreSQL or a person: whoever shows it escapes it.

use jiff::{SignedDuration, Timestamp};
use policy::Tell;
use runbook::{Arn, Finding, Run, state::default_deadline};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::sections::{
    Analyzed, Approval, Attestation, Copies, Export, Extension, Fleet, FreshBy, Journal, Masking,
    ParameterGroup, PlanCheck, Rehearsal, RowCounts, Switchover, Wires,
};

/// Raised when a reader of the former form would misread the new one; an added field does not.
pub const VERSION: u32 = 1;

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Of this form.
    pub version: u32,
    /// The execution's name.
    pub name: String,
    /// The execution's ARN.
    pub execution: String,
    pub state_machine: String,
    /// `major-upgrade`, `rehearse-upgrade`, `upgrade-fleet`, `daily-sync`, `snapshot-export`: the
    /// state machine's name without the deployment's prefix.
    pub runbook: String,
    /// As Step Functions says it: RUNNING, SUCCEEDED, FAILED, TIMED_OUT, ABORTED.
    pub status: String,
    pub kind: Kind,
    /// In a sentence.
    pub outcome: String,
    /// The cluster that is upgraded, or the one that is copied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    /// As the policy names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sync: Option<String>,
    /// The engine version at the beginning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// The engine version that it goes to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// Of an upgrade in place that is still to come: whether Blue/Green would fit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub other_way: Option<String>,
    /// When the data that is copied was taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub data_taken: Option<Timestamp>,
    /// How old that data was in seconds when the run ended, or is now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_age: Option<i64>,
    /// Absent where the policy names no such time of day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fresh_by: Option<FreshBy>,
    /// Absent when RDS showed no event by which it can be measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub downtime: Option<Downtime>,
    /// Of an upgrade by Blue/Green, once it is switched over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub switchover: Option<Switchover>,
    /// How long the run took in seconds, or has taken so far.
    pub total: i64,
    /// Absent without prices.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<Cost>,
    /// What is told in a message beside success and failure, as the policy or the input says.
    #[serde(default = "policy::default_tell")]
    pub tell: Vec<Tell>,
    pub input: Value,
    #[schemars(with = "String")]
    pub started: Timestamp,
    #[schemars(with = "Option<String>")]
    pub stopped: Option<Timestamp>,
    /// When this report was made.
    #[schemars(with = "String")]
    pub written: Timestamp,
    /// The error's name.
    pub error: Option<String>,
    /// The whole text of the error.
    pub cause: Option<String>,
    /// Of that text: what was found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub found: Option<String>,
    /// Of that text: what the state that failed had changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changed: Option<String>,
    /// Of that text: what a person does about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
    /// The command that continues, or begins again. Absent after success and while it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    pub redrives: i32,
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub redriven: Vec<Timestamp>,
    /// While a person is asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<Approval>,
    /// What stands in the way, or is worth knowing.
    #[serde(default)]
    pub findings: Vec<Finding>,
    /// One for each environment of a sync.
    #[serde(default)]
    pub targets: Vec<Target>,
    /// Every entry into a state that does something, in order.
    pub steps: Vec<Step>,
    /// The states that do something and were not entered, in the machine's order.
    #[serde(default)]
    pub ahead: Vec<String>,
    /// What the run could not remove, or leaves for a person.
    #[serde(default)]
    pub left: Vec<String>,
    /// Worth a look, and no reason to fail.
    #[serde(default)]
    pub warnings: Vec<String>,
    #[serde(default)]
    pub parameters: Vec<ParameterGroup>,
    #[serde(default)]
    pub extensions: Vec<Extension>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub analyzed: Option<Analyzed>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<RowCounts>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wires: Option<Wires>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub masking: Option<Masking>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attestation: Option<Attestation>,
    /// Of a rehearsal: what an upgrade of the cluster has to expect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rehearsal: Option<Rehearsal>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plans: Option<PlanCheck>,
    /// Absent when there was nothing to export.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub export: Option<Export>,
    /// Of a fleet: what each of its clusters has come to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fleet: Option<Fleet>,
    /// The snapshots that the run took or went by.
    #[serde(default)]
    pub copies: Copies,
    /// The attributes that make the next `terraform plan` empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub terraform: Option<String>,
    /// What could not be read for this report, and why.
    #[serde(default)]
    pub missing: Vec<String>,
    /// Where to look in the AWS console.
    #[serde(default)]
    pub links: Vec<Link>,
}

/// How it stands, for whoever decides by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    #[default]
    Running,
    Succeeded,
    /// A person must change something first; nothing in production was changed.
    Blocked,
    Failed,
    TimedOut,
    Aborted,
}

/// One entry into a state; a loop enters it again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    pub state: String,
    /// For which of several targets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<String>,
    #[serde(default)]
    pub place: Place,
    #[schemars(with = "String")]
    pub entered: Timestamp,
    #[schemars(with = "Option<String>")]
    pub exited: Option<Timestamp>,
    /// Whether its error was caught, and the run went on to clean up.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub caught: bool,
    /// How often it was not ready and was called again.
    pub polls: u32,
    /// How often AWS lost a call, or a worker, and it was called again.
    #[serde(default)]
    pub retries: u32,
    /// Every answer but the last good one, in order.
    #[serde(default)]
    pub answers: Vec<Answer>,
    pub summary: Option<String>,
    /// What it said last, when it did not end well.
    pub error: Option<String>,
    /// What its worker has said it is doing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<Progress>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Place {
    /// On Lambda.
    #[default]
    Function,
    /// On Fargate.
    Worker,
}

/// A poll that found it not ready, or a try that failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Answer {
    #[schemars(with = "String")]
    pub at: Timestamp,
    /// The error's name: `NotReady` of a poll.
    pub error: String,
    /// Absent when it is what the answer before it said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub said: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Progress {
    #[schemars(with = "String")]
    pub at: Timestamp,
    pub said: String,
}

/// What became of one environment of a sync.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Target {
    /// The stable name.
    pub name: String,
    pub kind: Kind,
    /// Absent before the stable name leads to this run's copy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// When it was seen to lead there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub published: Option<Timestamp>,
    /// Seconds from the rename of the former cluster to the stable name leading to the new one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub downtime: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// Tables of the environment whose rows were carried over, as `database/schema.table`.
    #[serde(default)]
    pub carried: Vec<Carried>,
    /// Replaced copies that stay.
    #[serde(default)]
    pub kept: Vec<String>,
    /// Replaced copies that were deleted.
    #[serde(default)]
    pub deleted: Vec<String>,
    /// Replaced clusters that no run had made: they stay for their owner.
    #[serde(default)]
    pub not_ours: Vec<String>,
    /// Absent before the stable name leads to this run's copy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub swap: Option<Journal>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Carried {
    pub table: String,
    pub rows: u64,
}

/// How long nobody could write, as RDS's own events bound it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Downtime {
    pub seconds: i64,
    pub outages: Vec<Outage>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Outage {
    #[schemars(with = "String")]
    pub from: Timestamp,
    #[schemars(with = "String")]
    pub until: Timestamp,
    /// RDS's words at its beginning.
    pub reason: String,
}

/// What the run itself cost: not the clusters that stay.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Cost {
    pub currency: String,
    pub amount: f64,
    pub items: Vec<Item>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Item {
    pub what: String,
    pub quantity: f64,
    pub unit: String,
    /// Of one unit.
    pub price: f64,
    pub amount: f64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Link {
    pub title: String,
    pub url: String,
}

impl Step {
    pub fn label(&self) -> String {
        match &self.of {
            Some(target) => format!("{} {target}", self.state),
            None => self.state.clone(),
        }
    }

    /// It was entered, and is not left.
    pub fn is_open(&self) -> bool {
        self.exited.is_none()
    }
}

impl Report {
    /// The cluster, the sync or the export that it is about.
    pub fn subject(&self) -> &str {
        let export = self.export.as_ref().map(|export| export.name.as_str());
        let fleet = self.fleet.as_ref().and_then(|_| self.input.get("tag")?.as_str());
        self.sync.as_deref().or(export).or(self.cluster.as_deref()).or(fleet).unwrap_or_default()
    }

    /// An event has started it, and there was nothing to do: nobody waits to hear of it.
    pub fn did_nothing(&self) -> bool {
        self.runbook == "snapshot-export" && self.kind == Kind::Succeeded && self.export.is_none()
    }

    /// The run that it is of, for the names that follow from it.
    pub(super) fn run(&self) -> Option<Run> {
        let execution = Arn::try_from(self.execution.clone()).ok()?;
        Some(Run { execution, entered: self.started, redriven: None, deadline: default_deadline() })
    }

    pub fn is_running(&self) -> bool {
        self.kind == Kind::Running
    }

    /// Whether a message is sent of how it stands.
    pub fn is_told(&self) -> bool {
        match self.kind {
            Kind::Running if self.approval.is_some() => true,
            Kind::Running => self.tell.contains(&Tell::Started),
            Kind::Blocked => self.tell.contains(&Tell::Blocked),
            Kind::Succeeded | Kind::Failed | Kind::TimedOut | Kind::Aborted => true,
        }
    }

    /// Until when it is drawn: its end, or when this report was made.
    pub fn until(&self) -> Timestamp {
        self.stopped.unwrap_or(self.written).max(self.started)
    }

    pub fn took(&self) -> SignedDuration {
        self.until().duration_since(self.started)
    }
}
