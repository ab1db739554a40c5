//! Upgrades of a made-up cluster.

use std::collections::BTreeMap;

use functions::report_run::{
    report::{Downtime, Kind, Outage, Progress, Report, Step},
    sections::{
        Analyzed, Approval, Change, Extension, Outcome, Parameter, ParameterGroup, RowCounts, Statement,
    },
};
use runbook::{Finding, Level, major_upgrade::Question};
use serde_json::json;

use super::fixtures::{
    Course, at, begun, cost, ended, failed as failed_with, open, redrive, step, upgrade_input,
};

const STATES: [&str; 9] = [
    "ResolveUpgrade",
    "InspectDatabases",
    "PrepareParameterGroups",
    "ApplyPendingMaintenance",
    "TakeSnapshot",
    "ModifyClusterVersion",
    "SyncParameterGroups",
    "RunAnalyze",
    "VerifyUpgrade",
];

/// Entered none of these.
fn ahead(report: &mut Report) {
    let entered = |state: &&str| report.steps.iter().any(|step| step.state == *state);
    report.ahead = STATES.into_iter().filter(|state| !entered(state)).map(str::to_owned).collect();
}

fn prepared() -> Vec<Step> {
    vec![
        step("ResolveUpgrade", 0, 3, "orders goes from 16.14 to 18.4 in one step"),
        step(
            "InspectDatabases",
            3,
            241,
            "12 databases with 486 tables: nothing stops the upgrade, 3 warnings",
        )
        .on_a_worker(),
        step(
            "PrepareParameterGroups",
            241,
            561,
            "orders-pg18, orders-1-pg18, orders-2-pg18 hold the owner's values: 5 kept, 1 renamed, 0 \
             overridden, 2 removed, 0 not modifiable; 9 defaults differ in the new family",
        )
        .polled(556, &["DB cluster parameter group orders-pg18, which was created now", "5 min to pass"]),
        step(
            "ApplyPendingMaintenance",
            561,
            1010,
            "os-upgrade of orders is applied; the certificate is left to you",
        )
        .polled(1005, &["orders to take os-upgrade", "orders-1 to be available (it is rebooting)"])
        .answered(720, "Lambda.TooManyRequestsException", "Rate Exceeded."),
        step("TakeSnapshot", 1010, 1560, "before-upgrade-orders-16-14-5f1c07aa is available").polled(
            1555,
            &["snapshot before-upgrade-orders-16-14-5f1c07aa to be available (creating, 40 %)"],
        ),
    ]
}

fn upgraded() -> Vec<Step> {
    let mut steps = prepared();
    steps.extend([
        step("ModifyClusterVersion", 1560, 2890, "orders is at 18.4, with its writer and one reader").polled(
            2885,
            &[
                "RDS to begin the upgrade of orders to 18.4",
                "cluster orders to be available (it is upgrading)",
                "instance orders-2 to be at 18.4 (it is at 16.14; readers follow the writer)",
            ],
        ),
        step("ResolveUpgrade", 2890, 2893, "orders is at 18.4: nothing to upgrade"),
        step("SyncParameterGroups", 2893, 3140, "orders-1 and orders-2 are in-sync with their groups")
            .polled(
                3135,
                &["instance orders-2 to be in-sync (rebooting)", "instance orders-1 to be in-sync"],
            ),
    ]);
    steps
}

fn parameters() -> Vec<ParameterGroup> {
    let row = |name: &str, value: &str, outcome: Outcome| Parameter {
        name: name.to_owned(),
        value: Some(value.to_owned()),
        old_default: None,
        new_default: None,
        outcome,
        to: None,
        reason: None,
        allowed: None,
    };
    vec![
        ParameterGroup {
            kind: "DB cluster parameter group".to_owned(),
            from: "orders-pg16".to_owned(),
            to: "orders-pg18".to_owned(),
            made_by_us: true,
            rows: vec![
                row("rds.logical_replication", "1", Outcome::Kept),
                Parameter {
                    to: Some("ssl_groups".to_owned()),
                    ..row("ssl_ecdh_curve", "prime256v1", Outcome::Renamed)
                },
                row("db_user_namespace", "0", Outcome::Removed),
                Parameter {
                    value: None,
                    old_default: Some("0".to_owned()),
                    new_default: Some("1".to_owned()),
                    ..row("track_wal_io_timing", "", Outcome::DefaultChanged)
                },
            ],
            differs: BTreeMap::new(),
        },
        ParameterGroup {
            kind: "DB parameter group".to_owned(),
            from: "orders-1-pg16".to_owned(),
            to: "orders-1-pg18".to_owned(),
            made_by_us: false,
            rows: vec![
                row("work_mem", "65536", Outcome::Kept),
                row("log_min_duration_statement", "500", Outcome::Kept),
            ],
            differs: BTreeMap::from([("work_mem".to_owned(), (Some("4096".to_owned()), "65536".to_owned()))]),
        },
    ]
}

