//! Foreign keys of masked columns: away before, back and checked after. Their descriptions are in
//! the journal meanwhile.

use runbook::{
    Error, Result,
    error::Then,
    postgres::{failed, literal, quote, said, table},
};
use tokio_postgres::{Client, error::SqlState, types::Json};

use super::schema::ForeignKey;

const JOURNAL: &str = "INSERT INTO aurora_runbooks.foreign_key (relation, name, description) \
VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";

pub async fn take_away(client: &mut Client, keys: &[ForeignKey]) -> Result<()> {
    for key in keys {
        let on = table(&key.on);
        let drop = format!("ALTER TABLE {on} DROP CONSTRAINT IF EXISTS {}", quote(&key.name));
        let away = async {
            let transaction = client.transaction().await?;
            transaction.execute(JOURNAL, &[&key.table, &key.name, &Json(key)]).await?;
            transaction.batch_execute(&drop).await?;
            transaction.commit().await
        };
        away.await.map_err(|error| {
            failed(&format!("take away the foreign key {} of {}", key.name, key.on), &error)
        })?;
    }
    Ok(())
}

/// The statement that brings it back, and those that finish the work. With partitions on either
/// side it comes back as a whole: before 18 a partitioned table takes none that is NOT VALID, and
/// VALIDATE leaves out what it is for each partition that it refers to. One that was not valid says
/// so in its definition.
fn restoring(key: &ForeignKey) -> (String, Vec<String>) {
    let (on, name) = (table(&key.on), quote(&key.name));
    let mut add = format!("ALTER TABLE {on} ADD CONSTRAINT {name} {}", key.definition);
    let mut finish = Vec::new();
    if key.valid && !key.partitioned {
        add += " NOT VALID";
        finish.push(format!("ALTER TABLE {on} VALIDATE CONSTRAINT {name}"));
    }
    if let Some(comment) = &key.comment {
        finish.push(format!("COMMENT ON CONSTRAINT {name} ON {on} IS {}", literal(comment)));
    }
    (add, finish)
}

pub async fn bring_back(client: &Client) -> Result<()> {
    let sql = "SELECT description, EXISTS (SELECT FROM pg_constraint AS c
               WHERE c.conrelid = f.relation AND c.conname = f.name) AS there
               FROM aurora_runbooks.foreign_key AS f ORDER BY relation, name";
    for row in client.query(sql, &[]).await.map_err(|error| failed("read the journal", &error))? {
        let (Json(key), there): (Json<ForeignKey>, bool) = (row.get(0), row.get(1));
        let (add, finish) = restoring(&key);
        let begin = (!there).then_some(add);
        for statement in begin.iter().chain(&finish) {
            client.batch_execute(statement).await.map_err(|error| match error.code() {
                Some(&SqlState::FOREIGN_KEY_VIOLATION) => Error::failed(format!(
                    "the foreign key {} does not hold any more: {}",
                    key.name,
                    said(&error)
                ))
                .changed("the copy, which goes nowhere; CleanUp deletes it")
                .fix("give its two sides the same rule, and let no rows be missing on one")
                .then(Then::StartAgain),
                _ => failed(&format!("bring back the foreign key {}", key.name), &error),
            })?;
        }
    }
    Ok(())
}
