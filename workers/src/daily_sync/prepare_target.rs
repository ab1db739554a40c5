//! Makes a target's new cluster the environment's: roles, grants, kept tables, settings, and
//! answers to the smoke queries.
//!
//! Changes the new cluster only, and the passwords in the environment's secrets where there is none
//! yet; the present cluster is read. Again is harmless: roles are made or altered, grants granted,
//! kept tables replaced, each as if it were the first time. Undo: none needed, nobody uses the
//! cluster yet. Errors: `NotReady` (the server goes away), `Refused` (a secret or a login),
//! `Conflict` (not this run's cluster), `OperationFailed` (every refused role and grant; or a kept
//! table, a setting or a smoke query; with PostgreSQL's words).

use std::collections::BTreeMap;

use policy::Target;
use runbook::{
    Context, Error, Result, Run, State,
    aurora::{self, Cluster, ResourceId, Status},
    daily_sync::{self, tags},
    error::{Then, aws},
    postgres::{self, Login, is_of_the_moment, query_failed, quote, said},
};
use serde::{Deserialize, Serialize};
use tokio_postgres::Client;

use crate::shared::roles::{Of, become_member, learn_system_roles};

mod kept;
mod roles;
mod smoke;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PrepareTarget {
    sync: String,
    /// The target's stable name.
    target: String,
    /// The new cluster.
    cluster: String,
    resource_id: ResourceId,
    /// The DbClusterResourceId of the cluster that the clients use now.
    #[serde(default)]
    former: Option<ResourceId>,
}

/// Kept tables of an answer, which Step Functions takes up to 262,144 bytes of.
const LISTED: usize = 200;

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Prepared {
    summary: String,
    roles: usize,
    /// At most 200; the summary counts all.
    kept: Vec<kept::Kept>,
    smoke: usize,
}

impl State for PrepareTarget {
    const NAME: &'static str = "PrepareTarget";
    type Output = Prepared;

    async fn reconcile(self, cx: &Context, run: &Run) -> Result<Prepared> {
        let policy = daily_sync::policy(cx, run, &self.sync).await?;
        let target = daily_sync::target(&policy, &self.target)?;
        let ids = [Some(&self.resource_id), self.former.as_ref()];
        let clusters = aurora::clusters_of(cx, ids.into_iter().flatten()).await?;
        let cluster = aurora::by_resource_id(&clusters, &self.resource_id);
        let cluster = cluster.ok_or_else(|| {
            Error::conflict(format!("the new cluster {} is gone; someone has deleted it", self.cluster))
                .then(Then::StartAgain)
        })?;
        self.check(run, cluster)?;
        let login = aurora::login(cx, cluster, None).await?;
        let mut refusals = roles::Refusals::default();
        let databases = {
            let client = session(cx, &login, "postgres").await?;
            let databases = postgres::databases(&client).await?;
            cx.progress.say(format!("{} roles for {}", target.roles.len(), self.target));
            roles::make(cx, &client, target, &mut refusals).await?;
            // Only an owner grants on what it owns. Where the master user may not act for one, the
            // grant itself says so.
            client
                .batch_execute("SET search_path = pg_catalog")
                .await
                .map_err(|error| query_failed("set up a session", &error))?;
            learn_system_roles(&client).await?;
            become_member(&client, Of::Owners).await?;
            databases
        };
        for database in &databases {
            roles::grant(cx, &login, database, target, &mut refusals).await?;
        }
        refusals.end(&login.user)?;
        let kept = match self.former.as_ref().filter(|_| !target.keep_tables.is_empty()) {
            Some(former) => {
                kept::carry_over(cx, &login, &present(cx, &clusters, former).await?, target).await?
            }
            None => Vec::new(),
        };
        settings(cx, &login, target).await?;
        smoke::ask(cx, &login, target).await?;
        Ok(self.prepared(target, kept))
    }
}

impl PrepareTarget {
    fn prepared(&self, target: &Target, mut kept: Vec<kept::Kept>) -> Prepared {
        let rows: u64 = kept.iter().map(|kept| kept.rows).sum();
        let summary = format!(
            "{} is {}'s: {} roles, {} kept tables with {rows} rows, {} smoke queries answered well",
            self.cluster,
            self.target,
            target.roles.len(),
            kept.len(),
            target.smoke.len()
        );
        kept.truncate(LISTED);
        Prepared { summary, roles: target.roles.len(), kept, smoke: target.smoke.len() }
    }

    fn check(&self, run: &Run, cluster: &Cluster) -> Result<()> {
        let tags = &cluster.tags;
        let ours = tags::is_of_run(tags, &self.sync, run) && tags::has_role(tags, tags::Role::Fresh);
        if !ours || !tags.is(tags::ATTESTED_RUN, run.name()) {
            return Err(Error::conflict(format!(
                "{} is not the new cluster that this run restored from an attested snapshot",
                self.cluster
            ))
            .then(Then::StartAgain));
        }
        Ok(())
    }
}