fn downtime() -> Downtime {
    let outage = |from: i64, until: i64, reason: &str| Outage {
        from: at(from),
        until: at(until),
        reason: reason.to_owned(),
    };
    let outages = vec![
        outage(1750, 2512, "Upgrade preparation in progress: Taking database cluster offline for upgrade."),
        outage(3080, 3121, "DB instance shutdown"),
    ];
    Downtime { seconds: 803, outages }
}

fn statements(count: usize) -> Vec<Statement> {
    (0..count)
        .map(|number| Statement {
            database: ["shop", "billing", "audit"][number % 3].to_owned(),
            tables: vec![format!(
                "ONLY public.{}_{number:03}",
                ["orders", "order_lines", "events"][number % 3]
            )],
            milliseconds: (97_000 / (number as u64 + 1)) + 12,
            failed: None,
        })
        .collect()
}

pub fn succeeded() -> Report {
    of_tables(24)
}

pub fn of_tables(count: usize) -> Report {
    let mut report = begun("major-upgrade", "orders-2026-11-25", upgrade_input());
    (report.from, report.to) = (Some("16.14".to_owned()), Some("18.4".to_owned()));
    report.steps = upgraded();
    report.steps.extend([
        step(
            "RunAnalyze",
            3140,
            3561,
            &format!("{count} tables in 12 databases analysed in 402 s; 2 extensions updated."),
        )
        .on_a_worker(),
        step(
            "VerifyUpgrade",
            3561,
            3655,
            "orders is at 18.4 with 2 members; 486 tables have statistics, 1,204,118 rows as before",
        )
        .on_a_worker(),
    ]);
    report.findings = findings(3, Level::Warn);
    report.parameters = parameters();
    report.extensions = vec![
        Extension {
            database: "shop".to_owned(),
            name: "postgis".to_owned(),
            from: "3.4.2".to_owned(),
            to: "3.5.1".to_owned(),
            reason: Some("PostGIS updates itself and its relatives with a function of its own".to_owned()),
            statement: Some("SELECT postgis_extensions_upgrade();".to_owned()),
        },
        Extension {
            database: "shop".to_owned(),
            name: "pg_trgm".to_owned(),
            from: "1.5".to_owned(),
            to: "1.6".to_owned(),
            reason: None,
            statement: None,
        },
    ];
    report.analyzed = Some(Analyzed {
        tables: count as u64,
        already: 0,
        seconds: 402,
        hot_after_seconds: Some(31),
        statements: statements(count),
    });
    report.rows = Some(RowCounts {
        tables: 486,
        counted: 470,
        equal: 468,
        rows_before: 1_204_118,
        rows_after: 1_204_163,
        changed: vec![
            Change { table: "shop/public.sessions".to_owned(), before: 5120, after: 5164 },
            Change { table: "shop/public.audit_log".to_owned(), before: 88_001, after: 88_002 },
        ],
        emptied: Vec::new(),
        gone: Vec::new(),
    });
    report.copies.before_upgrade = Some("before-upgrade-orders-16-14-5f1c07aa".to_owned());
    report.terraform = Some(
        "# aws_rds_cluster orders\n\
         engine_version                  = \"18.4\"\n\
         db_cluster_parameter_group_name = \"orders-pg18\"\n\n\
         # aws_rds_cluster_instance orders-1\n\
         engine_version          = \"18.4\"\n\
         db_parameter_group_name = \"orders-1-pg18\"\n"
            .to_owned(),
    );
    report.downtime = Some(downtime());
    report.cost = Some(cost(&[
        ("Workers on Fargate", 0.209, "task hours", 0.1151),
        ("Step Functions", 74.0, "state transitions", 0.000_025),
    ]));
    report.outcome =
        "orders is at 18.4 with 2 members; 486 tables have statistics, 1,204,118 rows as before".to_owned();
    ended(&mut report, "SUCCEEDED", Kind::Succeeded, 3655);
    report
}

pub fn running() -> Report {
    let mut report = begun("major-upgrade", "orders-2026-11-25", upgrade_input());
    (report.from, report.to) = (Some("16.14".to_owned()), Some("18.4".to_owned()));
    report.steps = upgraded();
    report.steps.push(Step {
        progress: Some(Progress {
            at: at(3301),
            said: "analysed 212 of 486 tables; database shop, about 3 min left".to_owned(),
        }),
        ..open("RunAnalyze", 3140).on_a_worker().answered(
            3170,
            "NotReady",
            "waiting for a new worker (this one was stopped with SIGTERM)",
        )
    });
    report.steps.last_mut().expect("it was just pushed").polls = 1;
    report.downtime = Some(downtime());
    report.parameters = parameters();
    report.copies.before_upgrade = Some("before-upgrade-orders-16-14-5f1c07aa".to_owned());
    report.outcome = "The run is in RunAnalyze.".to_owned();
    (report.written, report.total) = (at(3310), 3310);
    ahead(&mut report);
    report
}

