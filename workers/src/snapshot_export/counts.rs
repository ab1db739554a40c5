//! The rows of a source, table by table, as ReconcileExport reads them: what a sync recorded, or
//! what CountRows counted.

use policy::TableName;
use runbook::{Context, Error, Result, Run, error::Then};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Of a database; a sync's record says more of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Database {
    pub database: String,
    pub tables: Vec<Table>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    pub table: TableName,
    pub rows: u64,
}

impl Table {
    /// As AWS writes it: `database.schema.table`, without quotes.
    pub fn target(&self, database: &str) -> String {
        format!("{database}.{}.{}", self.table.schema, self.table.table)
    }
}

/// Whether the policy's `only` lets that target be exported.
pub fn is_wanted(target: &str, only: &[String]) -> bool {
    only.is_empty()
        || only.iter().any(|part| {
            target.strip_prefix(part.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        })
}

fn key(run: &Run) -> String {
    format!("{}/counts.json", run.prefix())
}

/// Writes what was counted, and answers its digest. That goes through Step Functions, which nobody
/// reaches who may write the run bucket.
pub async fn put(cx: &Context, run: &Run, counts: &[Database]) -> Result<String> {
    let text = serde_json::to_string(counts).map_err(|error| Error::Unexpected(error.into()))?;
    let digest = digest(&text);
    cx.store.put(&key(run), "application/json", text.into_bytes()).await?;
    Ok(digest)
}

/// What CountRows wrote in this run, and nothing else.
pub async fn get(cx: &Context, run: &Run, counted: &str) -> Result<Vec<Database>> {
    let key = key(run);
    let text = cx.store.get_text(&key).await?.filter(|text| digest(text) == counted);
    let counts = text.and_then(|text| serde_json::from_str(&text).ok());
    counts.ok_or_else(|| {
        Error::conflict(format!("s3://{}/{key} is not what CountRows wrote in this run", cx.store.bucket))
            .changed("nothing; nothing of the object was used")
            .fix("look who may write the run bucket")
            .then(Then::StartAgain)
    })
}

fn digest(text: &str) -> String {
    hex::encode(Sha256::digest(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_named_as_aws_names_it_and_wanted_by_whole_parts_of_its_name() {
        let text = r#"{"database": "shop", "fingerprints": [],
            "tables": [{"table": "public.\"Odd Name\"", "rows": 7, "masked": true}]}"#;
        let record: Database = serde_json::from_str(text).unwrap();
        assert_eq!(record.tables[0].target(&record.database), "shop.public.Odd Name");
        let wanted = |only: &str| is_wanted("shop.public.orders", &[only.to_owned()]);
        assert!(is_wanted("shop.public.orders", &[]));
        assert!(wanted("shop") && wanted("shop.public") && wanted("shop.public.orders"));
        assert!(!wanted("sho") && !wanted("shop.public.order") && !wanted("billing"));
    }
}
