//! Whose password opens a restored cluster, and from when on: what the quarantine rests on.

use anyhow::{Context as _, Result};
use runbook::{aurora::Cluster, postgres};

use crate::{
    check::{Answer, Check, Expected},
    local,
    subject::Subject,
};

pub const CHECKS: &[Check] = &[
    Check {
        name: "managed-password-without-an-instance",
        expected: Expected::Holds("RDS takes over the master password of a cluster that has no instance"),
        source: "CloudSnorkel/cdk-rds-sanitized-snapshots sets it in this order",
        local: local!("src/rds/modify_cluster.rs", "Some(true) if cluster.secret.is_none()"),
        ask: |on| {
            Box::pin(async move {
                managed(on).await?;
                let copy = on.copy().await?;
                let status = copy.shown.master_user_secret().and_then(|secret| secret.secret_status());
                Ok(Answer::of(status == Some("active"), format!("its secret is {status:?}")))
            })
        },
    },
    Check {
        name: "own-password-beside-a-managed-one",
        expected: Expected::Refused { code: "InvalidParameterCombination", words: "MasterUserPassword" },
        source: "botocore rds 2014-10-31, ModifyDBCluster.ManageMasterUserPassword",
        local: local!("src/rds/modify_cluster.rs", "MasterUserPassword when ManageMasterUserPassword is"),
        ask: |on| {
            Box::pin(async move {
                let modify = on.rds().modify_db_cluster().db_cluster_identifier(on.copy().await?.id);
                let modify = modify.master_user_password(postgres::random_password());
                Ok(Answer::to(modify.manage_master_user_password(true).apply_immediately(true).send().await))
            })
        },
    },
    Check {
        name: "sources-password-does-not-open-the-copy",
        expected: Expected::Holds(
            "the password of the snapshot's cluster is refused from the copy's first instance on",
        ),
        source: "assumed: the reason why the quarantine gets its instance last",
        local: local!("src/rds/instances.rs", "password, username) = {"),
        ask: |on| {
            Box::pin(async move {
                managed(on).await?;
                let source = on.read_login(&on.cluster().await?).await?;
                let copy = on.copy_with_instance().await?;
                let own = on.read_login(&copy).await?;
                let opened =
                    postgres::accepts(&on.cx, &postgres::Login { host: own.host, port: own.port, ..source })
                        .await?;
                Ok(Answer::of(!opened, if opened { "it was accepted" } else { "it was refused" }))
            })
        },
    },
    Check {
        name: "managed-password-opens-the-copy",
        expected: Expected::Holds("the managed password is accepted within 10 min of the first instance"),
        source: "assumed; terraform-aws-modules users report 28P01 for some seconds after a change",
        local: local!("src/rds/behaviour.rs", "From an accepted master password to the one that"),
        ask: |on| {
            Box::pin(async move {
                managed(on).await?;
                let copy = on.copy_with_instance().await?;
                accepted(on, &copy).await
            })
        },
    },
    Check {
        name: "rotated-password-opens-the-cluster",
        expected: Expected::Holds("after a rotation the secret's password is accepted within 10 min"),
        source: "AuroraUserGuide, rds-secrets-manager",
        local: local!("src/rds/modify_cluster.rs", "asks for the new password only after a while"),
        ask: |on| {
            Box::pin(async move {
                managed(on).await?;
                let copy = on.copy_with_instance().await?;
                let modify = on.rds().modify_db_cluster().db_cluster_identifier(&copy.id);
                let before = on.read_login(&copy).await?.password;
                let modify = modify.rotate_master_user_password(true).apply_immediately(true);
                modify.send().await.context("rotate the password")?;
                on.until("another password in the secret", async || {
                    Ok(on.read_login(&copy).await?.password != before)
                })
                .await?;
                accepted(on, &copy).await
            })
        },
    },
    Check {
        name: "deletion-of-a-cluster-with-an-instance",
        expected: Expected::Refused {
            code: "InvalidDBClusterStateFault",
            words: "Cluster cannot be deleted, it still contains DB instances in non-deleting state.",
        },
        source: "AuroraUserGuide, USER_DeleteCluster; AWS's words, quoted in \
                 hashicorp/terraform-provider-aws",
        local: local!("src/rds/clusters.rs", "Cluster cannot be deleted, it still contains DB instances"),
        ask: |on| {
            Box::pin(async move {
                let copy = on.copy_with_instance().await?;
                on.available(&copy.resource_id).await?;
                let delete = on.rds().delete_db_cluster().db_cluster_identifier(copy.id);
                Ok(Answer::to(delete.skip_final_snapshot(true).send().await))
            })
        },
    },
];

/// Lets RDS manage the copy's password, while it has no instance if none has been made.
async fn managed(on: &Subject) -> Result<()> {
    let copy = on.copy().await?;
    if copy.shown.master_user_secret().is_some() {
        return Ok(());
    }
    let modify = on.rds().modify_db_cluster().db_cluster_identifier(&copy.id);
    let modify = modify.manage_master_user_password(true).apply_immediately(true);
    modify.send().await.context("let RDS manage the copy's password")?;
    on.available(&copy.resource_id).await
}

/// Tries what the secret says, every 5 s.
async fn accepted(on: &Subject, cluster: &Cluster) -> Result<Answer> {
    let began = on.cx.clock.now();
    let mut refusals = 0;
    loop {
        let login = on.read_login(cluster).await?;
        let taken = postgres::accepts(&on.cx, &login).await?;
        let seconds = on.cx.clock.now().duration_since(began).as_secs();
        if taken || seconds > 600 {
            let seen = format!("refused {refusals} times with 28P01, then accepted: {taken}, {seconds} s");
            return Ok(Answer::of(taken, seen));
        }
        refusals += 1;
        on.sleep(5).await;
    }
}