/// A person is asked whether it shall begin.
pub fn asking() -> Report {
    let input = json!({ "cluster": "orders", "target": "18", "approval": true });
    let mut report = begun("major-upgrade", "orders-2026-11-25", input);
    (report.from, report.to) = (Some("16.14".to_owned()), Some("18.4".to_owned()));
    report.steps = prepared()[..3].to_vec();
    report.steps.push(open("AskApproval", 561));
    report.parameters = parameters();
    report.findings = findings(2, Level::Warn);
    // As long as those are that AWS shows.
    let token = "AQC8AAAAKgAAAAMAAAAA".repeat(40);
    let until = at(561 + 7 * 86_400);
    let question = Question { token, until };
    report.approval = Some(Approval::of(&question, "eu-west-1", "https://eu-west-1.console.aws.amazon.com"));
    report.outcome =
        "A person is asked: orders goes from 16.14 to 18.4 in one step. Nothing that users feel \
                      has been done."
            .to_owned();
    (report.written, report.total) = (at(600), 600);
    ahead(&mut report);
    report
}

fn findings(count: usize, level: Level) -> Vec<Finding> {
    const CHECKS: [(&str, &str, &str, &str); 5] = [
        (
            "prepared-transaction",
            "gid 'transfer-4711'",
            "pg_upgrade refuses a cluster with prepared transactions",
            "COMMIT PREPARED 'transfer-4711'; or ROLLBACK PREPARED 'transfer-4711';",
        ),
        (
            "logical-slot",
            "cdc_orders",
            "Aurora refuses the upgrade while a logical replication slot exists",
            "SELECT pg_drop_replication_slot('cdc_orders');",
        ),
        (
            "reg-column",
            "public.audit.relation (regclass)",
            "OIDs differ after the upgrade, so pg_upgrade refuses a column of this type",
            "ALTER TABLE public.audit ALTER COLUMN relation TYPE text USING relation::text;",
        ),
        (
            "view-on-catalog-column",
            "reports.tables_with_oids",
            "it reads pg_class.relhasoids, which the new version does not have",
            "DROP VIEW reports.tables_with_oids; and create it again after the upgrade",
        ),
        (
            "missing-library",
            "old_extension in shop",
            "the new server does not have $libdir/old_extension",
            "DROP EXTENSION old_extension;",
        ),
    ];
    (0..count)
        .map(|number| {
            let (check, object, reason, remedy) = CHECKS[number % CHECKS.len()];
            let database = ["shop", "billing", "audit"][number % 3].to_owned();
            let object = if number < 5 { object.to_owned() } else { format!("{object} ({number})") };
            Finding {
                check: check.to_owned(),
                level,
                database: Some(database),
                object,
                reason: reason.to_owned(),
                remedy: remedy.to_owned(),
            }
        })
        .collect()
}

pub fn blocked(count: usize) -> Report {
    let mut report = begun("major-upgrade", "orders-2026-11-25", upgrade_input());
    (report.from, report.to) = (Some("16.14".to_owned()), Some("18.4".to_owned()));
    report.findings = findings(count, Level::Block);
    let cause = runbook::Error::Blocked(report.findings.clone()).to_string();
    report.findings.extend(findings(2, Level::Warn));
    report.steps = vec![
        step("ResolveUpgrade", 0, 3, "orders goes from 16.14 to 18.4 in one step"),
        open("InspectDatabases", 3).on_a_worker().answered(187, "Blocked", &cause),
    ];
    report.error = Some("Blocked".to_owned());
    report.found = Some(format!("{count} things must be fixed first; nothing in production was changed."));
    report.cause = Some(cause);
    report.next = Some(redrive(&report));
    report.outcome = "InspectDatabases stopped the run with Blocked.".to_owned();
    ended(&mut report, "FAILED", Kind::Blocked, 188);
    ahead(&mut report);
    report
}

