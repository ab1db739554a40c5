//! What an export is about: each table compared with its source, and how the files are read.

use maud::{Markup, html};
use runbook::snapshot_export::reconciliation::bytes;

use super::{amount, code, list, part, short, table, text};
use crate::report_run::{
    sections::{Export, ExportedTable},
    words::{count, cut},
};

pub fn exported(export: &Export) -> Markup {
    let rows: Vec<Vec<Markup>> = export.reconciled.iter().map(row).collect();
    html! {
        (part("export", "What was exported", html! {
            p.about {
                @if export.is_latest {
                    "✔ latest leads to it: "
                    (count(export.tables, "table", "tables")) ", " (count(export.rows, "row", "rows")) " and "
                    (bytes(export.bytes)) " in " (count(export.files, "file", "files")) "."
                } @else {
                    "latest does not lead to it."
                }
                @if export.skipped > 0 {
                    " " (count(export.skipped, "table is", "tables are"))
                    " left out, which the policy accepts."
                }
                @if let Some(verified) = &export.verified { " Of the source: " (short(verified)) "." }
            }
            @if !rows.is_empty() {
                (table(
                    "Tables of the export, compared with their source",
                    &["Table", "Rows", "In the source", "Size", "Files", "Types", "Difference"],
                    &rows,
                ))
            }
            @if let Some(manifest) = &export.manifest { p { "Manifest: " (code(manifest)) } }
        }))
        (list("export-warnings", "AWS's own warnings", "Of the export task.", &export.warnings))
        @if let Some(query) = &export.query {
            (part("query", "Read it", html! { pre { code { (cut(query, 20_000)) } } }))
        }
    }
}

fn row(one: &ExportedTable) -> Vec<Markup> {
    vec![
        code(&one.table),
        amount(one.rows),
        one.source_rows.map_or_else(|| text("not counted"), amount),
        html! { span.number { (bytes(one.bytes)) } },
        amount(one.files),
        text(&one.types.join(", ")),
        html! {
            @for difference in &one.differences {
                div {
                    (short(&difference.what))
                    @match &difference.accepted {
                        Some(reason) => { " (accepted: " (short(reason)) ")" },
                        None => { b { " ✖ not accepted" } },
                    }
                }
            }
        },
    ]
}
