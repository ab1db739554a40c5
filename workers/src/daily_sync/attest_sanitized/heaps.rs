//! What has rows of its own, and whether it has any.

use policy::TableName;
use runbook::{
    Result,
    postgres::{query_failed, table},
};
use tokio_postgres::Client;

/// A table, a materialised view, or a partition.
#[derive(Debug, Clone)]
pub struct Heap {
    /// As the policy names it: a partition is its root's.
    pub table: TableName,
    pub heap: TableName,
    /// Its policies, or rights that its owner gave away, hide rows from the owner, too.
    pub hides: bool,
    pub pages: i64,
    pub is_view: bool,
}

pub async fn heaps(client: &Client) -> Result<Vec<Heap>> {
    let rows = client.query(include_str!("../sql/attest/heaps.sql"), &[]).await;
    let rows = rows.map_err(|error| query_failed("list tables", &error))?;
    let heap = |row: &tokio_postgres::Row| Heap {
        table: TableName { schema: row.get(0), table: row.get(1) },
        heap: TableName { schema: row.get(2), table: row.get(3) },
        hides: row.get(4),
        pages: row.get(5),
        is_view: row.get(6),
    };
    Ok(rows.iter().map(heap).collect())
}

impl Heap {
    /// Shows all rows until the end of the transaction, which is rolled back.
    pub async fn show(&self, client: &Client) -> Result<()> {
        let name = table(&self.heap);
        let show =
            format!("ALTER TABLE {name} NO FORCE ROW LEVEL SECURITY; GRANT SELECT ON {name} TO CURRENT_USER");
        client.batch_execute(&show).await.map_err(|error| query_failed("see all rows", &error))
    }

    /// No policy of the table's is asked: what it calls would run.
    pub async fn has_rows(&self, client: &Client) -> Result<bool> {
        // What was made by this run and never had a row has no page.
        if self.pages == 0 {
            return Ok(false);
        }
        let doing = |error| query_failed("look for rows", &error);
        client.batch_execute("BEGIN; SET LOCAL row_security = off").await.map_err(doing)?;
        if self.hides {
            self.show(client).await?;
        }
        let any = format!("SELECT EXISTS (SELECT FROM ONLY {})", table(&self.heap));
        let any = client.query_one(&any, &[]).await.map_err(doing)?.get(0);
        client.batch_execute("ROLLBACK").await.map_err(doing)?;
        Ok(any)
    }
}
