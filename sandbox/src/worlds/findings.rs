//! What stops a major upgrade, to be planted into a cluster and to be put right: SQL files of
//! `sandbox/data/findings`.
//!
//! A file is a list of statements with a blank line between two. Comment lines at the top of one
//! may say more: `-- database: x` and `-- as: rdsadmin` or `master` where and as whom it and the
//! following run; `-- parameter: name=value` what the cluster must be started with for it, and `--
//! target: name=value` which parameter of the upgraded cluster makes it fail.

use anyhow::Context;

use local_aws::{
    postgres::{PostgresEngine, SUPERUSER},
    rds::engine::Parameters,
};

#[derive(Debug, Clone, Copy)]
pub struct Planted {
    pub slug: &'static str,
    pub plant: &'static str,
    pub remedy: &'static str,
}

macro_rules! finding {
    ($slug:literal) => {
        Planted {
            slug: $slug,
            plant: include_str!(concat!("../../data/findings/", $slug, ".plant.sql")),
            remedy: include_str!(concat!("../../data/findings/", $slug, ".remedy.sql")),
        }
    };
}

/// All of them. Each needs the databases of the shop ([`super::shop`]) and stops an upgrade from 16
/// to 18.
pub fn findings() -> Vec<Planted> {
    vec![
        finding!("inherited-not-null"),
        finding!("invalid-database"),
        finding!("logical-slot"),
        finding!("missing-library"),
        finding!("prepared-transaction"),
        finding!("refused-role-setting"),
        finding!("reg-column"),
        finding!("role-named-pg"),
        finding!("view-on-catalog-column"),
    ]
}

impl Planted {
    /// Parameters that the cluster needs before the finding can be planted.
    pub fn parameters(&self) -> Parameters {
        headers(self.plant, "parameter").filter_map(assignment).collect()
    }

    /// Parameters of the upgraded cluster without which the finding does no harm.
    pub fn target_parameters(&self) -> Parameters {
        headers(self.plant, "target").filter_map(assignment).collect()
    }
}

/// Runs a plant or a remedy.
pub async fn apply(engine: &PostgresEngine, resource_id: &str, file: &str) -> anyhow::Result<()> {
    let (mut database, mut user) = ("postgres".to_owned(), SUPERUSER.to_owned());
    for statement in file.split("\n\n") {
        if let Some(name) = headers(statement, "database").next() {
            database = name.to_owned();
        }
        if let Some(name) = headers(statement, "as").next() {
            user = if name == "master" { engine.master(resource_id)? } else { name.to_owned() };
        }
        let session = engine.connect(resource_id, &user, &database).await?;
        session
            .batch_execute(statement)
            .await
            .with_context(|| format!("as {user} in {database}: {statement}"))?;
    }
    Ok(())
}

fn headers<'a>(text: &'a str, name: &'a str) -> impl Iterator<Item = &'a str> {
    text.lines().filter_map(move |line| line.strip_prefix("-- ")?.strip_prefix(name)?.strip_prefix(": "))
}

fn assignment(text: &str) -> Option<(String, String)> {
    text.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()))
}
