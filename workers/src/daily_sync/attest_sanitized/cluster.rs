//! What AWS itself could still connect, open or tell: the wires that are not in the databases.

use aws_sdk_rds::types::ActivityStreamStatus;
use runbook::{
    Context, Result, Run,
    aurora::{self, Cluster, Instance},
    daily_sync::quarantine::{
        network,
        settings::{self, Values},
    },
    postgres::{Login, connect, query_failed},
    security_groups::security_group,
};

use super::password;

/// How the cluster must be set up.
pub struct Quarantine<'a> {
    pub policy: &'a policy::Quarantine,
    /// The workers' security groups.
    pub workers: &'a [String],
}

impl Quarantine<'_> {
    /// Everything that is otherwise, looked up now.
    pub async fn look(
        &self,
        cx: &Context,
        run: &Run,
        cluster: &Cluster,
        login: &Login,
    ) -> Result<Vec<String>> {
        let mut wrong = check(cluster, &aurora::members(cx, cluster).await?, self.policy);
        wrong.extend(password::look(cx, run, cluster, login).await?);
        // Those that the cluster has: that they are the policy's is a question of its own.
        for id in cluster.shown.vpc_security_groups().iter().filter_map(|group| group.vpc_security_group_id())
        {
            let group = security_group(cx, id).await?;
            wrong.extend(network::check(&group, self.workers, Some(i32::from(login.port))));
        }
        let group = cluster.shown.db_cluster_parameter_group().unwrap_or_default();
        let (values, server) = (settings::of_group(cx, group).await?, of_server(cx, login).await?);
        wrong.extend(settings::check(group, &values, Some(&server)));
        Ok(wrong)
    }
}

async fn of_server(cx: &Context, login: &Login) -> Result<Values> {
    let client = connect(cx, login, "postgres").await?;
    let settings = include_str!("../sql/attest/settings.sql");
    let rows = client.query(settings, &[&settings::of_interest()]).await;
    let rows = rows.map_err(|error| query_failed("read the server's settings", &error))?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

/// Everything that a quarantined cluster must not have. Attributes: botocore rds 2014-10-31,
/// DBCluster and DBInstance.
fn check(cluster: &Cluster, instances: &[Instance], quarantine: &policy::Quarantine) -> Vec<String> {
    let cluster = &cluster.shown;
    let mut wrong = Vec::new();
    let mut must = |holds: bool, what: &str| {
        if !holds {
            wrong.push(format!("the cluster {what}"));
        }
    };
    let pending = cluster.pending_modified_values().and_then(|pending| pending.master_user_password());
    must(
        cluster.master_user_secret().is_some() && pending.is_none(),
        "does not have a master password of its own in Secrets Manager",
    );
    must(cluster.associated_roles().is_empty(), "has IAM roles with which it can call other services");
    must(cluster.http_endpoint_enabled() != Some(true), "answers the Data API");
    must(cluster.publicly_accessible() != Some(true), "is publicly accessible");
    must(cluster.replication_source_identifier().is_none_or(str::is_empty), "replicates from another one");
    must(cluster.enabled_cloudwatch_logs_exports().is_empty(), "sends its logs to CloudWatch");
    let streams = matches!(
        cluster.activity_stream_status(),
        Some(ActivityStreamStatus::Started | ActivityStreamStatus::Starting)
    );
    must(!streams, "sends an activity stream");
    let groups: Vec<&str> =
        cluster.vpc_security_groups().iter().filter_map(|group| group.vpc_security_group_id()).collect();
    must(groups == [quarantine.security_group.as_str()], "has other security groups than the quarantine's");
    must(
        cluster.db_cluster_parameter_group() == Some(&quarantine.cluster_parameter_group),
        "has another parameter group than the quarantine's",
    );
    for instance in instances {
        let name = &instance.id;
        if instance.shown.publicly_accessible() == Some(true) {
            wrong.push(format!("the instance {name} is publicly accessible"));
        }
    }
    wrong
}
