//! What a run would cut, empty or refuse, and the policy decides otherwise about.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{draft::key, values::TableName};

/// Something about which the policy decides otherwise than a run would, and why.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Exception {
    /// What a run calls it.
    pub kind: ExceptionKind,
    /// The database. What belongs to the whole cluster has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "database"))]
    pub database: Option<String>,
    /// Which one, as a run names it.
    #[schemars(length(min = 1))]
    pub object: String,
    /// What becomes of it.
    #[serde(default)]
    pub action: Action,
    /// Why, for whoever reads the policy.
    #[schemars(length(min = 1))]
    pub reason: String,
}

/// What may be left as it is: none of them speaks to the outside or lets somebody log in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ExceptionKind {
    KeptSecret,
    QueueTable,
    SecretInFunction,
    SecretInDefault,
    SecretInView,
    SecretInPolicy,
    SecretInComment,
    SecretInDefinition,
    SecurityDefiner,
    SecurityLabel,
    PublicGrant,
    DefaultPrivilege,
    PrivilegedRole,
    RoleAdmin,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// It stays.
    #[default]
    Keep,
    /// It goes as a whole.
    Drop,
    /// It stays, and the word redacted stands for each credential in it.
    Rewrite,
}

impl ExceptionKind {
    const ALL: [Self; 14] = [
        Self::KeptSecret,
        Self::QueueTable,
        Self::SecretInFunction,
        Self::SecretInDefault,
        Self::SecretInView,
        Self::SecretInPolicy,
        Self::SecretInComment,
        Self::SecretInDefinition,
        Self::SecurityDefiner,
        Self::SecurityLabel,
        Self::PublicGrant,
        Self::DefaultPrivilege,
        Self::PrivilegedRole,
        Self::RoleAdmin,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::KeptSecret => "kept-secret",
            Self::QueueTable => "queue-table",
            Self::SecretInFunction => "secret-in-function",
            Self::SecretInDefault => "secret-in-default",
            Self::SecretInView => "secret-in-view",
            Self::SecretInPolicy => "secret-in-policy",
            Self::SecretInComment => "secret-in-comment",
            Self::SecretInDefinition => "secret-in-definition",
            Self::SecurityDefiner => "security-definer",
            Self::SecurityLabel => "security-label",
            Self::PublicGrant => "public-grant",
            Self::DefaultPrivilege => "default-privilege",
            Self::PrivilegedRole => "privileged-role",
            Self::RoleAdmin => "role-admin",
        }
    }

    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }

    /// Roles belong to the cluster, everything else to a database.
    pub fn is_of_the_cluster(self) -> bool {
        matches!(self, Self::PrivilegedRole | Self::RoleAdmin)
    }

    pub fn holds_secrets(self) -> bool {
        self.as_str().starts_with("secret-in-")
    }

    /// What a run finds in the policy itself, before it looks at a wire.
    pub fn is_of_the_policy(self) -> bool {
        matches!(self, Self::KeptSecret | Self::QueueTable)
    }
}

impl Exception {
    /// What the policy says of this one, if anything.
    pub fn of<'e>(all: &'e [Self], kind: &str, database: Option<&str>, object: &str) -> Option<&'e Self> {
        all.iter().find(|one| {
            one.kind.as_str() == kind && one.database.as_deref() == database && one.object == object
        })
    }

    /// The line to paste below `exceptions:`, in which a person writes the reason.
    pub fn line(kind: ExceptionKind, database: Option<&str>, object: &str) -> String {
        let database = database.map(|name| format!("database: {}, ", key(name))).unwrap_or_default();
        let plain = object.chars().all(|c| c.is_ascii_alphanumeric() || "_.".contains(c));
        let object = if plain { key(object) } else { json!(object).to_string() };
        format!("- {{kind: {}, {database}object: {object}, reason: …}}", kind.as_str())
    }
}

/// Tables of work that is waiting, by the names that queues, outboxes and job runners give them:
/// the first program that connected would do production's work again.
pub fn is_queue(TableName { schema, table }: &TableName) -> bool {
    let table = table.as_str();
    let ends = |endings: &[&str]| endings.iter().any(|ending| table.ends_with(ending));
    match schema.as_str() {
        "pgmq" => table.starts_with("q_") || table.starts_with("a_"),
        "pgboss" => ["job", "archive", "schedule"].contains(&table),
        "graphile_worker" => ends(&["jobs", "tasks", "crontabs"]),
        _ => QUEUES.contains(&table) || table.starts_with("solid_queue_") || table.contains("outbox"),
    }
}

const QUEUES: [&str; 20] = [
    "celery_taskmeta",
    "delayed_jobs",
    "django_q_ormq",
    "email_queue",
    "good_job_executions",
    "good_jobs",
    "gue_jobs",
    "job_queue",
    "jobs_queue",
    "mail_queue",
    "message_queue",
    "neoq_jobs",
    "oban_jobs",
    "procrastinate_events",
    "procrastinate_jobs",
    "que_jobs",
    "queue_classic_jobs",
    "river_job",
    "sidekiq_jobs",
    "webhook_deliveries",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queues_are_recognised_by_their_names() {
        let queue = |name: &str| is_queue(&name.parse().unwrap());
        for name in
            ["public.mail_outbox", "app.solid_queue_ready_executions", "graphile_worker._private_jobs"]
        {
            assert!(queue(name), "{name}");
        }
        assert!(queue("pgmq.q_mails") && queue("pgboss.job") && queue("x.good_jobs"));
        assert!(!queue("public.jobs") && !queue("pgmq.meta") && !queue("public.job") && !queue("public.q_a"));
    }

    #[test]
    fn every_kind_is_found_by_its_word_and_the_line_to_paste_is_read() {
        for kind in ExceptionKind::ALL {
            assert_eq!(ExceptionKind::named(kind.as_str()), Some(kind));
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
        }
        let line =
            Exception::line(ExceptionKind::SecretInFunction, Some("shop"), "public.sign(text, \"a b\")");
        assert_eq!(
            line,
            r#"- {kind: secret-in-function, database: shop, object: "public.sign(text, \"a b\")", reason: …}"#
        );
        assert_eq!(
            Exception::line(ExceptionKind::RoleAdmin, None, "a in b"),
            "- {kind: role-admin, object: \"a in b\", reason: …}"
        );
    }
}
