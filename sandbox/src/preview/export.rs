//! Exports of a made-up production.

use functions::report_run::{
    report::{Kind, Report},
    sections::{Difference, Export, ExportedTable},
};
use serde_json::json;

use super::fixtures::{Course, at, begun, cost, ended, failed as failed_with, open, redrive, step};

const SNAPSHOT: &str = "arn:aws:rds:eu-west-1:111122223333:cluster-snapshot:rds:orders-2026-11-25-00-10";
const TASK: &str = "orders-20261125-0010-5f1c07aa";

fn exporting(with: Vec<ExportedTable>) -> Report {
    let mut report = begun("snapshot-export", "9f2c51d0-7a10-4e44", json!({ "snapshot": SNAPSHOT }));
    report.data_taken = Some(at(-2990));
    (report.copies.source, report.copies.source_taken) = (Some(SNAPSHOT.to_owned()), report.data_taken);
    report.links.truncate(1);
    report.steps = vec![
        step("SelectExport", 0, 3, "rds:orders-2026-11-25-00-10 is exported as orders"),
        step("ExportSnapshot", 3, 2410, &format!("{TASK} is complete: 3 tables, 4.1 GB")).polled(
            2400,
            &[
                "the export to begin: AWS restores the snapshot first",
                "the export to be complete (21 %, 0.9 GB so far)",
                "the export to be complete (77 %, 3.2 GB so far)",
            ],
        ),
    ];
    report.export = Some(Export {
        name: "orders".to_owned(),
        verified: Some("rows compared with what the sync orders counted".to_owned()),
        reconciled: with,
        ..Export::default()
    });
    report
}

fn table(name: &str, rows: u64, source_rows: Option<u64>, types: &[&str]) -> ExportedTable {
    ExportedTable {
        table: format!("shop.public.{name}"),
        rows,
        source_rows,
        bytes: rows * 91,
        files: rows.div_ceil(500_000),
        types: types.iter().map(|&pair| pair.to_owned()).collect(),
        differences: Vec::new(),
    }
}

fn different(table: ExportedTable, what: &str, accepted: Option<&str>) -> ExportedTable {
    let difference = Difference { what: what.to_owned(), accepted: accepted.map(str::to_owned) };
    ExportedTable { differences: vec![difference], ..table }
}

fn tables() -> Vec<ExportedTable> {
    vec![
        table("customers", 48_210, Some(48_210), &["bigint → int64", "text → byte_array (string)"]),
        table(
            "order_lines",
            4_118_002,
            Some(4_118_002),
            &["bigint → int64", "numeric(10,2) → byte_array (string)", "timestamptz → byte_array (string)"],
        ),
        different(
            table("import/raw", 0, None, &[]),
            "AWS has left it out: its name has a slash",
            Some("raw lines of a supplier, nobody reads them"),
        ),
    ]
}

pub fn succeeded() -> Report {
    let mut report = exporting(tables());
    report.steps.push(
        step("ReconcileExport", 2410, 2470, "2 tables, 4166212 rows and 379.1 MB in 10 files are whole")
            .on_a_worker(),
    );
    report.steps.push(step("PublishExport", 2470, 2481, "latest of orders leads to it"));
    if let Some(export) = &mut report.export {
        export.is_latest = true;
        (export.tables, export.rows, export.bytes, export.files) = (2, 4_166_212, 379_125_292, 10);
        export.skipped = 1;
        export.manifest = Some(format!("s3://acme-exports/orders/{TASK}/manifest.json"));
        export.query = Some(format!(
            "SELECT count(*) FROM \
             read_parquet('s3://acme-exports/orders/{TASK}/shop/public.order_lines/*/*.parquet')"
        ));
    }
    report.outcome =
        "latest of orders leads to 2 tables with 4166212 rows, as of 2026-11-25T00:10:10Z".to_owned();
    ended(&mut report, "SUCCEEDED", Kind::Succeeded, 2485);
    report.cost = Some(cost(&[
        ("Workers on Fargate", 0.017, "task hours", 0.1151),
        ("Step Functions", 58.0, "state transitions", 0.000_025),
    ]));
    report
}

pub fn failed() -> Report {
    let mut all = tables();
    let difference = Difference { what: "17 rows are missing".to_owned(), accepted: None };
    all[1].differences.push(difference);
    all[1].source_rows = Some(4_118_019);
    let mut report = exporting(all);
    let found = "1 table of the export is not as in the source: shop.public.order_lines: 17 rows are \
                 missing: the source has 4118019";
    report.steps.push(open("ReconcileExport", 2410).on_a_worker().answered(2470, "OperationFailed", found));
    report.ahead = vec!["PublishExport".to_owned()];
    report.outcome = "ReconcileExport stopped the run with OperationFailed.".to_owned();
    ended(&mut report, "FAILED", Kind::Failed, 2475);
    let next = redrive(&report);
    failed_with(
        &mut report,
        "OperationFailed",
        (found, "nothing: latest stays where it is", "look at the table, or accept it in the policy"),
        &next,
    );
    report
}
