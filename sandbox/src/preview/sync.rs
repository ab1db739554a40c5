//! Daily syncs of a made-up production.

use std::collections::BTreeMap;

use functions::report_run::{
    report::{Carried, Kind, Report, Step, Target},
    sections::{Attestation, Column, FreshBy, Journal, KeptWire, Masking, Punctuality, Wires},
};
use serde_json::json;

use super::fixtures::{Course, at, begun, cost, ended, failed as failed_with, open, start, step};

const ATTESTED: &str = "0 of 8412 original values found again in 9104222 looked-at values, 0 live wires, all \
                        214 columns have a rule";

fn sanitized() -> Vec<Step> {
    vec![
        step("SelectSnapshot", 0, 4, "rds:orders-2026-11-25-00-10 of 2026-11-25T00:10:00Z is taken"),
        step("CopySnapshot", 4, 420, "sync-orders-5f1c07aa is available")
            .polled(415, &["snapshot sync-orders-5f1c07aa to be available (copying)"]),
        step("ShareSnapshot", 420, 433, "sync-orders-5f1c07aa is shared with 444455556666")
            .polled(430, &["the share"]),
        step("RestoreQuarantine", 433, 1320, "quarantine-orders-5f1c07aa is available").polled(
            1315,
            &[
                "cluster quarantine-orders-5f1c07aa to be available (creating)",
                "the new master password to be in force",
                "instance quarantine-orders-5f1c07aa-1 to be available (creating)",
            ],
        ),
        step(
            "SanitizeDatabases",
            1320,
            2410,
            "41 live wires cut; 3 databases with 1204118 rows made again, 18 of their tables \
             masked",
        )
        .on_a_worker(),
        step("AttestSanitized", 2410, 2790, ATTESTED).on_a_worker(),
        step("SnapshotSanitized", 2790, 3120, "sanitized-orders-5f1c07aa is available")
            .polled(3115, &["snapshot sanitized-orders-5f1c07aa to be available (creating)"]),
        step("DeleteQuarantine", 3120, 3460, "the quarantine and our copy are gone").polled(
            3455,
            &["quarantine-orders-5f1c07aa-1 to be gone", "quarantine-orders-5f1c07aa to be gone"],
        ),
    ]
}

fn target(name: &str, from: i64) -> Vec<Step> {
    vec![
        step("RestoreTarget", from, from + 610, &format!("{name}-5f1c07aa is available")).of(name).polled(
            from + 605,
            &["the new cluster to be available (creating)", "its instance to be available (creating)"],
        ),
        step("PrepareTarget", from + 610, from + 790, "6 roles, 2 kept tables, 4 smoke queries answered")
            .of(name)
            .on_a_worker(),
        step("SwapTarget", from + 790, from + 1240, &format!("{name} leads to this run's copy"))
            .of(name)
            .polled(
                from + 1235,
                &[
                    "the present cluster to be marked as the one that is replaced",
                    "the present cluster to be renamed away",
                    "the new cluster to be renamed in",
                    "the new cluster to be available (it is starting)",
                ],
            ),
        step("RetireOld", from + 1240, from + 1250, "1 replaced copy stays, 1 was deleted").of(name),
    ]
}

fn common() -> Report {
    let mut report = begun("daily-sync", "orders-2026-11-25", json!({ "sync": "orders" }));
    report.cluster = Some("orders".to_owned());
    report.from = Some("16.14".to_owned());
    report.data_taken = Some(at(-3000));
    report.copies.source =
        Some("arn:aws:rds:eu-west-1:111122223333:cluster-snapshot:rds:orders-2026-11-25-00-10".to_owned());
    report.copies.source_taken = report.data_taken;
    report.copies.sanitized = Some("sanitized-orders-5f1c07aa".to_owned());
    report.wires = Some(Wires {
        cut: [
            ("login-role", 14),
            ("subscription", 1),
            ("cron-job", 6),
            ("user-mapping", 2),
            ("secret-in-function", 3),
            ("security-definer", 15),
        ]
        .into_iter()
        .map(|(kind, count)| (kind.to_owned(), count))
        .collect(),
        kept: vec![KeptWire {
            kind: "security-definer".to_owned(),
            database: Some("shop".to_owned()),
            object: "public.next_number(text)".to_owned(),
            reason: "it only counts".to_owned(),
        }],
    });
    let column = |table: &str, column: &str, rule: &str, values: u64| Column {
        database: "shop".to_owned(),
        table: table.to_owned(),
        column: column.to_owned(),
        rule: rule.to_owned(),
        values,
    };
    report.masking = Some(Masking {
        tables: 18,
        rows: 1_204_118,
        seconds: 1001,
        columns: vec![
            column("public.customers", "email", "email", 48_210),
            column("public.customers", "full_name", "name", 48_210),
            column("public.customers", "birth_date", "date: shift within the month", 48_210),
            column("public.customers", "profile $.phone", "phone", 31_007),
            column("public.payments", "iban", "iban", 90_114),
        ],
    });
    report.attestation = Some(Attestation {
        summary: ATTESTED.to_owned(),
        counts: [
            ("databases", 3),
            ("columns", 214),
            ("fingerprints", 8412),
            ("values", 9_104_222),
            ("liveWires", 0),
        ]
        .into_iter()
        .map(|(name, count)| (name.to_owned(), count))
        .collect::<BTreeMap<_, _>>(),
        key: "attestations/cluster-ABCDEFGHIJKLMNOP.json".to_owned(),
    });
    report.cost = Some(cost(&[
        ("Quarantine", 0.842, "instance hours", 0.52),
        ("Workers on Fargate", 0.508, "task hours", 0.1151),
        ("Step Functions", 148.0, "state transitions", 0.000_025),
    ]));
    report
}

