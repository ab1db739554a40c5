//! The table of checks.

use runbook::Level;

use super::check::{Check, Hop, Lists, Scope};

macro_rules! check {
    ($slug:literal, $scope:ident, $level:ident, $applies:expr, $reason:literal) => {
        check!($slug, $slug, $scope, $level, $applies, Lists::None, $reason)
    };
    ($slug:literal, $scope:ident, $level:ident, $applies:expr, $lists:expr, $reason:literal) => {
        check!($slug, $slug, $scope, $level, $applies, $lists, $reason)
    };
    (
        $slug:literal, $file:literal, $scope:ident, $level:ident, $applies:expr, $lists:expr,
        $reason:literal
    ) => {
        Check {
            slug: $slug,
            scope: Scope::$scope,
            level: Level::$level,
            applies: $applies,
            lists: $lists,
            sql: include_str!(concat!("../sql/inspect/", $file, ".sql")),
            reason: $reason,
        }
    };
}

const ALWAYS: fn(Hop) -> bool = |_| true;
const REG_TYPES: &[&str] = &[
    "pg_catalog.regcollation",
    "pg_catalog.regconfig",
    "pg_catalog.regdictionary",
    "pg_catalog.regnamespace",
    "pg_catalog.regoper",
    "pg_catalog.regoperator",
    "pg_catalog.regproc",
    "pg_catalog.regprocedure",
];
const REMOVED_TYPES: &[&str] = &[
    "information_schema.sql_identifier",
    "pg_catalog.abstime",
    "pg_catalog.reltime",
    "pg_catalog.tinterval",
];

