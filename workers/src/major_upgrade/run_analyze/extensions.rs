//! Brings extensions to the version that the new server has as the default: an upgrade leaves them
//! as they were.

use runbook::{
    Result,
    postgres::{is_gone, query_failed, quote, said},
};
use serde::Serialize;
use tokio_postgres::Client;

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Updated {
    pub database: String,
    pub name: String,
    pub from: String,
    pub to: String,
}

/// An extension that stays behind. The database works with it, so this is reported and does not fail
/// the state.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Left {
    pub database: String,
    pub name: String,
    pub from: String,
    pub to: String,
    pub reason: String,
    /// What to run, in that database.
    pub statement: String,
}

struct Outdated {
    name: String,
    from: String,
    to: String,
    postgis: bool,
    reachable: bool,
    owner: String,
}

pub async fn update(client: &Client, database: &str) -> Result<(Vec<Updated>, Vec<Left>)> {
    let rows = client
        .query(include_str!("../sql/analyze/extensions.sql"), &[])
        .await
        .map_err(|error| query_failed(&format!("list the extensions of database {database}"), &error))?;
    let mut waiting: Vec<Outdated> = rows
        .iter()
        .map(|row| Outdated {
            name: row.get("name"),
            from: row.get("from_version"),
            to: row.get("to_version"),
            postgis: row.get("postgis"),
            reachable: row.get("reachable"),
            owner: row.get("owner"),
        })
        .collect();
    let mut left: Vec<Left> = waiting
        .extract_if(.., |extension| extension.postgis || !extension.reachable)
        .map(|e| e.stays(database))
        .collect();
    let mut updated = Vec::new();
    // One may need another at its new version first: as long as a round gets anywhere, the rest is
    // tried again.
    loop {
        let mut refused = Vec::new();
        let tried = waiting.len();
        for extension in waiting {
            match client.batch_execute(&extension.statement()).await {
                Ok(()) => {
                    tracing::info!(
                        database,
                        extension = extension.name,
                        from = extension.from,
                        to = extension.to,
                        "extension updated"
                    );
                    updated.push(extension.updated(database));
                }
                Err(error) if !is_gone(&error) => refused.push((extension, said(&error))),
                Err(error) => {
                    return Err(query_failed(
                        &format!("update extension {} in database {database}", extension.name),
                        &error,
                    ));
                }
            }
        }
        if refused.is_empty() || refused.len() == tried {
            left.extend(refused.into_iter().map(|(extension, reason)| extension.refused(database, &reason)));
            return Ok((updated, left));
        }
        waiting = refused.into_iter().map(|(extension, _)| extension).collect();
    }
}

impl Outdated {
    fn statement(&self) -> String {
        format!("ALTER EXTENSION {} UPDATE TO {}", quote(&self.name), quote(&self.to))
    }

    fn updated(self, database: &str) -> Updated {
        Updated { database: database.to_owned(), name: self.name, from: self.from, to: self.to }
    }

    fn refused(self, database: &str, reason: &str) -> Left {
        let statement = format!("{}; -- as {}", self.statement(), self.owner);
        Left {
            database: database.to_owned(),
            reason: reason.to_owned(),
            statement,
            name: self.name,
            from: self.from,
            to: self.to,
        }
    }

    fn stays(self, database: &str) -> Left {
        let (reason, statement) = if self.postgis {
            (
                "PostGIS updates itself and its relatives with a function of its own",
                "SELECT postgis_extensions_upgrade();".to_owned(),
            )
        } else {
            let statement = format!(
                "DROP EXTENSION {name}; CREATE EXTENSION {name}; -- and what hangs on it",
                name = quote(&self.name)
            );
            ("there is no update path between the two versions", statement)
        };
        Left {
            database: database.to_owned(),
            reason: reason.to_owned(),
            statement,
            name: self.name,
            from: self.from,
            to: self.to,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outdated(postgis: bool, reachable: bool) -> Outdated {
        let (from, to, owner) = ("1.9".to_owned(), "1.10".to_owned(), "ann".to_owned());
        Outdated { name: "uuid-ossp".to_owned(), from, to, postgis, reachable, owner }
    }

    #[test]
    fn a_refused_update_tells_the_statement_and_who_may_run_it() {
        let left = outdated(false, true).refused("shop", "must be owner of extension uuid-ossp");
        assert_eq!(left.statement, r#"ALTER EXTENSION "uuid-ossp" UPDATE TO "1.10"; -- as ann"#);
    }

    #[test]
    fn postgis_is_left_to_its_own_function() {
        assert_eq!(outdated(true, true).stays("shop").statement, "SELECT postgis_extensions_upgrade();");
        assert!(outdated(false, false).stays("shop").reason.contains("no update path"));
    }
}
