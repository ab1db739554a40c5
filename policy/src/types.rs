//! The policy as Rust types: one struct for each mapping of the YAML file, in the file's order. The
//! documentation of a field is what the JSON Schema and docs/policy.md say of its key.

use std::collections::BTreeMap;

use jiff::{SignedDuration, tz::TimeZone};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::exception::{Exception, is_queue};
use crate::export::Export;
use crate::rule::TableRule;
use crate::tell::{Tell, default_tell};
use crate::values::{Cron, TableName, TimeOfDay, Window, age};

/// Every daily sync and every export of an organisation.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Policy {
    /// The syncs by name. A name is part of the names of what a run makes: lower-case letters,
    /// digits and hyphens, at most 40.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("minProperties" = 1, "propertyNames" = json!({"format": "sync"})))]
    pub syncs: BTreeMap<String, Sync>,
    /// The exports by name. A name is part of keys in S3 and of the names of export tasks:
    /// lower-case letters, digits and hyphens, at most 30.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("minProperties" = 1, "propertyNames" = json!({"format": "export"})))]
    pub exports: BTreeMap<String, Export>,
}

/// One production cluster, brought sanitised to the environments.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Sync {
    /// Where the data comes from.
    pub source: Source,
    /// When a run starts.
    pub schedule: Schedule,
    /// What of a run is told in a message beside that it has succeeded or failed: that it has
    /// started, that it is blocked and waits for a person.
    #[serde(default = "default_tell")]
    pub tell: Vec<Tell>,
    /// Where the copy stands until it is sanitised. Not with source.sync: that is sanitised.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quarantine: Option<Quarantine>,
    /// For source.sync: the key in the targets' account which encrypts our copy of the sanitised
    /// snapshot and the targets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "kms-key"))]
    pub kms_key: Option<String>,
    /// The environments that get the sanitised copy, all in one account: the one the runbooks run
    /// in.
    #[schemars(length(min = 1))]
    pub targets: Vec<Target>,
    /// Whether the copies of an engine version past its end of standard support are enrolled in
    /// Amazon RDS Extended Support, which is charged.
    #[serde(default)]
    pub engine_lifecycle_support: LifecycleSupport,
    /// What becomes of every column of every table. Not with source.sync.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub masking: Option<Masking>,
    /// Whether the newest sanitised snapshot is kept after a run, for a sync in another account
    /// that takes it. An export of the sync keeps it, too.
    #[serde(default)]
    pub keep_sanitized: bool,
    /// An export of this policy names the sync.
    #[serde(skip)]
    pub exported: bool,
}

/// The two words of RDS (EngineLifecycleSupport of RestoreDBClusterFromSnapshot, botocore rds
/// 2014-10-31), and its default.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LifecycleSupport {
    #[default]
    OpenSourceRdsExtendedSupport,
    OpenSourceRdsExtendedSupportDisabled,
}

impl LifecycleSupport {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OpenSourceRdsExtendedSupport => "open-source-rds-extended-support",
            Self::OpenSourceRdsExtendedSupportDisabled => "open-source-rds-extended-support-disabled",
        }
    }
}

/// Between what an instance of the class db.serverless scales, in Aurora capacity units (ACUs), in
/// half steps.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Capacity {
    /// The least: 0 lets it pause.
    #[schemars(range(min = 0, max = 256))]
    pub min: f64,
    /// The most, at least 1.
    #[schemars(range(min = 1, max = 256))]
    pub max: f64,
}

/// The production cluster, or the sync of another account that has sanitised it. Nothing of it is
/// changed: only copies of its snapshots are made, and they are ours.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Source {
    /// The account of the cluster or the sync, in quotes: twelve digits.
    #[schemars(extend("format" = "account"))]
    pub account: String,
    /// The ARN of the role in that account which the runbook assumes.
    #[schemars(extend("format" = "role-arn"))]
    pub role: String,
    /// What the role asks whoever assumes it for, beside being one of our roles: the `external_id`
    /// of modules/production-account.
    #[serde(default = "external_id")]
    #[schemars(extend("format" = "external-id"))]
    pub external_id: String,
    /// The DB cluster identifier. Either this or sync.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "cluster"))]
    pub cluster: Option<String>,
    /// The sync of that account's own policy whose sanitised snapshot is taken: nothing is masked
    /// again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "sync"))]
    pub sync: Option<String>,
    /// Which snapshot is taken.
    pub snapshot: SnapshotRule,
    /// The customer key in the source's account with which our copy of the snapshot is encrypted:
    /// alias/… or an ARN of a key or alias. The default key aws/rds cannot be shared with another
    /// account.
    #[schemars(extend("format" = "kms-key"))]
    pub kms_key: String,
}

