//! Which resources RDS asks IAM about, tried with the rights of a role that a policy of the check
//! cuts down for one session (AWS STS, AssumeRole, session policies).

use anyhow::{Context as _, Result};
use aws_sdk_rds::{
    Client,
    error::{ProvideErrorMetadata, SdkError},
};
use serde_json::{Value, json};

use crate::{
    check::{Answer, Check, Expected},
    local,
    subject::{ENGINE, Subject, TAG, security_groups},
};

pub const CHECKS: &[Check] = &[
    Check {
        name: "rename-under-a-tag-condition-alone",
        expected: Expected::Holds("denied: the new name is asked about, too, and has no tags"),
        source: "assumed: the service authorization reference of RDS does not say",
        local: local!("src/iam/request/rds.rs", "Whether RDS checks a rename on the new name, too"),
        ask: |on| {
            Box::pin(async move {
                let allowed = rename(on, "renamed-by-tag", &[by_tag(on)]).await?;
                Ok(decided(on, allowed, false))
            })
        },
    },
    Check {
        name: "rename-under-a-tag-condition-and-a-pattern-of-names",
        expected: Expected::Holds("allowed: the pattern holds for the new name"),
        source: "assumed: the service authorization reference of RDS does not say",
        local: local!("src/iam/request/rds.rs", "Whether RDS checks a rename on the new name, too"),
        ask: |on| {
            Box::pin(async move {
                let new = arn(on, &format!("cluster:{}*", on.name("renamed-by-name")));
                let pattern = allow(&["rds:ModifyDBCluster"], &json!(new));
                let allowed = rename(on, "renamed-by-name", &[by_tag(on), pattern]).await?;
                Ok(decided(on, allowed, true))
            })
        },
    },
    Check {
        name: "change-of-what-is-not-there-under-a-tag-condition",
        expected: Expected::Holds("denied: what is not there has no tags"),
        source: "assumed: the states look again before they believe a denial",
        local: local!("src/iam/request/mod.rs", "for (tag, value) in tags(world, caller"),
        ask: |on| {
            Box::pin(async move {
                let Some(rds) = client(on, &[by_tag(on)]).await? else {
                    return Ok(decided(on, unenforced(), false));
                };
                let modify = rds.modify_db_cluster().db_cluster_identifier(on.name("not-there"));
                let sent = modify.deletion_protection(false).apply_immediately(true).send().await;
                Ok(decided(on, allowed(sent), false))
            })
        },
    },
    Check {
        name: "restore-with-tags-and-without-the-right-to-tag",
        expected: Expected::Holds("denied: rds:AddTagsToResource is asked about, on the new cluster"),
        source: "service authorization reference of RDS: a dependent action of \
                 RestoreDBClusterFromSnapshot",
        local: local!("src/iam/request/rds.rs", "call.access(\"rds:AddTagsToResource\""),
        ask: |on| {
            Box::pin(async move {
                let kinds = ["cluster", "cluster-pg", "subgrp", "cluster-snapshot", "og"];
                let actions = ["rds:RestoreDBClusterFromSnapshot"];
                let snapshot = on.snapshot().await?;
                let allowed = restore_by(on, "without-tagging", &actions, &kinds, &snapshot).await?;
                Ok(decided(on, allowed, false))
            })
        },
    },
    Check {
        name: "restore-without-the-option-group",
        expected: Expected::Holds("denied: the default option group is asked about"),
        source: "service authorization reference of RDS: og is a required type of \
                 RestoreDBClusterFromSnapshot",
        local: local!("src/iam/request/rds.rs", "\"og\" => format!(\"default:aurora-postgresql"),
        ask: |on| {
            Box::pin(async move {
                let kinds = ["cluster", "cluster-pg", "subgrp", "cluster-snapshot"];
                let allowed = restore(on, "without-og", &kinds, &on.snapshot().await?).await?;
                Ok(decided(on, allowed, false))
            })
        },
    },
    Check {
        name: "restore-with-the-option-group",
        expected: Expected::Holds("allowed"),
        source: "service authorization reference of RDS: the required types of \
                 RestoreDBClusterFromSnapshot",
        local: local!("src/iam/request/rds.rs", "(&[\"cluster-pg\", \"og\", \"subgrp\"]"),
        ask: |on| {
            Box::pin(async move {
                let kinds = ["cluster", "cluster-pg", "subgrp", "cluster-snapshot", "og"];
                let allowed = restore(on, "with-og", &kinds, &on.snapshot().await?).await?;
                Ok(decided(on, allowed, true))
            })
        },
    },
    Check {
        name: "restore-of-a-shared-snapshot-under-our-arns",
        expected: Expected::Holds("denied: a shared snapshot's ARN has its owner's account"),
        source: "service authorization reference of RDS: the ARN of cluster-snapshot",
        local: local!("src/iam/request/rds.rs", "an ARN leads to another account's snapshot"),
        ask: |on| {
            Box::pin(async move {
                let Some(shared) = &on.named.shared_snapshot else {
                    let why = "no snapshot that another account shares was named (--shared-snapshot)";
                    return Ok(Answer::Unknown(why.to_owned()));
                };
                let kinds = ["cluster", "cluster-pg", "subgrp", "cluster-snapshot", "og"];
                let allowed = restore(on, "of-shared", &kinds, shared).await?;
                Ok(decided(on, allowed, false))
            })
        },
    },
];