pub fn failed() -> Report {
    let mut report = begun("major-upgrade", "orders-2026-11-25", upgrade_input());
    (report.from, report.to) = (Some("16.14".to_owned()), Some("18.4".to_owned()));
    let found = "1 of 486 tables could not be analysed; the other 485 have their statistics. The cluster \
                 is upgraded and in use.\n\n\
                 shop: ANALYZE ONLY public.order_lines\n  \
                 why: canceling statement due to lock timeout: another session holds a lock on the table\n  \
                 do:  ANALYZE ONLY public.order_lines;";
    report.steps = upgraded();
    report.steps.push(
        open("RunAnalyze", 3140)
            .on_a_worker()
            .answered(3230, "States.HeartbeatTimeout", "no heartbeat for 300 s")
            .answered(3644, "OperationFailed", found),
    );
    report.steps.last_mut().expect("it was just pushed").retries = 1;
    let next = redrive(&report);
    failed_with(
        &mut report,
        "OperationFailed",
        (found, "statistics and extensions as far as it came.", "redrive the execution"),
        &next,
    );
    report.analyzed = Some(Analyzed {
        tables: 485,
        already: 0,
        seconds: 391,
        hot_after_seconds: Some(31),
        statements: vec![Statement {
            database: "shop".to_owned(),
            tables: vec!["ONLY public.order_lines".to_owned()],
            milliseconds: 120_000,
            failed: Some("canceling statement due to lock timeout".to_owned()),
        }]
        .into_iter()
        .chain(statements(20))
        .collect(),
    });
    report.downtime = Some(downtime());
    report.parameters = parameters();
    report.copies.before_upgrade = Some("before-upgrade-orders-16-14-5f1c07aa".to_owned());
    report.outcome = "RunAnalyze stopped the run with OperationFailed.".to_owned();
    ended(&mut report, "FAILED", Kind::Failed, 3645);
    ahead(&mut report);
    report
}

pub fn timed_out() -> Report {
    let mut report = begun("major-upgrade", "orders-2026-11-25", upgrade_input());
    (report.from, report.to) = (Some("16.14".to_owned()), Some("18.4".to_owned()));
    report.steps = prepared();
    report.steps.push(open("ModifyClusterVersion", 1560).polled(
        86_390,
        &["RDS to begin the upgrade of orders to 18.4", "cluster orders to be available (it is upgrading)"],
    ));
    report.error = Some("States.Timeout".to_owned());
    report.next = Some(redrive(&report));
    report.parameters = parameters();
    report.copies.before_upgrade = Some("before-upgrade-orders-16-14-5f1c07aa".to_owned());
    report.outcome = "The run timed out in ModifyClusterVersion.".to_owned();
    ended(&mut report, "TIMED_OUT", Kind::TimedOut, 86_400);
    ahead(&mut report);
    report
}

pub fn aborted() -> Report {
    let mut report = begun("major-upgrade", "orders-2026-11-25", upgrade_input());
    (report.from, report.to) = (Some("16.14".to_owned()), Some("18.4".to_owned()));
    report.steps = prepared();
    report.steps.pop();
    report.steps.push(
        open("TakeSnapshot", 1010).polled(
            1300,
            &["snapshot before-upgrade-orders-16-14-5f1c07aa to be available (creating, 20 %)"],
        ),
    );
    report.error = Some("Cancelled".to_owned());
    report.cause = Some("the shop has a sale tonight".to_owned());
    report.found = report.cause.clone();
    report.next = Some(redrive(&report));
    report.outcome = "The run was stopped by a person or a tool in TakeSnapshot.".to_owned();
    ended(&mut report, "ABORTED", Kind::Aborted, 1312);
    ahead(&mut report);
    report
}

/// What a database, a person and AWS may say at worst.
pub fn hostile() -> Report {
    let nasty =
        "</pre></script><script>alert('1')</script><img src=x onerror=alert(2)>&amp;\u{202e}\u{0}\"'`";
    let mut report = begun("major-upgrade", nasty, json!({ "cluster": nasty, "target": nasty }));
    (report.from, report.to) = (Some(nasty.to_owned()), Some(nasty.to_owned()));
    report.cluster = Some(nasty.to_owned());
    report.steps =
        vec![step(nasty, 0, 30, nasty), open(&"W".repeat(300), 30).answered(60, nasty, &nasty.repeat(2000))];
    report.findings = findings(2, Level::Block)
        .into_iter()
        .map(|finding| Finding {
            check: nasty.to_owned(),
            object: "x".repeat(5000),
            reason: nasty.to_owned(),
            remedy: nasty.to_owned(),
            ..finding
        })
        .collect();
    report.left = vec![nasty.to_owned()];
    report.terraform = Some(nasty.to_owned());
    report.links[0].url = format!("https://eu-west-1.console.aws.amazon.com/#\"><script>{nasty}");
    report.error = Some(nasty.to_owned());
    (report.cause, report.found) = (Some(nasty.repeat(2000)), Some(nasty.repeat(2000)));
    report.next = Some(redrive(&report));
    report.outcome = nasty.to_owned();
    ended(&mut report, "FAILED", Kind::Failed, 61);
    report
}
