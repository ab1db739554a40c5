//! Compares the exported files with their source, table by table.
//!
//! It reads what AWS says of its export (`export_info_…`, every `export_tables_info_…`) and the
//! footer of every Parquet file, and compares tables, columns, types and rows. Changes: writes what
//! it has read and found into the run's folder; nothing of the export. Again is harmless: footers
//! that were read are not read again while their objects are the same. Undo: none needed. Errors:
//! `OperationFailed` with every difference that the policy does not accept; `NotReady` while AWS
//! does not answer; `Refused` or `Conflict` when the counts of the source are not what those wrote
//! who counted.

use policy::{Accepted, DifferenceKind, Export, Verify};
use runbook::{
    Context, Error, Result, Run, State,
    error::{Then, aws},
    snapshot_export::{
        self,
        reconciliation::{self, Difference, Reconciliation},
    },
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub mod compare;
pub mod footers;
pub mod metadata;
pub mod source;
pub mod types;

use compare::Seen;

/// How many differences the error names; all are in the run's folder.
const NAMED: usize = 50;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReconcileExport {
    /// The export, as the policy names it.
    pub export: String,
    /// The export task.
    pub task: String,
    /// The ARN of the snapshot that was exported.
    pub snapshot: String,
    /// The digest of what CountRows counted, where it did.
    pub counted: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Reconciled {
    pub summary: String,
    #[serde(flatten)]
    pub totals: reconciliation::Totals,
    pub verified: String,
    /// The key of the whole in the run bucket.
    pub reconciliation: String,
}

impl State for ReconcileExport {
    const NAME: &'static str = "ReconcileExport";
    type Output = Reconciled;

    async fn reconcile(self, cx: &Context, run: &Run) -> Result<Reconciled> {
        let export = snapshot_export::policy(cx, run, &self.export).await?;
        let bucket = snapshot_export::bucket(cx, &export);
        let folder = format!("{}{}/", export.folder(&self.export), self.task);
        cx.progress.say(format!("listing s3://{}/{folder}", bucket.bucket));
        let objects = bucket.list(&folder).await?;
        let said = metadata::read(&bucket, &folder, &self.task, &objects).await?;
        let warning = self.warning(cx).await?;
        let files = footers::read(cx, run, &bucket, &folder, &objects).await?;
        let source = match export.verify {
            Verify::Recorded => {
                let sync = export.source.sync.as_deref().unwrap_or_default();
                Some(source::recorded(cx, run, sync, &self.snapshot).await?)
            }
            Verify::Restore => Some(source::counted(cx, run, self.counted.as_deref()).await?),
            Verify::Aws => None,
        };
        let mut seen = compare::compare(&said, warning.as_deref(), files, source.as_ref(), &export.only);
        accept(&export, &mut seen);
        let found = Reconciliation {
            task: self.task.clone(),
            verified: match &source {
                Some(source) => format!("rows compared with {}", source.of),
                None => "rows not compared, for AWS tells no counts".to_owned(),
            },
            tables: seen.tables,
            warnings: seen.warnings,
        };
        let key = reconciliation::key(run);
        cx.store.put_json(&key, &found).await?;
        check(&found, &key)?;
        let totals = found.totals();
        Ok(Reconciled {
            summary: format!(
                "{} tables, {} rows and {} in {} files are whole; {}; {} left out as the \
                 policy accepts",
                totals.tables,
                totals.rows,
                reconciliation::bytes(totals.bytes),
                totals.files,
                found.verified,
                totals.skipped
            ),
            totals,
            verified: found.verified,
            reconciliation: key,
        })
    }
}

impl ReconcileExport {
    /// What AWS warns of beside its files: a task that has left tables out is COMPLETE all the
    /// same.
    async fn warning(&self, cx: &Context) -> Result<Option<String>> {
        let describe = cx.rds.describe_export_tasks().export_task_identifier(&self.task).send().await;
        let described = describe.map_err(aws("rds:DescribeExportTasks"))?;
        let task = described.export_tasks.unwrap_or_default().into_iter().next();
        let task = task.ok_or_else(|| {
            Error::failed(format!("RDS does not know the export task {} any more", self.task))
                .changed("nothing")
                .then(Then::StartAgain)
        })?;
        Ok(task.warning_message.filter(|message| !message.is_empty()))
    }
}

/// Gives every difference that the policy accepts its reason.
fn accept(export: &Export, seen: &mut Seen) {
    for table in &mut seen.tables {
        for difference in &mut table.differences {
            let accepted = export.accept.iter().find(|accepted| {
                let Accepted { kind, table: of, column, .. } = accepted;
                *kind == difference.kind && *of == table.table && *column == difference.column
            });
            difference.accepted = accepted.map(|accepted| accepted.reason.clone());
        }
    }
}

/// Whatever is not accepted stops the run, with the lines that would accept it.
fn check(found: &Reconciliation, key: &str) -> Result<()> {
    let open: Vec<(&str, &Difference)> = found
        .tables
        .iter()
        .flat_map(|table| table.differences.iter().map(|difference| (table.table.as_str(), difference)))
        .filter(|(_, difference)| difference.accepted.is_none())
        .collect();
    if open.is_empty() {
        return Ok(());
    }
    let mut lines: Vec<String> =
        open.iter().take(NAMED).map(|(table, difference)| format!("{table} {}", difference.what)).collect();
    if open.len() > NAMED {
        lines.push(format!("and {} more in {key}", open.len() - NAMED));
    }
    Err(Error::failed(format!(
        "the export {} differs from its source in {} places, so nobody is led to it:\n- {}",
        found.task,
        open.len(),
        lines.join("\n- ")
    ))
    .changed("nothing; the files stay, and latest.json leads where it led")
    .fix(format!(
        "export it again with {{\"again\": true}}, or accept what may differ in the policy, such as\n{}",
        line(open[0].0, open[0].1)
    ))
    .then(Then::StartAgain))
}

/// A line of `accept:`.
fn line(table: &str, Difference { kind, column, .. }: &Difference) -> String {
    let text = |text: &str| serde_json::Value::from(text).to_string();
    let column = match (kind, column) {
        (DifferenceKind::Type, Some(column)) => format!(", column: {}", text(column)),
        _ => String::new(),
    };
    format!("  - {{kind: {kind}, table: {}{column}, reason: …}}", text(table))
}

#[cfg(test)]
mod tests {
    use runbook::snapshot_export::reconciliation::Table;

    use super::*;

    fn table(kind: DifferenceKind) -> Table {
        let difference =
            Difference { kind, column: None, what: "has 9 rows, and the source 10".into(), accepted: None };
        Table {
            table: "shop.public.orders".into(),
            folder: None,
            rows: 9,
            source_rows: Some(10),
            bytes: 0,
            files: 0,
            columns: vec![],
            differences: vec![difference],
        }
    }

    fn found(table: Table) -> Reconciliation {
        Reconciliation { task: "t".into(), verified: "x".into(), tables: vec![table], warnings: vec![] }
    }

    #[test]
    fn a_difference_stops_the_run_with_its_table_and_the_line_that_would_accept_it() {
        let error = check(&found(table(DifferenceKind::Rows)), "runs/x").unwrap_err();
        let text = error.to_string();
        for part in [
            "shop.public.orders has 9 rows, and the source 10",
            "- {kind: rows, table: \"shop.public.orders\", reason: …}",
            "latest.json leads where it led",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert_eq!(error.name(), "OperationFailed");
    }

    #[test]
    fn only_what_is_accepted_by_kind_and_name_passes() {
        let text = "exports: {orders: {source: {cluster: o, snapshot: {type: manual, max-age: 1d}, \
                    accept-raw: x}, bucket: abc, role: 'arn:aws:iam::444455556666:role/x', kms-key: alias/x, \
                    verify: aws, keep: {count: 1, age: 1d}, accept: [{kind: rows, table: \
                    shop.public.orders, reason: late}]}}";
        let export = policy::Policy::parse(text).unwrap().exports.remove("orders").unwrap();
        for (kind, passes) in [(DifferenceKind::Rows, true), (DifferenceKind::Skipped, false)] {
            let mut seen = Seen { tables: vec![table(kind)], warnings: vec![] };
            accept(&export, &mut seen);
            let found = found(seen.tables.remove(0));
            assert_eq!(check(&found, "runs/x").is_ok(), passes, "{kind}");
        }
    }
}
