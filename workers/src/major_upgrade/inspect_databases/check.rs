//! A check: a statement in `sql/inspect/<slug>.sql` that answers one row a finding.
//!
//! Its columns are `object`, `detail`, `remedy`, and for the whole cluster `database`. It runs
//! read-only, as the master user, with `search_path = pg_catalog`, so that every name it prints is
//! complete.

use anyhow::Context as _;
use runbook::{Finding, Level, Result, postgres::query_failed};
use tokio_postgres::{Client, types::ToSql};

use super::target_lacks::Lacks;

/// From which major version to which.
#[derive(Debug, Clone, Copy)]
pub struct Hop {
    pub from: u32,
    pub to: u32,
    /// By a Blue/Green deployment, in which green has to follow the cluster.
    pub blue_green: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Once, in any database.
    Cluster,
    /// In every database.
    Database,
}

/// What a statement gets as its parameters.
#[derive(Debug, Clone, Copy)]
pub enum Lists {
    None,
    Types(&'static [&'static str]),
    Settings,
    ColumnsAndFunctions,
    Columns,
    Extensions,
}

pub struct Check {
    pub slug: &'static str,
    pub scope: Scope,
    pub level: Level,
    pub applies: fn(Hop) -> bool,
    pub lists: Lists,
    pub sql: &'static str,
    pub reason: &'static str,
}

impl Check {
    /// What the check finds in the database that `client` is connected to.
    pub async fn run(&self, client: &Client, database: &str, lacks: &Lacks) -> Result<Vec<Finding>> {
        let types: Vec<&str>;
        let parameters: Vec<&(dyn ToSql + Sync)> = match self.lists {
            Lists::None => vec![],
            Lists::Types(names) => {
                types = names.to_vec();
                vec![&types]
            }
            Lists::Settings => vec![&lacks.parameters, &lacks.known_settings],
            Lists::ColumnsAndFunctions => vec![&lacks.columns, &lacks.functions],
            Lists::Columns => vec![&lacks.columns],
            Lists::Extensions => vec![&lacks.extensions],
        };
        let rows = client
            .query(self.sql, &parameters)
            .await
            .map_err(|error| query_failed(&format!("check {} in database {database}", self.slug), &error))?;
        rows.iter()
            .map(|row| {
                let detail: String = row.try_get("detail").context(self.slug)?;
                Ok(Finding {
                    check: self.slug.to_owned(),
                    level: self.level,
                    database: match self.scope {
                        Scope::Cluster => row.try_get("database").context(self.slug)?,
                        Scope::Database => Some(database.to_owned()),
                    },
                    object: row.try_get("object").context(self.slug)?,
                    reason: if detail.is_empty() {
                        self.reason.to_owned()
                    } else {
                        format!("{} ({detail})", self.reason)
                    },
                    remedy: row.try_get("remedy").context(self.slug)?,
                })
            })
            .collect::<anyhow::Result<_>>()
            .map_err(Into::into)
    }
}
