//! The rows that the sync counted when it made the databases of a sanitised snapshot.

use std::collections::BTreeMap;

use policy::TableName;
use runbook::{
    Arn, Context, Error, Result, Run,
    aurora::{self, ResourceId},
    daily_sync::{attestation, tags},
    error::Then,
};
use serde::Deserialize;

/// What the source has.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Source {
    /// In words, for the report.
    pub of: String,
    /// `database.schema.table` without quotes → rows.
    pub rows: BTreeMap<String, u64>,
}

/// A record as it lies in the run bucket. Its MAC is under the masking key, which no export has: so
/// whoever may write the run bucket could lie about rows, and about nothing else.
#[derive(Debug, Deserialize)]
struct Sealed {
    content: Record,
}

/// As far as an export looks at it.
#[derive(Debug, Deserialize)]
struct Record {
    database: String,
    tables: Vec<Loaded>,
}

#[derive(Debug, Deserialize)]
struct Loaded {
    table: TableName,
    rows: u64,
}

/// By what stands on the snapshot and in its attestation.
pub async fn recorded(cx: &Context, run: &Run, snapshot: &str) -> Result<Option<Source>> {
    let unknown = |why: &str| {
        Error::refused(format!("nobody has counted the rows of {snapshot}: {why}"))
            .fix("run the sync again and export its snapshot, or set verify: aws in the policy")
            .then(Then::StartAgain)
    };
    let arn = Arn::try_from(snapshot.to_owned()).map_err(Error::refused)?;
    let shown = aurora::find_snapshot(cx, arn.name()).await?;
    let shown = shown.ok_or_else(|| unknown("the snapshot is gone"))?;
    let id = shown.tags.get(tags::ATTESTED_RESOURCE).and_then(|id| ResourceId::try_from(id.to_owned()).ok());
    let id = id.ok_or_else(|| unknown("it is no sanitised one"))?;
    let attestation: Option<attestation::Attestation> = cx.store.get_json(&attestation::key(&id)).await?;
    let attestation = attestation.ok_or_else(|| unknown("its attestation is gone"))?;
    let run = Run { execution: attestation.execution, ..run.clone() };
    if !shown.tags.is(tags::ATTESTED_RUN, run.name()) {
        return Err(unknown("its attestation is of another run"));
    }
    let mut source = Source { of: format!("the rows that {} counted", run.name()), ..Source::default() };
    let records = cx.store.list(&format!("{}/databases/", run.prefix())).await?;
    for object in &records {
        let sealed: Option<Sealed> = cx.store.get_json(&object.key).await?;
        let record = sealed.ok_or_else(|| unknown("a record of it is gone"))?.content;
        source.add(&record);
    }
    if records.is_empty() {
        return Err(unknown("the records of its run are gone"));
    }
    Ok(Some(source))
}

impl Source {
    fn add(&mut self, record: &Record) {
        for loaded in &record.tables {
            let table = format!("{}.{}.{}", record.database, loaded.table.schema, loaded.table.table);
            self.rows.insert(table, loaded.rows);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_says_the_rows_of_each_table_by_the_name_that_aws_gives_it() {
        let text = r#"{"content": {"database": "shop", "oid": 1, "tables":
            [{"table": "public.\"Odd Name\"", "rows": 7, "masked": true}],
            "fingerprints": [], "emptied": [], "ofExtensions": [], "lost": []}, "mac": "x"}"#;
        let sealed: Sealed = serde_json::from_str(text).unwrap();
        let mut source = Source::default();
        source.add(&sealed.content);
        assert_eq!(source.rows, BTreeMap::from([("shop.public.Odd Name".to_owned(), 7)]));
    }
}