/// How to log in to the cluster that the clients use now. A stopped one is started.
async fn present(cx: &Context, clusters: &[Cluster], former: &ResourceId) -> Result<Login> {
    let former = aurora::by_resource_id(clusters, former).ok_or_else(|| {
        Error::conflict("the present cluster is gone; its kept tables with it").then(Then::StartAgain)
    })?;
    let name = &former.id;
    if former.status == Status::Stopped {
        let start = cx.rds.start_db_cluster().db_cluster_identifier(name);
        start.send().await.map_err(aws("rds:StartDBCluster"))?;
        return Err(Error::NotReady(format!("{name} to start; its kept tables are needed")));
    }
    aurora::ready(former, &[])?;
    if former.shown.master_user_secret().is_none() {
        return Err(Error::refused(format!(
            "keep-tables needs a login to {name}, and RDS does not manage its master password"
        ))
        .changed("the new cluster, which nobody uses yet")
        .fix(format!(
            "run aws rds modify-db-cluster --db-cluster-identifier {name} --manage-master-user-password \
             --apply-immediately, or remove keep-tables from the policy"
        ))
        .then(Then::StartAgain));
    }
    aurora::login(cx, former, None).await
}

/// A session for work that may take long.
async fn session(cx: &Context, login: &Login, database: &str) -> Result<Client> {
    let client = postgres::connect(cx, login, database).await?;
    let set = "SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0; \
               SET lock_timeout = '60s'; SET default_transaction_read_only = off";
    client.batch_execute(set).await.map_err(|error| query_failed("set up a session", &error))?;
    Ok(client)
}

async fn settings(cx: &Context, login: &Login, target: &Target) -> Result<()> {
    for (database, settings) in &target.settings {
        let client = session(cx, login, database).await?;
        for statement in statements(database, settings) {
            client
                .batch_execute(&statement)
                .await
                .map_err(|error| refused(&format!("the setting of the policy ({statement})"), &error))?;
        }
    }
    Ok(())
}

fn statements(database: &str, settings: &BTreeMap<String, String>) -> Vec<String> {
    settings
        .iter()
        .map(|(name, value)| {
            format!("ALTER DATABASE {} SET {} TO {}", quote(database), setting(name), literal(name, value))
        })
        .collect()
}

/// A setting may be an extension's: `pgaudit.log`.
fn setting(name: &str) -> String {
    name.split('.').map(quote).collect::<Vec<_>>().join(".")
}

/// Lists of names are given as several literals: one literal would be one name with a comma in it
/// (GUC_LIST_QUOTE, guc_tables.c).
fn literal(name: &str, value: &str) -> String {
    const LISTS: [&str; 6] = [
        "search_path",
        "temp_tablespaces",
        "session_preload_libraries",
        "local_preload_libraries",
        "shared_preload_libraries",
        "unix_socket_directories",
    ];
    if !LISTS.contains(&name) {
        return postgres::literal(value);
    }
    // Written as SHOW prints it, with names in quotes: "$user", public.
    let unquoted = |text: &str| match text.strip_prefix('"').and_then(|text| text.strip_suffix('"')) {
        Some(inner) => inner.replace("\"\"", "\""),
        None => text.to_owned(),
    };
    value.split(',').map(|text| postgres::literal(&unquoted(text.trim()))).collect::<Vec<_>>().join(", ")
}

/// SQL that stands in the policy, or follows from it, and fails: a person fixes the policy.
fn refused(what: &str, error: &tokio_postgres::Error) -> Error {
    if is_of_the_moment(error) {
        return query_failed(what, error);
    }
    wrong(what, error)
}

fn wrong(what: &str, error: &tokio_postgres::Error) -> Error {
    policy_fails(format!("{what} fails: {}", said(error)), "correct it in the policy")
}

/// Clients stay where they are until a person has changed the policy or the data.
fn policy_fails(found: String, fix: &str) -> Error {
    Error::failed(found)
        .changed("the new cluster, which nobody uses; the present one is as it was")
        .fix(fix)
        .then(Then::StartAgain)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html, task input and
    /// result.
    #[test]
    fn the_answer_for_many_kept_tables_fits_into_what_step_functions_takes() {
        let target = json!({
            "cluster": "orders-dev", "account": "444455556666", "instance-class": "db.t4g.medium",
            "subnet-group": "dev", "security-groups": ["sg-dev"], "cluster-parameter-group": "dev",
            "keep-old": {"count": 1, "age": "24h"},
        });
        let target: Target = serde_json::from_value(target).unwrap();
        let state = json!({
            "sync": "orders", "target": "orders-dev", "cluster": "orders-dev-1", "resourceId": "cluster-A1",
        });
        let state: PrepareTarget = serde_json::from_value(state).unwrap();
        // JSON doubles each of these.
        let name = "\"".repeat(63);
        let table = || policy::TableName { schema: name.clone(), table: name.clone() };
        let kept = |_| kept::Kept { database: name.clone(), table: table(), rows: 1 };
        let prepared = state.prepared(&target, (0..100_000).map(kept).collect());
        assert!(serde_json::to_vec(&prepared).unwrap().len() < 262_144);
        assert!(prepared.summary.contains("100000 kept tables with 100000 rows"), "{}", prepared.summary);
    }

    #[test]
    fn settings_are_quoted_and_lists_stay_lists() {
        let settings = [("search_path", "app, \"$user\""), ("work_mem", "64MB"), ("pgaudit.log", "it's all")];
        let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        assert_eq!(
            statements("odd \"db", &settings),
            [
                r#"ALTER DATABASE "odd ""db" SET "pgaudit"."log" TO 'it''s all'"#,
                r#"ALTER DATABASE "odd ""db" SET "search_path" TO 'app', '$user'"#,
                r#"ALTER DATABASE "odd ""db" SET "work_mem" TO '64MB'"#,
            ]
        );
    }
}
