//! The comparison itself: what AWS says, what the files hold, what the source has. No call of
//! anything.

use std::collections::{BTreeMap, BTreeSet};

use policy::DifferenceKind;
use runbook::snapshot_export::reconciliation::{Column, Difference, Table};

use super::{
    footers::{File, Footer},
    metadata::{Entry, Warning},
    source::Source,
    types,
};
use crate::snapshot_export::counts::is_wanted;

/// How many broken files of a table are named.
const NAMED: usize = 3;

#[derive(Debug, Default, PartialEq)]
pub struct Seen {
    pub tables: Vec<Table>,
    pub warnings: Vec<String>,
}

pub fn compare(
    entries: &BTreeMap<String, Entry>,
    warning: Option<&str>,
    files: Vec<File>,
    source: Option<&Source>,
    only: &[String],
) -> Seen {
    let mut seen = Seen::default();
    let mut folders: BTreeMap<String, Vec<File>> = BTreeMap::new();
    for file in files {
        // `<database>/<schema>.<table>/<batch>/<part>`
        let folder = file.path.rsplitn(3, '/').nth(2).unwrap_or_default().to_owned();
        folders.entry(folder).or_default().push(file);
    }
    for entry in entries.values() {
        let folder = folders.keys().find(|folder| is_of(folder, &entry.target)).cloned();
        let files = folder.as_ref().and_then(|folder| folders.remove(folder)).unwrap_or_default();
        if let Some(note) = empty_database(entry, source) {
            seen.warnings.push(note);
            continue;
        }
        seen.tables.push(table(entry, folder, &files, source));
    }
    for (folder, files) in folders {
        let what = format!("has {} files, and AWS does not mention the table", files.len());
        seen.add(&folder.replacen('/', ".", 1), DifferenceKind::Rows, what);
    }
    if let Some(warning) = warning {
        seen.warned(warning);
    }
    if let Some(source) = source {
        let mentioned: BTreeSet<&String> = entries.keys().collect();
        let wanted = |table: &&String| is_wanted(table, only) && !mentioned.contains(table);
        let missing: Vec<&String> = source.rows.keys().filter(wanted).collect();
        for table in missing {
            let what = format!("is not in the export, and the source has {} rows of it", source.rows[table]);
            seen.add(table, DifferenceKind::Missing, what);
        }
    }
    seen.tables.sort_by(|a, b| a.table.cmp(&b.table));
    seen
}

/// Whether the files in that folder are of that table: "\ ` " (space)" become underscores in a path
/// (Aurora User Guide, aurora-export-snapshot.Considerations).
fn is_of(folder: &str, target: &str) -> bool {
    let written = target.replace(['\\', '`', '"', ' '], "_");
    folder.len() == written.len()
        && folder.contains('/')
        && folder.bytes().zip(written.bytes()).all(|(a, b)| a == b || a == b'/' && b == b'.')
}

/// A database without tables is an entry of its own, with a warning that is none.
fn empty_database(entry: &Entry, source: Option<&Source>) -> Option<String> {
    let warning = entry.warning_message.as_deref()?;
    if entry.target.contains('.') {
        return None;
    }
    let is_empty = match source {
        Some(source) => !source.rows.keys().any(|table| table.starts_with(&format!("{}.", entry.target))),
        None => warning.to_lowercase().contains("no tables"),
    };
    is_empty.then(|| format!("database {}: {warning}", entry.target))
}

fn table(entry: &Entry, folder: Option<String>, files: &[File], source: Option<&Source>) -> Table {
    let footers: Vec<&Footer> = files.iter().filter_map(|file| file.footer.as_ref().ok()).collect();
    // A file may say anything: what is too much for a number is a difference, too.
    let rows = footers.iter().fold(0, |sum: u64, footer| sum.saturating_add(footer.rows));
    let source_rows = source.and_then(|source| source.rows.get(&entry.target).copied());
    let mut table = Table {
        table: entry.target.clone(),
        // A table without a row has no file, and a folder all the same.
        folder: folder.or_else(|| expected_folder(&entry.target)),
        rows,
        source_rows,
        bytes: files.iter().fold(0, |sum: u64, file| sum.saturating_add(file.bytes)),
        files: files.len() as u64,
        columns: columns(entry, footers.first().copied()),
        differences: Vec::new(),
    };
    let mut differs = |kind, column: Option<&str>, what: String| {
        table.differences.push(Difference { kind, column: column.map(str::to_owned), what, accepted: None });
    };
    let is_complete = entry.status.as_deref() == Some("COMPLETE");
    if let Some(warning) = &entry.warning_message {
        table.folder = None;
        differs(DifferenceKind::Skipped, None, format!("is left out by AWS: {warning}"));
        return table;
    }
    if !is_complete {
        let status = entry.status.as_deref().unwrap_or("without a status");
        differs(DifferenceKind::Skipped, None, format!("is not complete, as AWS says: {status}"));
    }
    if let Some(parts) = &entry.table_statistics.partitioning_info {
        let (all, done) = (parts.number_of_partitions, parts.number_of_completed_partitions);
        if done < all {
            differs(
                DifferenceKind::Rows,
                None,
                format!("has {done} of the {all} parts that AWS cut it into"),
            );
        }
    }
    let broken: Vec<String> = files
        .iter()
        .filter_map(|file| Some(format!("{} {}", file.path, file.footer.as_ref().err()?)))
        .collect();
    if !broken.is_empty() {
        let named = broken.iter().take(NAMED).cloned().collect::<Vec<_>>().join("; ");
        differs(
            DifferenceKind::Rows,
            None,
            format!("has {} files that cannot be read: {named}", broken.len()),
        );
    }
    match source_rows {
        Some(wanted) if wanted != rows => {
            differs(DifferenceKind::Rows, None, format!("has {rows} rows, and the source {wanted}"))
        }
        None if files.is_empty() && entry.size_gb.is_some_and(|size| size > 0.0) => {
            differs(DifferenceKind::Rows, None, "has no file, and AWS has read rows of it".to_owned())
        }
        _ => {}
    }
    for (column, what) in unlike(entry, &footers) {
        differs(DifferenceKind::Type, Some(column), what);
    }
    let narrow: BTreeSet<(&str, &str, &str)> =
        footers.iter().flat_map(|footer| narrow(entry, footer)).collect();
    for (column, original, parquet) in narrow {
        let what = format!("loses values of {column}: {original} is written as {parquet}");
        differs(DifferenceKind::Type, Some(column), what);
    }
    table
}

