//! Live wires to be planted into the shop, one file a kind in `sandbox/data/wires`, written like
//! the files of [`super::findings`].
//!
//! Some are planted by the sandbox's superuser: what RDS has and a plain server has not is written
//! into the catalog as it stands there on RDS, so that what finds and cuts it is the same.

use super::findings::Planted;

macro_rules! wires {
    ($($kind:literal),+ $(,)?) => {
        vec![$(Planted {
            slug: $kind,
            plant: include_str!(concat!("../../data/wires/", $kind, ".sql")),
            remedy: "",
        }),+]
    };
}

/// All that the master user can cut. The order matters: a later one may use what an earlier one
/// made.
pub fn wires() -> Vec<Planted> {
    wires![
        "login-role",
        "aws-extension",
        "calling-trigger",
        "calling-rule",
        "cron-job",
        "default-privilege",
        "external-login",
        "foreign-data-wrapper",
        "foreign-server",
        "user-mapping",
        "hook-extension",
        "privileged-member",
        "privileged-role",
        "role-admin",
        "public-grant",
        "publication",
        "queue-table",
        "replication-extension",
        "replication-origin",
        "replication-slot",
        "role-setting",
        "scheduler",
        "secret-in-comment",
        "secret-in-default",
        "secret-in-definition",
        "secret-in-function",
        "secret-in-policy",
        "secret-in-view",
        "security-definer",
        "subscription",
        "event-trigger",
        // Last: creating a replication slot waits for every transaction to end, and this one does
        // not.
        "prepared-transaction",
    ]
}

/// The one that cannot be cut: removing a security label needs the library of its provider. It
/// stops a run.
pub fn stubborn() -> Planted {
    Planted { slug: "security-label", plant: include_str!("../../data/wires/security-label.sql"), remedy: "" }
}
