//! What a runbook is about: of its states' outputs and of what they leave in the run bucket, the
//! parts that a person wants to read. None of it is believed to be what we wrote: it is parsed into
//! these types, and what does not fit is left out.

use std::collections::BTreeMap;

use jiff::Timestamp;
use policy::Swap;
use runbook::{
    major_upgrade::Question,
    rehearse_upgrade::{Phase, Span},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::report::Kind;

/// A person is asked, and nothing goes on before the answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Approval {
    /// After that the run has failed.
    #[schemars(with = "String")]
    pub until: Timestamp,
    /// The command that says yes.
    pub approve: String,
    /// The command that says no; the run has failed then, with the reason that is written there.
    pub refuse: String,
    /// AWS CloudShell, where both can be typed with the rights of whoever is signed in.
    pub shell: String,
}

impl Approval {
    /// What is written into a command means nothing else to a shell: [`Question::is_plain`].
    pub fn of(question: &Question, region: &str, console: &str) -> Self {
        let answer = |command: &str, rest: &str| {
            let token = &question.token;
            format!("aws stepfunctions {command} --region {region} --task-token '{token}' {rest}")
        };
        Self {
            until: question.until,
            approve: answer("send-task-success", "--task-output '{\"by\": \"<your name>\"}'"),
            refuse: answer("send-task-failure", "--error Refused --cause '<why>'"),
            shell: format!("{console}/cloudshell/home?region={region}"),
        }
    }
}

/// What happened to a clone, for the upgrade that is to come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Rehearsal {
    pub resource_id: String,
    pub from: String,
    /// The versions that the clone went through.
    pub path: Vec<String>,
    /// How long the states took, in order.
    pub phases: Vec<Phase>,
    /// Absent when RDS showed no event by which it can be measured.
    pub downtime: Option<Span>,
    /// Maintenance, snapshot and upgrade together: what has to fit in a window.
    pub duration: Span,
    /// What InspectDatabases found.
    #[serde(default)]
    pub findings: Vec<String>,
}

/// The queries that take most time, whose plans are compared.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlanCheck {
    pub compared: u64,
    pub changed: u64,
    /// Why there are fewer queries than one would expect.
    #[serde(default)]
    pub notes: Vec<String>,
    /// Queries without a plan, by reason.
    #[serde(default)]
    pub unexplained: BTreeMap<String, usize>,
    /// Those whose plans are others or cost more, worst first.
    #[serde(default)]
    pub queries: Vec<PlanChange>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlanChange {
    pub database: String,
    pub role: String,
    pub calls: i64,
    /// Without comments and values.
    pub text: String,
    /// The cost after the upgrade divided by the one before it, as `12.5`; or why there is none.
    pub ratio: String,
    /// Steps of the plan, outermost first.
    pub before: Vec<String>,
    pub after: Vec<String>,
}

/// A parameter group of the new family, and what became of each value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ParameterGroup {
    /// `DB cluster parameter group` or `DB parameter group`.
    pub kind: String,
    pub from: String,
    pub to: String,
    /// False when someone else made it: then it is used as it is.
    pub made_by_us: bool,
    pub rows: Vec<Parameter>,
    /// Values of a group that someone else made: name → (theirs, ours).
    #[serde(default)]
    pub differs: BTreeMap<String, (Option<String>, String)>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Parameter {
    pub name: String,
    /// What the owner set.
    pub value: Option<String>,
    pub old_default: Option<String>,
    pub new_default: Option<String>,
    pub outcome: Outcome,
    /// Of `renamed`: the new name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// Of `overridden`: why, in the words of the input.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Of `outOfRange`: what is allowed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed: Option<String>,
}

/// What became of a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    Kept,
    Renamed,
    Overridden,
    Removed,
    NotModifiable,
    OutOfRange,
    DefaultChanged,
    /// What a later version of a state says.
    #[serde(other)]
    Other,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Extension {
    pub database: String,
    pub name: String,
    pub from: String,
    pub to: String,
    /// Why it stays at the former version. Absent when it was updated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What to run in that database.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub statement: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Analyzed {
    /// Analysed by this run.
    pub tables: u64,
    /// Had statistics from after the upgrade already.
    pub already: u64,
    pub seconds: u64,
    /// When the tables that get nine tenths of the reads had their statistics.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hot_after_seconds: Option<u64>,
    #[serde(default)]
    pub statements: Vec<Statement>,
}

