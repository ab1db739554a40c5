//! The checks of an upgrade by Blue/Green, beside those of every upgrade: green is upgraded by
//! pg_upgrade too, and then has to follow (AuroraUserGuide, blue-green-deployments-creating,
//! -considerations and -best-practices).

use runbook::{Finding, Level};

use super::check::{Check, Lists, Scope};

macro_rules! check {
    ($slug:literal, $scope:ident, $level:ident, $reason:literal) => {
        Check {
            slug: $slug,
            scope: Scope::$scope,
            level: Level::$level,
            applies: |hop| hop.blue_green,
            lists: Lists::None,
            sql: include_str!(concat!("../sql/blue_green/", $slug, ".sql")),
            reason: $reason,
        }
    };
}

pub const CHECKS: &[Check] = &[
    check!(
        "no-replica-identity",
        Database,
        Block,
        "once it is published, UPDATE and DELETE on it fail on the cluster itself: the application breaks"
    ),
    check!(
        "unlogged-table",
        Database,
        Block,
        "its rows do not go to green, unless rds.logically_replicate_unlogged_tables is 1"
    ),
    check!(
        "unreplicated-large-object",
        Database,
        Block,
        "large objects are not replicated: any change of one until the switchover is lost or ends it"
    ),
    check!(
        "foreign-slot",
        Cluster,
        Block,
        "RDS makes no green of a cluster that somebody reads by logical replication (a task of DMS, another \
        CDC), and the slot does not go over: what reads it begins anew after the upgrade"
    ),
    check!(
        "publisher",
        Database,
        Block,
        "a cluster that publishes for others is not switched over; its subscribers lose their place"
    ),
    // Of an upgrade to another major version it is the check `subscription`.
    Check {
        slug: "subscriber",
        scope: Scope::Cluster,
        level: Level::Block,
        applies: |hop| hop.blue_green && hop.from == hop.to,
        lists: Lists::None,
        sql: include_str!("../sql/inspect/subscription.sql"),
        reason: "RDS makes no green of a cluster that subscribes to another",
    },
    check!(
        "replication-slots",
        Cluster,
        Block,
        "green follows by one slot and one process a database, and they must be free"
    ),
    check!(
        "preloaded-worker",
        Cluster,
        Block,
        "it writes by itself as a superuser, on green too, where nothing but replication may"
    ),
    check!(
        "read-only-switched-off",
        Cluster,
        Block,
        "green is kept from writes by default_transaction_read_only, and whoever has it off writes there \
        what the cluster never gets"
    ),
    check!(
        "worker-processes",
        Cluster,
        Warn,
        "green's replication may find no process, when all others are taken"
    ),
    check!("materialized-view", Database, Warn, "a refresh on the cluster ends the replication to green"),
    check!(
        "always-trigger",
        Database,
        Warn,
        "it also fires on green for what is replicated, so that its effect comes twice"
    ),
    check!("foreign-server", Database, Warn, "an address leads to the old cluster after the switchover"),
];

/// What RDS has made for green is its own business: its slots and publications are called `rds…`.
pub fn is_of_rds(finding: &Finding) -> bool {
    let kinds = ["logical-slot", "kept-slot", "unusable-slot", "publication"];
    kinds.contains(&finding.check.as_str()) && finding.object.starts_with("rds")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::major_upgrade::inspect_databases::checks;

    #[test]
    fn no_two_checks_have_the_same_name() {
        let all = CHECKS.iter().chain(checks::CHECKS);
        let names: BTreeSet<_> = all.clone().map(|check| check.slug).collect();
        assert_eq!(names.len(), all.count());
    }

    #[test]
    fn what_rds_has_made_for_green_is_no_finding() {
        let finding = |check: &str, object: &str| Finding {
            check: check.into(),
            level: Level::Block,
            database: None,
            object: object.into(),
            reason: String::new(),
            remedy: String::new(),
        };
        assert!(is_of_rds(&finding("logical-slot", "rds_us_1")));
        assert!(!is_of_rds(&finding("logical-slot", "debezium")));
        assert!(!is_of_rds(&finding("reg-column", "rds_us_1")));
    }
}