/// What the service says of a call that was allowed may be yes or no; of one that was denied it
/// says so. Any other answer is none.
enum Allowed {
    Yes(String),
    No(String),
    Unknown(String),
}

fn decided(on: &Subject, allowed: Allowed, expected: bool) -> Answer {
    match allowed {
        Allowed::Yes(seen) => Answer::of(expected, seen),
        Allowed::No(seen) => Answer::of(!expected, on.redact(&seen)),
        Allowed::Unknown(why) => Answer::Unknown(why),
    }
}

fn allowed<T, E>(sent: std::result::Result<T, SdkError<E>>) -> Allowed
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    match sent {
        Ok(_) => Allowed::Yes("the call was accepted".to_owned()),
        Err(error) if error.code().is_some_and(|code| code.starts_with("AccessDenied")) => {
            Allowed::No(error.message().unwrap_or("denied").to_owned())
        }
        other @ Err(_) => match Answer::to(other) {
            Answer::Refused { code, message } => Allowed::Yes(format!("{code}: {message}")),
            _ => Allowed::Unknown("the call was lost".to_owned()),
        },
    }
}

fn arn(on: &Subject, resource: &str) -> String {
    let partition = if on.named.region.starts_with("cn-") { "aws-cn" } else { "aws" };
    format!("arn:{partition}:rds:{}:{}:{resource}", on.named.region, on.named.account)
}

fn allow(actions: &[&str], resources: &Value) -> Value {
    json!({"Effect": "Allow", "Action": actions, "Resource": resources})
}

fn by_tag(on: &Subject) -> Value {
    let mut statement = allow(&["rds:ModifyDBCluster"], &json!("*"));
    statement["Condition"] = json!({"StringEquals": {format!("aws:ResourceTag/{TAG}"): on.named.cluster}});
    statement
}

/// A client under these statements; `None` where the endpoint evaluates no policy, as one that
/// allows nothing shows.
async fn client(on: &Subject, statements: &[Value]) -> Result<Option<Client>> {
    let policy = |statements: &[Value]| json!({"Version": "2012-10-17", "Statement": statements});
    let nothing = json!({"Effect": "Deny", "Action": "*", "Resource": "*"});
    let none = on.with_policy(&policy(&[nothing])).await?;
    if !matches!(allowed(none.describe_db_clusters().send().await), Allowed::No(_)) {
        return Ok(None);
    }
    Ok(Some(on.with_policy(&policy(statements)).await?))
}

fn unenforced() -> Allowed {
    Allowed::Unknown("this endpoint evaluates no session policy".to_owned())
}

async fn rename(on: &Subject, name: &str, statements: &[Value]) -> Result<Allowed> {
    let copy = on.copy().await?;
    let Some(rds) = client(on, statements).await? else { return Ok(unenforced()) };
    let modify = rds.modify_db_cluster().db_cluster_identifier(&copy.id);
    let modify = modify.new_db_cluster_identifier(on.name(name)).apply_immediately(true);
    let allowed = allowed(modify.send().await);
    on.available(&copy.resource_id).await?;
    Ok(allowed)
}

async fn restore(on: &Subject, name: &str, kinds: &[&str], snapshot: &str) -> Result<Allowed> {
    restore_by(on, name, &["rds:RestoreDBClusterFromSnapshot", "rds:AddTagsToResource"], kinds, snapshot)
        .await
}

async fn restore_by(
    on: &Subject,
    name: &str,
    actions: &[&str],
    kinds: &[&str],
    snapshot: &str,
) -> Result<Allowed> {
    let resources: Vec<String> = kinds.iter().map(|kind| arn(on, &format!("{kind}:*"))).collect();
    let statement = allow(actions, &json!(resources));
    let Some(rds) = client(on, &[statement]).await? else { return Ok(unenforced()) };
    let cluster = on.cluster().await.context("describe the cluster")?;
    let restore = rds.restore_db_cluster_from_snapshot().snapshot_identifier(snapshot).engine(ENGINE);
    let restore = restore.db_cluster_identifier(on.name(name)).tags(on.tag());
    let restore = restore.engine_version(cluster.version.to_string());
    let restore = restore.set_db_subnet_group_name(cluster.shown.db_subnet_group().map(str::to_owned));
    Ok(allowed(restore.set_vpc_security_group_ids(Some(security_groups(&cluster))).send().await))
}