/// One ANALYZE, of one table or of several small ones.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Statement {
    pub database: String,
    /// As they stand in the statement.
    pub tables: Vec<String>,
    pub milliseconds: u64,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RowCounts {
    /// Tables that were there before.
    pub tables: u64,
    /// Tables whose rows were counted both times.
    pub counted: u64,
    /// Of these, with exactly as many rows.
    pub equal: u64,
    pub rows_before: i64,
    pub rows_after: i64,
    #[serde(default)]
    pub changed: Vec<Change>,
    #[serde(default)]
    pub emptied: Vec<Change>,
    #[serde(default)]
    pub gone: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Change {
    /// `database/schema.table`
    pub table: String,
    pub before: i64,
    pub after: i64,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Wires {
    /// How many of each kind were cut.
    pub cut: BTreeMap<String, u64>,
    /// What the policy keeps.
    #[serde(default)]
    pub kept: Vec<KeptWire>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct KeptWire {
    pub kind: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<String>,
    pub object: String,
    pub reason: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Masking {
    /// Of which values were replaced, or all rows left behind.
    pub tables: u64,
    /// Rows that were made again.
    pub rows: u64,
    pub seconds: u64,
    #[serde(default)]
    pub columns: Vec<Column>,
}

/// A place whose values were replaced; never a value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Column {
    pub database: String,
    pub table: String,
    pub column: String,
    /// As the policy writes it.
    pub rule: String,
    pub values: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Attestation {
    pub summary: String,
    /// What was counted, by its name.
    #[serde(default)]
    pub counts: BTreeMap<String, u64>,
    /// The object in the run bucket.
    pub key: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Copies {
    /// The one to go back to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before_upgrade: Option<String>,
    /// The commands that restore that one as another cluster.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub way_back: Vec<String>,
    /// Production's, that a sync goes by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub source_taken: Option<Timestamp>,
    /// What every target is restored from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sanitized: Option<String>,
}

/// Of an upgrade by Blue/Green.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Switchover {
    /// Absent when nobody has measured it: the worker died, or a person has switched over.
    #[serde(default)]
    pub downtime: Option<Probed>,
    /// The commands that go back, without what was written since.
    #[serde(default)]
    pub way_back: Vec<String>,
}

/// By a probe every 100 ms through the cluster's endpoint.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Probed {
    /// The database answered, and would have refused a write.
    pub writes_refused_seconds: f64,
    /// Nobody answered.
    pub unreachable_seconds: f64,
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub first_failure: Option<Timestamp>,
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub last_failure: Option<Timestamp>,
}

impl Switchover {
    /// As `writes refused for 0.3 s, nobody reached for 2.1 s`.
    pub fn words(&self) -> String {
        match &self.downtime {
            Some(Probed { writes_refused_seconds, unreachable_seconds, .. }) => format!(
                "writes refused for {writes_refused_seconds:.1} s, nobody reached for \
                 {unreachable_seconds:.1} s"
            ),
            None => "not measured".to_owned(),
        }
    }
}

/// Whether every environment of a sync had the data by the time of day that the policy names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FreshBy {
    /// As the policy has it, such as `07:00`.
    pub time: String,
    /// In which that is meant, such as `Europe/Berlin`.
    pub time_zone: String,
    /// The first such moment after the run began.
    #[schemars(with = "String")]
    pub until: Timestamp,
    pub outcome: Punctuality,
    /// Between that moment and when the last environment had the data; when one has none, and the
    /// run's end, or now.
    pub seconds: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Punctuality {
    /// Every environment had the data in time.
    Kept,
    /// Every one has it, the last of them later.
    Late,
    /// The time has passed, and one does not have it.
    Missed,
    /// The time has not come, and one does not have it.
    Open,
}

/// How a stable name came to the new cluster, and how it comes back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Journal {
    pub by: Swap,
    #[schemars(with = "String")]
    pub began: Timestamp,
    /// What the new cluster was called before; by secret it still is.
    pub fresh: String,
    /// What the cluster that it replaced is called now. Absent when there was none, or it is
    /// deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub former: Option<String>,
    /// Until when the policy keeps that one; it is then deleted by the next run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub kept_until: Option<Timestamp>,
    /// How many of the replaced the policy keeps, the newest.
    pub kept_at_most: u32,
    /// The commands that lead the stable name back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub back: Option<String>,
}

/// An export of a snapshot to S3.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Export {
    /// As the policy names it.
    pub name: String,
    /// Whether readers are led to it.
    #[serde(default)]
    pub is_latest: bool,
    /// What the rows were compared with, or that they were not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verified: Option<String>,
    /// Where its manifest is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manifest: Option<String>,
    /// For DuckDB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
    /// Those that are in the export.
    #[serde(default)]
    pub tables: u64,
    #[serde(default)]
    pub rows: u64,
    #[serde(default)]
    pub bytes: u64,
    #[serde(default)]
    pub files: u64,
    /// Tables that AWS has left out, and the policy accepts it.
    #[serde(default)]
    pub skipped: u64,
    /// Compared with their source.
    #[serde(default)]
    pub reconciled: Vec<ExportedTable>,
    /// Of AWS's own warnings, those that name no table.
    #[serde(default)]
    pub warnings: Vec<String>,
}

/// A table of an export.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExportedTable {
    /// `database.schema.table`
    pub table: String,
    pub rows: u64,
    /// What the source has, where somebody has counted.
    #[serde(default)]
    pub source_rows: Option<u64>,
    pub bytes: u64,
    pub files: u64,
    /// PostgreSQL's types and those in the files: each pair that the table has.
    #[serde(default)]
    pub types: Vec<String>,
    /// What is not as in the source; with the policy's reason where it accepts that.
    #[serde(default)]
    pub differences: Vec<Difference>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Difference {
    pub what: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted: Option<String>,
}

/// What each cluster of a fleet has come to: first those that failed, last those that were left
/// out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Fleet {
    pub clusters: Vec<FleetCluster>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FleetCluster {
    pub cluster: String,
    /// The engine version when the fleet was resolved.
    pub from: Option<String>,
    /// From 1.
    pub wave: Option<usize>,
    /// Why nothing is done to it.
    pub left_out: Option<String>,
    pub rehearsal: Option<FleetRun>,
    pub upgrade: Option<FleetRun>,
}

/// An execution that a fleet has started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FleetRun {
    /// Its ARN.
    pub execution: String,
    /// Of its page in the console.
    pub url: Option<String>,
    pub kind: Kind,
    pub seconds: i64,
    /// Its own summary, or what stopped it.
    pub said: Option<String>,
}