/// In the order of a report: what stops pg_upgrade, what kills it after its own checks, what bites
/// later, what is good to know.
pub const CHECKS: &[Check] = &[
    check!(
        "prepared-transaction",
        Cluster,
        Block,
        ALWAYS,
        "pg_upgrade refuses a cluster with prepared transactions, and each holds its locks"
    ),
    check!(
        "logical-slot",
        Cluster,
        Block,
        |hop| hop.from <= 16,
        "from a version before 17 Aurora refuses a major upgrade while a logical replication slot exists; \
        its consumer must start again from a fresh slot"
    ),
    // AuroraUserGuide, "Reestablishing logical replication after a major upgrade".
    check!(
        "unusable-slot",
        Cluster,
        Block,
        |hop| hop.from >= 17,
        "the upgrade fails at a slot that is invalid or holds changes that nobody has read, after the \
        cluster was taken offline"
    ),
    check!(
        "subscription",
        Cluster,
        Block,
        ALWAYS,
        "Aurora wants subscriptions torn down before a major upgrade; one that is carried over arrives \
        disabled and without its state"
    ),
    check!(
        "invalid-database",
        Cluster,
        Block,
        ALWAYS,
        "an interrupted DROP DATABASE left it half deleted; pg_upgrade cannot connect to it"
    ),
    check!(
        "database-refuses-connections",
        Cluster,
        Block,
        ALWAYS,
        "pg_upgrade must connect to every database but template0"
    ),
    check!(
        "template-database",
        Cluster,
        Block,
        ALWAYS,
        "pg_upgrade needs template0 and template1 as templates"
    ),
    check!(
        "odd-database-name",
        Cluster,
        Block,
        ALWAYS,
        "Amazon RDS cannot dump a database whose name holds quotes, $, `, \\, brackets or control characters"
    ),
    check!(
        "newline-in-name",
        Cluster,
        Block,
        |hop| hop.to >= 19,
        "names with line breaks are refused from 19 on"
    ),
    check!(
        "role-named-pg",
        Cluster,
        Block,
        ALWAYS,
        "names that begin with pg_ are reserved for built-in roles: pg_upgrade does not carry this role \
        over, and what it owns then fails to restore, after its own check has passed"
    ),
    check!(
        "refused-role-setting",
        Cluster,
        Block,
        ALWAYS,
        Lists::Settings,
        "the target refuses the setting, and pg_upgrade dies of it after its own check has passed"
    ),
    check!(
        "low-timeout-setting",
        Cluster,
        Block,
        ALWAYS,
        "pg_upgrade's own statements run under this setting, too, and are cancelled"
    ),
    check!(
        "reg-column",
        "column-of-type",
        Database,
        Block,
        ALWAYS,
        Lists::Types(REG_TYPES),
        "pg_upgrade refuses columns that hold object identifiers of these types, because identifiers change"
    ),
    check!(
        "system-row-column",
        "column-of-type",
        Database,
        Block,
        ALWAYS,
        Lists::Types(&["row"]),
        "the row types of system tables change from version to version, so pg_upgrade refuses columns of them"
    ),
    check!(
        "aclitem-column",
        "column-of-type",
        Database,
        Block,
        |hop| hop.from <= 15 && hop.to >= 16,
        Lists::Types(&["pg_catalog.aclitem"]),
        "aclitem is stored in another way from 16 on"
    ),
    check!(
        "removed-type-column",
        "column-of-type",
        Database,
        Block,
        |hop| hop.from <= 11 && hop.to >= 12,
        Lists::Types(REMOVED_TYPES),
        "the type is gone, or stored in another way, from 12 on"
    ),
    check!(
        "table-with-oids",
        Database,
        Block,
        |hop| hop.from <= 11 && hop.to >= 12,
        "tables WITH OIDS are gone from 12 on"
    ),
    check!(
        "encoding-conversion",
        Database,
        Block,
        |hop| hop.from <= 13 && hop.to >= 14,
        "own encoding conversions need another signature from 14 on"
    ),
    check!(
        "postfix-operator",
        Database,
        Block,
        |hop| hop.from <= 13 && hop.to >= 14,
        "postfix operators are gone from 14 on"
    ),
    check!(
        "polymorphic-array-function",
        Database,
        Block,
        |hop| hop.from <= 13 && hop.to >= 14,
        "it is built on an array function whose argument types changed in 14"
    ),
    check!(
        "inherited-not-null",
        Database,
        Block,
        |hop| hop.from <= 17 && hop.to >= 18,
        "from 18 on a child must have the NOT NULL of its parent"
    ),
    check!(
        "missing-library",
        Database,
        Block,
        ALWAYS,
        Lists::Extensions,
        "the target does not have this extension or its library"
    ),
    check!(
        "outdated-postgis",
        Database,
        Block,
        ALWAYS,
        "Amazon's guide wants PostGIS and its relatives at their newest version before a major upgrade, \
        else their library is missing on the target"
    ),
    check!(
        "view-on-catalog-column",
        Database,
        Block,
        ALWAYS,
        Lists::ColumnsAndFunctions,
        "the target's catalogs lack what it uses: restoring the schema fails in the middle of the upgrade, \
        after pg_upgrade's own check has passed"
    ),
    check!(
        "refused-function-setting",
        Database,
        Block,
        ALWAYS,
        Lists::Settings,
        "the function sets a parameter that the target refuses, so that the schema cannot be restored"
    ),
    check!(
        "lock-table",
        Database,
        Block,
        ALWAYS,
        "dumping the schema locks every table of a database at once and runs out of shared memory, after \
        pg_upgrade's own check has passed"
    ),
    check!(
        "inet-index",
        Database,
        Block,
        |hop| hop.to >= 19,
        "btree_gist's operator classes for inet are gone from 19 on"
    ),
    check!(
        "foreign-library",
        Database,
        Warn,
        ALWAYS,
        "whether the target has the library of this C function cannot be seen from here; pg_upgrade refuses \
        if not"
    ),
    check!(
        "outdated-extension",
        Database,
        Warn,
        ALWAYS,
        "it is behind what this server offers; an old version may have no update path on the target"
    ),
    check!(
        "view-on-extension",
        Database,
        Warn,
        ALWAYS,
        "updating the extension after the upgrade drops and creates its views, which a view of yours on \
        them prevents"
    ),
    check!(
        "function-text-on-catalog-column",
        Database,
        Warn,
        ALWAYS,
        Lists::Columns,
        "the target's catalogs lack it: the function is carried over and fails when it is called"
    ),
    check!(
        "unsafe-index-function",
        Database,
        Warn,
        |hop| hop.from <= 16 && hop.to >= 17,
        "from 17 on ANALYZE, REINDEX and REFRESH run with a safe search_path, under which a function that \
        relies on the caller's fails"
    ),
    check!(
        "unicode-dependent-index",
        Database,
        Warn,
        |hop| hop.from == 17 && hop.to >= 18,
        "the target's Unicode tables are newer, so the index may give wrong answers until it is rebuilt"
    ),
    check!(
        "database-collation-drift",
        Cluster,
        Warn,
        |hop| hop.from >= 15,
        "the collation library changed since the database was made: indexes on text may give wrong answers"
    ),
    check!(
        "collation-drift",
        Database,
        Warn,
        |hop| hop.from >= 13,
        "the collation library changed since the collation was made: indexes that use it may give wrong \
        answers"
    ),
    check!(
        "kept-slot",
        Cluster,
        Warn,
        |hop| hop.from >= 17,
        "the upgrade keeps the slot when every change in it was read, and fails, with the cluster offline, \
        when not"
    ),
    check!(
        "database-without-connections",
        Cluster,
        Warn,
        ALWAYS,
        "it is upgraded, but nobody can connect to it: what is in it is not checked, and it is not ANALYZEd"
    ),
    check!("physical-slot", Cluster, Warn, ALWAYS, "replication slots do not survive an upgrade"),
    check!(
        "publication",
        Database,
        Warn,
        |hop| hop.from <= 16,
        "its subscribers lose their slots in the upgrade"
    ),
    check!(
        "event-trigger",
        Database,
        Warn,
        ALWAYS,
        "it also fires for ALTER EXTENSION … UPDATE after the upgrade"
    ),
    check!(
        "invalid-index",
        Database,
        Warn,
        ALWAYS,
        "a failed CREATE INDEX CONCURRENTLY left it: it costs writes and serves no query"
    ),
    check!(
        "other-language",
        Database,
        Warn,
        ALWAYS,
        "the version of this procedural language changes with the server"
    ),
    check!(
        "large-object",
        Database,
        Warn,
        ALWAYS,
        "large objects are carried over one by one: they cost memory and downtime"
    ),
    check!("long-transaction", Cluster, Warn, ALWAYS, "it will be cut off when the upgrade begins"),
    check!(
        "transaction-id-age",
        Cluster,
        Warn,
        ALWAYS,
        "its transaction identifiers are old; the upgrade ends every running VACUUM"
    ),
    check!("md5-password", Cluster, Warn, |hop| hop.to >= 18, "md5 passwords are deprecated from 18 on"),
    check!(
        "unreadable",
        Cluster,
        Warn,
        ALWAYS,
        "this cannot be inspected, so nothing found there means nothing"
    ),
    check!(
        "unreadable-table",
        Database,
        Warn,
        ALWAYS,
        "the master user may not read them, so their rows cannot be compared after the upgrade"
    ),
    check!(
        "statistics-inventory",
        Database,
        Info,
        ALWAYS,
        "extended statistics are not carried over by any version, and autovacuum never analyses partitioned \
        tables"
    ),
    check!(
        "object-count",
        Database,
        Info,
        ALWAYS,
        "the downtime of pg_upgrade follows the number of objects, not their size"
    ),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn slugs(from: u32, to: u32) -> BTreeSet<&'static str> {
        CHECKS
            .iter()
            .filter(|check| (check.applies)(Hop { from, to, blue_green: false }))
            .map(|check| check.slug)
            .collect()
    }

    #[test]
    fn every_check_has_a_name_of_its_own_in_kebab_case() {
        let names: BTreeSet<_> = CHECKS.iter().map(|check| check.slug).collect();
        assert_eq!(names.len(), CHECKS.len());
        assert!(names.iter().all(|name| {
            name.chars().all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-')
        }));
    }

    #[test]
    fn the_target_decides_what_is_checked() {
        assert!(
            slugs(16, 18).contains("inherited-not-null") && !slugs(16, 17).contains("inherited-not-null")
        );
        assert!(slugs(15, 16).contains("aclitem-column") && !slugs(16, 18).contains("aclitem-column"));
        assert!(
            slugs(16, 17).contains("unsafe-index-function")
                && !slugs(17, 18).contains("unsafe-index-function")
        );
        assert!(slugs(13, 16).contains("postfix-operator") && !slugs(14, 16).contains("postfix-operator"));
    }

    #[test]
    fn slots_survive_an_upgrade_from_17_on() {
        assert!(slugs(16, 18).contains("logical-slot") && !slugs(16, 18).contains("kept-slot"));
        assert!(!slugs(17, 18).contains("logical-slot") && !slugs(17, 18).contains("publication"));
        assert!(slugs(17, 18).is_superset(&["unusable-slot", "kept-slot"].into()));
    }

    #[test]
    fn catalogs_that_older_servers_lack_are_not_asked_there() {
        assert!(!slugs(14, 16).contains("database-collation-drift"));
        assert!(!slugs(16, 18).contains("table-with-oids"));
    }
}