/// As modules/production-account has it, too.
fn external_id() -> String {
    "aurora-runbooks".to_owned()
}

impl Sync {
    /// What encrypts the targets.
    pub fn targets_key(&self) -> Option<&str> {
        let own = self.kms_key.as_ref();
        own.or(self.quarantine.as_ref().map(|quarantine| &quarantine.kms_key)).map(String::as_str)
    }
}

impl Source {
    /// The name of the cluster, or of the sync.
    pub fn name(&self) -> &str {
        self.cluster.as_deref().or(self.sync.as_deref()).unwrap_or_default()
    }
}

/// The newest available snapshot that satisfies every line of this is the one.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct SnapshotRule {
    /// Who took it: RDS by itself (automated) or somebody (manual).
    #[serde(rename = "type")]
    pub kind: SnapshotKind,
    /// The time of day, in the schedule's time zone, at which it was taken: from the first minute
    /// until before the second. It may go over midnight. Any time when this is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<Window>,
    /// Tags that it carries, all of them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
    /// How old it is at most when the run starts, such as 26h.
    #[serde(with = "age")]
    #[schemars(with = "String", extend("format" = "duration"))]
    pub max_age: SignedDuration,
    /// What a run does when no snapshot fits: it fails, or it ends well without a sync.
    #[serde(default)]
    pub otherwise: Otherwise,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SnapshotKind {
    Automated,
    Manual,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Otherwise {
    #[default]
    Fail,
    Skip,
}

/// What EventBridge Scheduler gets.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Schedule {
    /// Minute, hour, day of month, month and day of week, such as 30 3 * * MON-FRI. Days of the
    /// week have names, and only one of the two days is given: the other is *.
    pub cron: Cron,
    /// The IANA name of the time zone in which the hours are meant, such as Europe/Berlin.
    #[serde(with = "jiff::fmt::serde::tz::required")]
    #[schemars(with = "String", extend("format" = "time-zone"))]
    pub time_zone: TimeZone,
    /// The time of day by which the environments are to have the data, in quotes, such as "07:00".
    /// A run tells whether they had; nothing is done about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fresh_by: Option<TimeOfDay>,
    /// Within how many minutes after that time EventBridge Scheduler starts the run, at a moment
    /// that it chooses: many schedules then do not ask RDS in the same minute. A run starts at the
    /// time itself without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1440))]
    pub maximum_window_in_minutes: Option<u16>,
}

/// The cluster that holds raw data for the time of a run. Nothing of it is taken over from
/// production.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Quarantine {
    /// The class of its one instance, such as db.r6g.large: masking runs on it.
    #[schemars(extend("format" = "instance-class"))]
    pub instance_class: String,
    /// For the class db.serverless: between what it scales.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capacity: Option<Capacity>,
    /// A DB subnet group of private subnets.
    #[schemars(length(min = 1))]
    pub subnet_group: String,
    /// The one security group, which lets in the workers alone.
    #[schemars(extend("format" = "security-group"))]
    pub security_group: String,
    /// A DB cluster parameter group that keeps a restored copy from speaking to the outside
    /// (docs/policy.md says which parameters).
    #[schemars(length(min = 1))]
    pub cluster_parameter_group: String,
    /// The key in the environments' account which encrypts the quarantine, the sanitised snapshot
    /// and the targets.
    #[schemars(extend("format" = "kms-key"))]
    pub kms_key: String,
}

/// A cluster under a stable name, replaced by every run.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Target {
    /// The stable name: a DB cluster identifier of at most 48 characters.
    #[schemars(extend("format" = "cluster"))]
    pub cluster: String,
    /// The environments' account, in quotes: the same for every target.
    #[schemars(extend("format" = "account"))]
    pub account: String,
    /// The class of its writer.
    #[schemars(extend("format" = "instance-class"))]
    pub instance_class: String,
    /// For the class db.serverless: between what it scales.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capacity: Option<Capacity>,
    /// The DB subnet group.
    #[schemars(length(min = 1))]
    pub subnet_group: String,
    /// The VPC security groups.
    #[schemars(length(min = 1), extend("items" = json!({"type": "string", "format": "security-group"})))]
    pub security_groups: Vec<String>,
    /// The DB cluster parameter group, of the engine version's family.
    #[schemars(length(min = 1))]
    pub cluster_parameter_group: String,
    /// The DB parameter group of the writer. The default of the family when this is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub parameter_group: Option<String>,
    /// How the stable name comes to the new cluster: the clusters are renamed, or a secret that
    /// clients read is pointed at the new one.
    #[serde(default)]
    pub swap: Swap,
    /// For the swap by secret: the name of the secret that clients read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "secret"))]
    pub secret: Option<String>,
    /// Whether RDS refuses to delete the cluster. A run lifts it only on an old copy that carries
    /// our tags.
    #[serde(default)]
    pub deletion_protection: bool,
    /// The roles that the environment logs in with. Production's roles keep what they own and
    /// cannot log in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<RoleSpec>,
    /// Tables whose rows are the environment's own: they are carried over from the present target.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keep_tables: Vec<KeptTable>,
    /// Settings of databases (ALTER DATABASE … SET): the database, the setting, its value in
    /// quotes.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("propertyNames" = json!({"format": "database"}), "additionalProperties" = json!({
        "type": "object", "minProperties": 1, "propertyNames": {"format": "setting"},
        "additionalProperties": {"type": "string"}
    })))]
    pub settings: BTreeMap<String, BTreeMap<String, String>>,
    /// Questions whose answer must be true before the swap.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub smoke: Vec<Smoke>,
    /// What is kept of the copies that were replaced.
    pub keep_old: KeepOld,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Swap {
    #[default]
    Rename,
    Secret,
}

