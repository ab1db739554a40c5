//! What is remembered of a database that was made again: the run bucket has it, sealed, from before
//! the old database goes.

use policy::{Exception, TableName};
use runbook::{Context, Result, Run};
use serde::{Deserialize, Serialize};

use super::{
    plan::{Rows, TablePlan, Value},
    problems::Problems,
    tables::Done,
};
use crate::{
    daily_sync::fingerprints::{Fingerprint, Place},
    shared::seal::{Seal, Sealed},
};

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Record {
    pub database: String,
    /// Of the new database: no other one has been in its place since.
    pub oid: u32,
    pub tables: Vec<LoadedTable>,
    /// Of every place where values were replaced.
    pub fingerprints: Vec<Fingerprint>,
    /// Of tables whose rows were left behind.
    pub emptied: Vec<Fingerprint>,
    /// Tables that its extensions brought.
    pub of_extensions: Vec<String>,
    /// Owners and grants that the master user may not give, as of what a superuser made.
    pub lost: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LoadedTable {
    pub table: TableName,
    pub rows: u64,
    /// Whether values of it were replaced, or all its rows left behind.
    pub masked: bool,
}

/// Where the records of a run are.
pub struct Records<'a> {
    pub cx: &'a Context,
    pub run: &'a Run,
    pub seal: &'a Seal,
}

impl Records<'_> {
    fn key(&self, database: &str) -> String {
        format!("{}/databases/{}.json", self.run.prefix(), self.seal.name(database, "record"))
    }

    pub async fn get(&self, database: &str) -> Result<Option<Record>> {
        let key = self.key(database);
        let sealed: Option<Sealed<Record>> = self.cx.store.get_json(&key).await?;
        sealed.map(|sealed| self.seal.open(&key, sealed)).transpose()
    }

    pub async fn put(&self, record: &Record) -> Result<()> {
        let key = self.key(&record.database);
        self.cx.store.put_json_for_a_while(&key, &self.seal.seal(&key, record)?).await
    }
}

impl Record {
    pub fn new(database: &str) -> Self {
        Self {
            database: database.to_owned(),
            oid: 0,
            tables: Vec::new(),
            fingerprints: Vec::new(),
            emptied: Vec::new(),
            of_extensions: Vec::new(),
            lost: Vec::new(),
        }
    }

    /// A table with its rows; what the policy got wrong about them is a problem.
    pub fn add(&mut self, plan: &TablePlan, done: &Done, exceptions: &[Exception], problems: &mut Problems) {
        let Rows::All(columns) = &plan.rows else { return self.add_empty(plan) };
        for (number, seen) in &done.seen {
            let column = &columns[*number];
            problems.seen(&plan.table, column, seen);
            self.fingerprints.extend(seen.parts.iter().map(|part| Fingerprint {
                place: Place {
                    database: self.database.clone(),
                    table: plan.table.name.clone(),
                    column: column.name.clone(),
                    within: part.within.clone(),
                },
                values: part.values,
                sum: part.sum,
                marks: part.marks.ranked().collect(),
            }));
        }
        for number in &done.credentials {
            problems.credentials(&plan.table.name, &columns[*number].name, exceptions);
        }
        let masked = columns.iter().any(|column| !matches!(column.value, Value::Keep { .. }));
        self.tables.push(LoadedTable { table: plan.table.name.clone(), rows: done.rows, masked });
    }

    /// Marks are for attesting, which reads them from the run bucket.
    pub fn without_marks(mut self) -> Self {
        self.fingerprints.iter_mut().for_each(|fingerprint| fingerprint.marks = Vec::new());
        self.emptied = Vec::new();
        self
    }

    pub fn add_empty(&mut self, plan: &TablePlan) {
        self.tables.push(LoadedTable { table: plan.table.name.clone(), rows: 0, masked: true });
    }
}