/// The columns that a file has and AWS does not announce, or the other way round.
fn unlike<'f>(entry: &'f Entry, footers: &[&'f Footer]) -> BTreeMap<&'f str, String> {
    let mappings = &entry.schema_metadata.original_type_mappings;
    let announced: BTreeSet<&str> = mappings.iter().map(|mapping| mapping.column_name.as_str()).collect();
    let mut unlike = BTreeMap::new();
    for footer in footers {
        let found: BTreeSet<&str> = footer.columns.iter().map(|(name, _)| name.as_str()).collect();
        unlike.extend(
            announced.difference(&found).map(|name| (*name, format!("has files without the column {name}"))),
        );
        unlike.extend(
            found
                .difference(&announced)
                .map(|name| (*name, format!("has a column {name} that AWS does not announce"))),
        );
    }
    unlike
}

/// The columns of a file that cannot hold what the source's type can.
fn narrow<'f>(entry: &'f Entry, footer: &'f Footer) -> impl Iterator<Item = (&'f str, &'f str, &'f str)> {
    let mappings = &entry.schema_metadata.original_type_mappings;
    footer.columns.iter().filter_map(|(name, parquet)| {
        let mapping = mappings.iter().find(|mapping| mapping.column_name == *name)?;
        let is_narrow = !types::holds(&mapping.original_type, parquet);
        is_narrow.then_some((name.as_str(), mapping.original_type.as_str(), parquet.as_str()))
    })
}

fn columns(entry: &Entry, footer: Option<&Footer>) -> Vec<Column> {
    let mappings = entry.schema_metadata.original_type_mappings.iter();
    let columns = mappings.map(|mapping| {
        let written =
            footer.and_then(|footer| footer.columns.iter().find(|(name, _)| *name == mapping.column_name));
        Column {
            name: mapping.column_name.clone(),
            original: mapping.original_type.clone(),
            parquet: written.map_or_else(
                || types::announced(&mapping.expected_exported_type),
                |(_, parquet)| parquet.clone(),
            ),
        }
    });
    columns.collect()
}

fn expected_folder(target: &str) -> Option<String> {
    let (database, table) = target.split_once('.')?;
    Some(format!("{database}/{table}").replace(['\\', '`', '"', ' '], "_"))
}

impl Seen {
    /// A difference of a table that may have none yet.
    fn add(&mut self, name: &str, kind: DifferenceKind, what: String) {
        let difference = Difference { kind, column: None, what, accepted: None };
        if let Some(table) = self.tables.iter_mut().find(|table| table.table == name) {
            // Said already, by the table's own entry.
            if !table.differences.iter().any(|known| known.kind == kind) {
                table.differences.push(difference);
            }
            return;
        }
        self.tables.push(Table {
            table: name.to_owned(),
            folder: None,
            rows: 0,
            source_rows: None,
            bytes: 0,
            files: 0,
            columns: Vec::new(),
            differences: vec![difference],
        });
    }

    /// What DescribeExportTasks warns of, with or without members that are known.
    fn warned(&mut self, warning: &str) {
        let Ok(read) = serde_json::from_str::<Warning>(warning) else {
            self.warnings.push(warning.to_owned());
            return;
        };
        for skipped in read.skipped_tables.iter().chain(&read.skipped_objectives) {
            let text = |name: &str| skipped[name].as_str();
            let name = text("tableName").or(text("target")).or(skipped.as_str());
            let reason = text("reason").unwrap_or("no reason is given");
            match name {
                Some(name) => {
                    self.add(name, DifferenceKind::Skipped, format!("is left out by AWS: {reason}"))
                }
                // Which one is not said: so nothing can be accepted by name but the whole.
                None => self.add("?", DifferenceKind::Skipped, format!("is left out by AWS: {skipped}")),
            }
        }
        for general in &read.general {
            let reason = general["reason"].as_str().map_or_else(|| general.to_string(), str::to_owned);
            self.add("*", DifferenceKind::Skipped, format!("(the whole export): AWS warns of {reason}"));
        }
    }
}

#[cfg(test)]
mod tests;