/// A PostgreSQL role of an environment.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct RoleSpec {
    /// The role's name.
    #[schemars(extend("format" = "role"))]
    pub name: String,
    /// Whether it may log in.
    #[serde(default)]
    pub login: bool,
    /// The secret that gets its username, password, host and port. Needed for a role that logs in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "secret"))]
    pub secret: Option<String>,
    /// What it is granted, as GRANT says it between GRANT and TO, such as SELECT ON ALL TABLES IN
    /// SCHEMA public.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("items" = json!({"type": "string", "format": "grant"})))]
    pub grants: Vec<String>,
    /// The databases in which it is granted this, and to which it may connect.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(inner(length(min = 1)))]
    pub databases: Vec<String>,
}

/// A table carried over from the present target.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct KeptTable {
    /// The database.
    #[schemars(length(min = 1))]
    pub database: String,
    /// The table, as schema.table.
    pub table: TableName,
}

/// A query of one row and one column that must say true.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Smoke {
    /// The database.
    #[schemars(length(min = 1))]
    pub database: String,
    /// The query.
    #[schemars(length(min = 1))]
    pub sql: String,
}

/// A replaced copy is deleted when there are more than count of them, or when it was replaced
/// longer ago than age.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct KeepOld {
    /// How many are kept.
    #[schemars(range(min = 0, max = 20))]
    pub count: u32,
    /// How long one is kept, such as 48h.
    #[serde(with = "age")]
    #[schemars(with = "String", extend("format" = "duration"))]
    pub age: SignedDuration,
}

/// A classification of everything: what is not named here stops a run.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Masking {
    /// The secret in Secrets Manager, {"key": "…"}, from which every replacement is derived: one
    /// key, so that equal values stay equal.
    #[schemars(extend("format" = "secret"))]
    pub key_secret: String,
    /// Every database of the cluster.
    #[schemars(extend("minProperties" = 1, "propertyNames" = json!({"format": "database"})))]
    pub databases: BTreeMap<String, DatabaseRules>,
    /// What a run would cut, empty or refuse, and shall not: each with a reason.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exceptions: Vec<Exception>,
}

/// Every table of a database.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[schemars(extend("minProperties" = 1, "propertyNames" = json!({"format": "table"})))]
pub struct DatabaseRules {
    /// What becomes of large objects. A database that has some needs this.
    #[serde(rename = "large-objects", default, skip_serializing_if = "Option::is_none")]
    pub large_objects: Option<LargeObjects>,
    /// Every table, as schema.table. A partitioned table stands for its partitions.
    #[serde(flatten)]
    pub tables: BTreeMap<TableName, TableRule>,
}

impl DatabaseRules {
    /// Tables whose rows go along though they look like work that is waiting.
    pub fn queues(&self) -> impl Iterator<Item = &TableName> {
        let copied = self.tables.iter().filter(|(_, rule)| matches!(rule, TableRule::Columns(_)));
        copied.map(|(table, _)| table).filter(|table| is_queue(table))
    }

    /// What stays as it is and is called like a credential: `schema.table.column`, for what lies in
    /// a document with its path behind. Whether its type can hold one only the database knows.
    pub fn kept_secrets(&self) -> impl Iterator<Item = String> {
        self.tables.iter().flat_map(|(table, rule)| match rule {
            TableRule::Truncate => Vec::new(),
            TableRule::Columns(columns) => columns
                .iter()
                .flat_map(|(column, rule)| rule.kept_secrets(column, &format!("{table}.{column}")))
                .collect(),
        })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LargeObjects {
    /// All of them are removed.
    Truncate,
    /// All of them stay as they are.
    Keep,
}
