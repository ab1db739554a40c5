//! Foreign keys of masked columns: away before, back and checked after. Their definitions are in
//! the journal meanwhile.

use runbook::{Error, Result, postgres::quote};
use tokio_postgres::{Client, types::Json};

use super::{
    mask::{failed, harmless},
    schema::ForeignKey,
};

pub async fn take_away(client: &Client, keys: &[ForeignKey]) -> Result<()> {
    for key in keys {
        let table = format!("{}.{}", quote(&key.schema), quote(&key.table_name));
        let name = quote(&key.name);
        let begin = || format!("ALTER TABLE {table} ADD CONSTRAINT {name} {}", key.definition);
        let mut finish = Vec::new();
        // With partitions on either side it comes back as a whole: before 18 a partitioned table
        // takes none that is NOT VALID, and VALIDATE leaves out what it is for each partition that
        // it refers to. One that was not valid says so in its definition.
        let add = if key.valid && !key.partitioned {
            finish.push(format!("ALTER TABLE {table} VALIDATE CONSTRAINT {name}"));
            format!("{} NOT VALID", begin())
        } else {
            begin()
        };
        if let Some(comment) = &key.comment {
            finish.push(format!(
                "COMMENT ON CONSTRAINT {name} ON {table} IS {}",
                postgres_protocol::escape::escape_literal(comment)
            ));
        }
        let doing = format!("take away the foreign key {} of {table}", key.name);
        let journal = "WITH entry AS (
                           INSERT INTO aurora_runbooks.foreign_key (relation, name, description, add, finish) VALUES ($1, $2, $3, $4, $5)
                           ON CONFLICT DO NOTHING RETURNING 1)
                       SELECT count(*) FROM entry";
        let away = async {
            client.batch_execute("BEGIN").await?;
            client
                .query_one(
                    journal,
                    &[&u32::try_from(key.table).unwrap_or_default(), &key.name, &Json(key), &add, &finish],
                )
                .await?;
            client
                .batch_execute(&format!("ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {name}; COMMIT"))
                .await
        };
        away.await.map_err(|error| failed(&doing, &error))?;
    }
    Ok(())
}

pub async fn bring_back(client: &Client) -> Result<()> {
    let sql =
        "SELECT name, add, finish, EXISTS (SELECT FROM pg_constraint AS c WHERE c.conrelid = f.relation AND c.conname = f.name) AS there
               FROM aurora_runbooks.foreign_key AS f ORDER BY relation, name";
    for row in client.query(sql, &[]).await.map_err(|error| failed("read the journal", &error))? {
        let (name, add, finish, there): (String, String, Vec<String>, bool) =
            (row.get(0), row.get(1), row.get(2), row.get(3));
        let begin = (!there).then_some(add);
        for statement in begin.iter().chain(&finish) {
            client.batch_execute(statement).await.map_err(|error| match error.code() {
                Some(code) if code.code() == "23503" => Error::OperationFailed(format!(
                    "the foreign key {name} does not hold any more: {}. Its two sides must have the same \
                    rule, and no rows may be missing on one.",
                    harmless(&error)
                )),
                _ => failed(&format!("bring back the foreign key {name}"), &error),
            })?;
        }
    }
    Ok(())
}
