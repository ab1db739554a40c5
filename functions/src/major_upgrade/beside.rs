//! What stands beside a cluster that goes by Blue/Green, and does not stop it: proxies that lead to
//! it, and what scales it.

use aws_sdk_applicationautoscaling::types::{ScalableDimension, ScalableTarget, ServiceNamespace};
use aws_sdk_rds::types::{DbProxyTarget, TargetType};
use runbook::{
    Context, Finding, Level, Result,
    aurora::{Cluster, Fault, Instance, message},
    error::aws,
};

use super::ties::finding;

pub async fn findings(cx: &Context, cluster: &Cluster, members: &[Instance]) -> Result<Vec<Finding>> {
    let mut findings = proxies(cx, cluster, members).await?;
    findings.extend(scaling(cx, cluster).await?);
    Ok(findings)
}

/// No filter is supported (botocore rds 2014-10-31), so every proxy is asked: an account has 20
/// (AuroraUserGuide, rds-proxy), unless more were granted.
async fn proxies(cx: &Context, cluster: &Cluster, members: &[Instance]) -> Result<Vec<Finding>> {
    let proxies = cx.rds.describe_db_proxies().into_paginator().items().send();
    let proxies = proxies.try_collect().await.map_err(aws("rds:DescribeDBProxies"))?;
    let mut findings = Vec::new();
    for name in proxies.iter().filter_map(|proxy| proxy.db_proxy_name()) {
        let targets = cx.rds.describe_db_proxy_targets().db_proxy_name(name).into_paginator().items().send();
        match targets.try_collect().await {
            Ok(targets) => findings.extend(proxy(name, &targets, cluster, members)),
            Err(error) => match Fault::of(&error) {
                Some(Fault::DBProxyNotFoundFault) => {}
                // Most are not the cluster's, and none of them stops its upgrade.
                Some(Fault::InvalidDBProxyStateFault) => findings.push(Finding {
                    level: Level::Warn,
                    ..finding(
                        "rds-proxy",
                        name,
                        format!("RDS does not say what it leads to: {}", message(&error)),
                        format!("if it is {}, wait until it shows its targets: {}", cluster.id, look(name)),
                    )
                }),
                _ => return Err(aws("rds:DescribeDBProxyTargets")(error)),
            },
        }
    }
    Ok(findings)
}

fn look(proxy: &str) -> String {
    format!(
        "aws rds describe-db-proxy-targets --db-proxy-name {proxy} --query \
         'Targets[].[RdsResourceId,Type,Role,TargetHealth.State]' --output table"
    )
}

