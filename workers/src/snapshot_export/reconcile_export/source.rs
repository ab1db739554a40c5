//! The rows that the source has: what a sync counted when it made the databases of a sanitised
//! snapshot, or what CountRows counted on a restore of it.

use std::collections::BTreeMap;

use runbook::{
    Arn, Context, Error, Result, Run,
    aurora::{self, ResourceId},
    daily_sync::{attestation, tags},
    error::Then,
    kept_policy,
};
use serde_json::Value;

use crate::{
    shared::seal::{Seal, Sealed, masking_key},
    snapshot_export::counts::{self, Database},
};

/// What the source has.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Source {
    /// In words, for the report.
    pub of: String,
    /// `database.schema.table` without quotes → rows.
    pub rows: BTreeMap<String, u64>,
}

/// By what CountRows counted in this run.
pub async fn counted(cx: &Context, run: &Run, counted: Option<&str>) -> Result<Source> {
    let counted = counted.ok_or_else(|| {
        Error::refused("the policy says verify: restore, and this run has counted no rows")
            .changed("nothing")
            .then(Then::StartAgain)
    })?;
    let mut source = Source { of: "a count on a restore".to_owned(), ..Source::default() };
    for database in counts::get(cx, run, counted).await? {
        source.add(&database);
    }
    Ok(source)
}

/// By what stands on the snapshot and in its attestation, and what the sync's run recorded under
/// its masking key: whoever may write the run bucket can make no such record.
pub async fn recorded(cx: &Context, run: &Run, sync: &str, snapshot: &str) -> Result<Source> {
    let unknown = |why: &str| {
        Error::refused(format!("nobody has counted the rows of {snapshot}: {why}"))
            .fix("run the sync again and export its snapshot, or set verify: restore in the policy")
            .then(Then::StartAgain)
    };
    let arn = Arn::try_from(snapshot.to_owned()).map_err(Error::refused)?;
    let shown = aurora::find_snapshot(cx, arn.name()).await?;
    let shown = shown.ok_or_else(|| unknown("the snapshot is gone"))?;
    let id = shown.tags.get(tags::ATTESTED_RESOURCE).and_then(|id| ResourceId::try_from(id.to_owned()).ok());
    let id = id.ok_or_else(|| unknown("it is no sanitised one"))?;
    let attestation: Option<attestation::Attestation> = cx.store.get_json(&attestation::key(&id)).await?;
    let attestation = attestation.ok_or_else(|| unknown("its attestation is gone"))?;
    let of = Run { execution: attestation.execution, ..run.clone() };
    if !shown.tags.is(tags::ATTESTED_RUN, of.name()) {
        return Err(unknown("its attestation is of another run"));
    }
    let policy = kept_policy::kept(cx, run).await?;
    let masking = policy.syncs.get(sync).and_then(|sync| sync.masking.as_ref());
    let masking = masking.ok_or_else(|| Error::unexpected(format!("the policy has lost its sync {sync}")))?;
    let seal = Seal::new(&masking_key(cx, masking).await?, &of, &id);
    let mut source = Source { of: format!("the rows that {} counted", of.name()), ..Source::default() };
    let records = cx.store.list(&format!("{}/databases/", of.prefix())).await?;
    for object in &records {
        let sealed: Option<Sealed<Value>> = cx.store.get_json(&object.key).await?;
        let record = seal.open(&object.key, sealed.ok_or_else(|| unknown("a record of it is gone"))?);
        let record = record.map_err(|error| {
            error.fix(format!(
                "run the sync again and export its snapshot, also where the key in {} has been changed \
                 since; or set verify: restore in the policy",
                masking.key_secret
            ))
        })?;
        let record: Database = serde_json::from_value(record)
            .map_err(|error| Error::unexpected(format!("{} is no record: {error}", object.key)))?;
        source.add(&record);
    }
    if records.is_empty() {
        return Err(unknown("the records of its run are gone"));
    }
    Ok(source)
}

impl Source {
    fn add(&mut self, of: &Database) {
        self.rows.extend(of.tables.iter().map(|table| (table.target(&of.database), table.rows)));
    }
}