/// 07:00 in Berlin is five hours after the run began.
fn fresh_by(outcome: Punctuality, last: i64) -> FreshBy {
    FreshBy {
        time: "07:00".to_owned(),
        time_zone: "Europe/Berlin".to_owned(),
        until: at(5 * 3600),
        outcome,
        seconds: 5 * 3600 - last,
    }
}

fn published(name: &str, second: i64) -> Target {
    Target {
        kind: Kind::Succeeded,
        endpoint: Some(format!("{name}.cluster-c0ffee.eu-west-1.rds.amazonaws.com")),
        published: Some(at(second)),
        downtime: Some(412),
        carried: vec![Carried { table: "shop/public.feature_flags".to_owned(), rows: 31 }],
        kept: vec![format!("{name}-old-5f1c07aa")],
        deleted: vec![format!("{name}-old-00ff00ff")],
        swap: Some(Journal {
            by: policy::Swap::Rename,
            began: at(second - 450),
            fresh: format!("{name}-5f1c07aa"),
            former: Some(format!("{name}-old-5f1c07aa")),
            kept_until: Some(at(second - 450 + 48 * 3600)),
            kept_at_most: 1,
            back: Some(format!(
                "aws rds modify-db-cluster --db-cluster-identifier {name} \\\n  --new-db-cluster-identifier \
                 {name}-bad --apply-immediately\naws rds modify-db-cluster --db-cluster-identifier \
                 {name}-old-5f1c07aa \\\n  --new-db-cluster-identifier {name} --apply-immediately"
            )),
        }),
        ..Target::new(name)
    }
}

pub fn succeeded() -> Report {
    let mut report = common();
    report.steps = sanitized();
    report.steps.extend(target("orders-dev", 3460));
    report.steps.extend(target("orders-support", 3470));
    report.steps.push(
        step("CleanUp", 4720, 4790, "nothing of this sync is left but what is published")
            .polled(4785, &["a minute to pass"]),
    );
    report.targets = vec![published("orders-dev", 4700), published("orders-support", 4710)];
    report.outcome =
        "orders-dev, orders-support lead to sanitised data of 2026-11-25T00:10:00Z; nothing else is left"
            .to_owned();
    report.fresh_by = Some(fresh_by(Punctuality::Kept, 4710));
    ended(&mut report, "SUCCEEDED", Kind::Succeeded, 4791);
    report
}

pub fn one_target_failed() -> Report {
    let mut report = common();
    report.steps = sanitized();
    report.steps.extend(target("orders-dev", 3460));
    let mut second = target("orders-support", 3470);
    second.truncate(1);
    let found =
        "the role app_support of orders-support cannot be made: the secret orders-support/app is missing";
    second.push(
        open("PrepareTarget", 4080).of("orders-support").on_a_worker().answered(4131, "Refused", found),
    );
    report.steps.extend(second);
    report.steps.push(
        step("CleanUp", 4710, 4990, "orders-support-5f1c07aa is deleted")
            .polled(4985, &["orders-support-5f1c07aa to be gone"]),
    );
    report.targets = vec![
        published("orders-dev", 4700),
        Target {
            kind: Kind::Failed,
            error: Some("Refused".to_owned()),
            cause: Some(found.to_owned()),
            ..Target::new("orders-support")
        },
    ];
    report.left = vec![
        "snapshot sync-orders-5f1c07aa: production's account denies rds:DeleteDBClusterSnapshot".to_owned(),
    ];
    let next = start(&report);
    failed_with(
        &mut report,
        "Refused",
        (found, "nothing.", "create the secret, then start a new execution with the same input."),
        &next,
    );
    report.outcome = "PrepareTarget orders-support stopped the run with Refused.".to_owned();
    report.fresh_by = Some(fresh_by(Punctuality::Open, 4991));
    ended(&mut report, "FAILED", Kind::Failed, 4991);
    report
}