/// The proxy follows the switchover when the cluster was its target before green was made; no
/// other can be given it until then, connections are dropped, and the new targets are shown once
/// the switchover is complete (AuroraUserGuide, rds-proxy-blue-green). A cluster is shown beside
/// its instances.
fn proxy(name: &str, targets: &[DbProxyTarget], cluster: &Cluster, members: &[Instance]) -> Option<Finding> {
    let id = cluster.id.as_str();
    let of = |kind: TargetType| {
        let targets = targets.iter().filter(move |target| target.r#type() == Some(&kind));
        targets.filter_map(DbProxyTarget::rds_resource_id)
    };
    let tracked = targets.iter().any(|target| target.tracked_cluster_id() == Some(id))
        || of(TargetType::TrackedCluster).any(|target| target == id);
    let alone = || of(TargetType::RdsInstance).find(|target| members.iter().any(|one| one.id == *target));
    let (reason, remedy) = if tracked {
        (
            format!(
                "it leads to {id} and follows the switchover, which drops its connections: clients have to \
                 connect again"
            ),
            format!(
                "register no other proxy until then: RDS takes none once there is green. After the \
                 switchover it shows {id} and its instances as AVAILABLE: {}",
                look(name)
            ),
        )
    } else {
        let instance = alone()?;
        (
            format!(
                "it leads to {instance} alone, and a proxy is known to follow a switchover only when the \
                 cluster is its target before green is made"
            ),
            format!(
                "make {id} its target first, in a quiet hour: aws rds deregister-db-proxy-targets \
                 --db-proxy-name {name} --db-instance-identifiers {instance} && aws rds \
                 register-db-proxy-targets --db-proxy-name {name} --db-cluster-identifiers {id}. After the \
                 switchover: {}",
                look(name)
            ),
        )
    };
    Some(Finding { level: Level::Warn, ..finding("rds-proxy", name, reason, remedy) })
}

async fn scaling(cx: &Context, cluster: &Cluster) -> Result<Option<Finding>> {
    let targets = cx
        .scaling
        .describe_scalable_targets()
        .service_namespace(ServiceNamespace::Rds)
        .resource_ids(resource(cluster))
        .scalable_dimension(ScalableDimension::RdsClusterReadReplicaCount);
    let targets = targets.send().await.map_err(aws("application-autoscaling:DescribeScalableTargets"))?;
    Ok(targets.scalable_targets().first().map(|target| scaled(cluster, target)))
}

/// How Auto Scaling calls a cluster (AuroraUserGuide, Aurora.Integrating.AutoScaling).
fn resource(cluster: &Cluster) -> String {
    format!("cluster:{}", cluster.id)
}

/// "Auto Scaling policies configured on the blue DB cluster are not copied to the green
/// environment": they are to be made again after the switchover (AuroraUserGuide,
/// blue-green-deployments-considerations).
fn scaled(cluster: &Cluster, target: &ScalableTarget) -> Finding {
    let on = format!("--service-namespace rds --resource-id {}", resource(cluster));
    let (least, most) = (target.min_capacity(), target.max_capacity());
    let reason = format!(
        "Auto Scaling gives {} between {least} and {most} readers, and its policies do not go over to green",
        cluster.id
    );
    let remedy = format!(
        "keep what this shows: aws application-autoscaling describe-scaling-policies {on}. After the \
         switchover: aws application-autoscaling register-scalable-target {on} --scalable-dimension \
         rds:cluster:ReadReplicaCount --min-capacity {least} --max-capacity {most}, and put-scaling-policy \
         for each of them"
    );
    Finding { level: Level::Warn, ..finding("scaling-policy", &cluster.id, reason, remedy) }
}

#[cfg(test)]
mod tests {
    use aws_sdk_rds::types::DbInstance;

    use super::*;
    use crate::testing::{self, Parse};

    fn target(kind: TargetType, id: &str) -> DbProxyTarget {
        DbProxyTarget::builder().r#type(kind).rds_resource_id(id).build()
    }

    fn found(targets: &[DbProxyTarget]) -> Option<Finding> {
        let shown = DbInstance::builder().db_instance_identifier("orders-1").engine_version("16.14");
        let shown = shown.db_instance_arn("arn:aws:rds:eu-west-1:444455556666:db:orders-1").build();
        let members = [Instance::parse(shown).unwrap()];
        proxy("app", targets, &testing::cluster("orders").parse(), &members)
    }

    #[test]
    fn a_proxy_of_the_cluster_follows_it_and_is_looked_at_afterwards() {
        let instance = target(TargetType::RdsInstance, "orders-1");
        let tracked = found(&[target(TargetType::TrackedCluster, "orders"), instance]).unwrap();
        assert_eq!((tracked.id().as_str(), tracked.level), ("rds-proxy:app", Level::Warn));
        assert!(tracked.reason.contains("follows the switchover"), "{}", tracked.reason);
        assert!(tracked.remedy.contains("describe-db-proxy-targets --db-proxy-name app "));
        let by_name = DbProxyTarget::builder().r#type(TargetType::RdsInstance).rds_resource_id("orders-9");
        assert!(found(&[by_name.tracked_cluster_id("orders").build()]).is_some(), "an instance not yet seen");
    }

    #[test]
    fn a_proxy_of_an_instance_alone_is_given_the_cluster_first() {
        let alone = found(&[target(TargetType::RdsInstance, "orders-1")]).unwrap();
        assert!(alone.remedy.contains("register-db-proxy-targets --db-proxy-name app --db-cluster-"));
    }

    #[test]
    fn a_proxy_of_somebody_else_is_none_even_by_a_like_name() {
        let others = [
            target(TargetType::TrackedCluster, "orders-1"),
            target(TargetType::RdsInstance, "orders"),
            target(TargetType::RdsInstance, "users-1"),
        ];
        assert_eq!(found(&others), None);
        assert_eq!(found(&[]), None);
    }

    #[test]
    fn what_scales_the_cluster_is_registered_again_as_it_is() {
        let target = ScalableTarget::builder()
            .service_namespace(ServiceNamespace::Rds)
            .resource_id("cluster:orders")
            .scalable_dimension(ScalableDimension::RdsClusterReadReplicaCount)
            .min_capacity(1)
            .max_capacity(8)
            .role_arn("arn:x")
            .creation_time(aws_smithy_types::DateTime::from_secs(0))
            .build()
            .unwrap();
        let found = scaled(&testing::cluster("orders").parse(), &target);
        assert_eq!((found.id().as_str(), found.level), ("scaling-policy:orders", Level::Warn));
        assert!(found.remedy.contains("--min-capacity 1 --max-capacity 8"), "{}", found.remedy);
    }
}
