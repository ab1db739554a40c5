//! What ties a cluster to more than itself, and so must not be there while its version is raised.
//!
//! Two ways: what this runbook is not for is `Refused`; what its owner can take away and put back
//! is `Blocked`, with the command.

use aws_sdk_rds::types::{BlueGreenDeployment, GlobalCluster, Integration};
use runbook::{Arn, Context, Error, Finding, Level, Result, aurora::Cluster, error::aws};

use crate::shared::groups::Kind;

/// What the cluster itself does not show.
#[derive(Debug, Default)]
pub struct Ties {
    global: Option<String>,
    /// The value of `rds.babelfish_status`.
    babelfish: Option<String>,
    /// Identifier, name and status of each.
    deployments: Vec<(String, String, String)>,
    /// ARNs.
    integrations: Vec<String>,
}

/// What the cluster itself shows of what this runbook is not for.
pub fn check(cluster: &Cluster) -> Result<()> {
    let Cluster { id, shown, .. } = cluster;
    let engine = shown.engine().unwrap_or("of an unknown engine");
    if engine != "aurora-postgresql" {
        return Err(Error::refused(format!("{id} is {engine}; this runbook upgrades aurora-postgresql")));
    }
    // "provisioned" is that of Serverless v2, too; Serverless v1 is "serverless" (botocore rds
    // 2014-10-31, CreateDBCluster).
    if let Some(mode) = shown.engine_mode().filter(|mode| *mode != "provisioned") {
        return Err(Error::refused(format!(
            "{id} has the engine mode {mode}, which ModifyDBCluster cannot upgrade"
        ))
        .fix(
            "convert it to provisioned (aws rds modify-db-cluster --engine-mode provisioned \
              --allow-engine-mode-change)",
        ));
    }
    match shown.global_cluster_identifier().filter(|global| !global.is_empty()) {
        Some(global) => Err(global_cluster(id, global)),
        None => Ok(()),
    }
}

fn global_cluster(id: &str, global: &str) -> Error {
    Error::refused(format!(
        "{id} belongs to the global cluster {global}, whose version is raised for every Region at once, \
         which this runbook does not do"
    ))
    .fix("use ModifyGlobalCluster")
}

impl Ties {
    /// Everything is listed and compared here: not every filter is in the model (botocore rds
    /// 2014-10-31), and a filter that matches nothing looks like a cluster without ties.
    pub async fn look(cx: &Context, cluster: &Cluster) -> Result<Self> {
        let global = cx.rds.describe_global_clusters().into_paginator().items().send();
        let global = global.try_collect().await.map_err(aws("rds:DescribeGlobalClusters"))?;
        let deployments = cx.rds.describe_blue_green_deployments().into_paginator().items().send();
        let deployments = deployments.try_collect().await.map_err(aws("rds:DescribeBlueGreenDeployments"))?;
        let integrations = cx.rds.describe_integrations().into_paginator().items().send();
        let integrations = integrations.try_collect().await.map_err(aws("rds:DescribeIntegrations"))?;
        let babelfish = match cluster.shown.db_cluster_parameter_group() {
            Some(group) => Kind::Cluster.user_values(cx, group).await?.remove("rds.babelfish_status"),
            None => None,
        };
        Ok(Self { babelfish, ..Self::of(&cluster.arn, &global, &deployments, &integrations) })
    }

    pub fn of(
        cluster: &Arn,
        global: &[GlobalCluster],
        deployments: &[BlueGreenDeployment],
        integrations: &[Integration],
    ) -> Self {
        let is = |arn: Option<&str>| arn == Some(cluster.as_str());
        let text = |text: Option<&str>| text.unwrap_or("unknown").to_owned();
        let global = global.iter().find(|global| {
            let members = global.global_cluster_members();
            members.iter().any(|member| {
                is(member.db_cluster_arn()) || member.readers().iter().any(|reader| is(Some(reader)))
            })
        });
        let deployments = deployments.iter().filter(|one| is(one.source()) || is(one.target()));
        let integrations = integrations.iter().filter(|one| is(one.source_arn()));
        Self {
            global: global.map(|global| text(global.global_cluster_identifier())),
            babelfish: None,
            deployments: deployments
                .map(|one| {
                    let name = one.blue_green_deployment_name();
                    (text(one.blue_green_deployment_identifier()), text(name), text(one.status()))
                })
                .collect(),
            integrations: integrations.map(|one| text(one.integration_arn())).collect(),
        }
    }

    /// The status of the deployment of that name.
    pub fn status(&self, ours: &str) -> Option<&str> {
        self.deployments.iter().find(|(_, name, _)| name == ours).map(|(_, _, status)| status.as_str())
    }

    /// What is in the way of an upgrade, or what this runbook is not for.
    pub fn findings(&self, cluster: &Cluster, is_major: bool) -> Result<Vec<Finding>> {
        self.findings_beside(None, cluster, is_major)
    }

    /// The same of an upgrade by the deployment of that name.
    pub fn findings_beside(
        &self,
        ours: Option<&str>,
        cluster: &Cluster,
        is_major: bool,
    ) -> Result<Vec<Finding>> {
        let Cluster { id, arn, shown, .. } = cluster;
        if let Some(global) = &self.global {
            return Err(global_cluster(id, global));
        }
        // Whatever is not "off", the default.
        if let Some(status) = self.babelfish.as_ref().filter(|status| *status != "off") {
            return Err(Error::refused(format!(
                "{id} serves Babelfish (rds.babelfish_status = {status} in its parameter group), whose \
                 databases have steps of their own in an upgrade, which this runbook does not know"
            ))
            .fix(
                "upgrade it by hand: \
                 https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/\
                 babelfish-information-upgrading.html",
            ));
        }
        let mut findings = Vec::new();
        let stream = shown.activity_stream_status().map(|status| status.as_str());
        if let Some(status) = stream.filter(|status| *status != "stopped") {
            findings.push(finding(
                "activity-stream",
                id,
                format!("its database activity stream is {status}, and RDS does not upgrade such a cluster"),
                format!("aws rds stop-activity-stream --apply-immediately --resource-arn {arn}"),
            ));
        }
        // "You can't change a blue DB cluster to a higher engine version than its corresponding
        // green DB cluster" (AuroraUserGuide, blue-green-deployments-considerations), and green
        // would no longer follow it.
        let others = self.deployments.iter().filter(|(_, name, _)| Some(name.as_str()) != ours);
        findings.extend(others.map(|(deployment, _, status)| {
            finding(
                "blue-green-deployment",
                deployment,
                format!("{id} is part of it ({status}): its two sides could no longer follow each other"),
                format!(
                    "switch it over, or not; then aws rds delete-blue-green-deployment \
                     --blue-green-deployment-identifier {deployment}"
                ),
            )
        }));
        if is_major {
            findings.extend(self.integrations.iter().map(|integration| {
                finding(
                    "zero-etl-integration",
                    integration,
                    format!("it reads {id} through logical replication, which an upgrade may break off"),
                    format!(
                        "aws rds delete-integration --integration-identifier {integration}, and create it \
                         again after the upgrade; its target is filled again"
                    ),
                )
            }));
        }
        Ok(findings)
    }
}

/// Something that a person must change on the AWS side.
pub fn finding(check: &str, object: &str, reason: String, remedy: String) -> Finding {
    Finding {
        check: check.into(),
        level: Level::Block,
        database: None,
        object: object.into(),
        reason,
        remedy,
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_rds::types::GlobalClusterMember;

    use super::*;
    use crate::testing::{self, Parse};

    #[test]
    fn a_member_of_a_global_cluster_is_known_in_whatever_region_it_is() {
        let cluster: Cluster = testing::cluster("orders").parse();
        let of = |member: GlobalClusterMember| {
            let global = GlobalCluster::builder()
                .global_cluster_identifier("world")
                .global_cluster_members(member)
                .build();
            Ties::of(&cluster.arn, &[global], &[], &[]).findings(&cluster, true)
        };
        let other = "arn:aws:rds:us-east-1:444455556666:cluster:orders";
        let arn = cluster.arn.as_str();
        let writer = GlobalClusterMember::builder().db_cluster_arn(arn).is_writer(true).build();
        let reader = GlobalClusterMember::builder().db_cluster_arn(other).readers(arn).build();
        for member in [writer, reader] {
            let refused = of(member).unwrap_err();
            assert!(refused.name() == "Refused" && refused.to_string().contains("world"), "{refused}");
        }
        assert_eq!(of(GlobalClusterMember::builder().db_cluster_arn(other).build()).unwrap(), []);
    }

    #[test]
    fn both_sides_of_a_deployment_are_tied_and_a_stranger_is_not() {
        let cluster: Cluster = testing::cluster("orders").parse();
        let arn = cluster.arn.as_str();
        let found = |deployment: aws_sdk_rds::types::builders::BlueGreenDeploymentBuilder| {
            let deployment = deployment.blue_green_deployment_identifier("bgd-1").status("AVAILABLE");
            let ties = Ties::of(&cluster.arn, &[], &[deployment.build()], &[]);
            ties.findings(&cluster, false).unwrap().len()
        };
        assert_eq!(found(BlueGreenDeployment::builder().source(arn)), 1);
        assert_eq!(found(BlueGreenDeployment::builder().target(arn)), 1);
        assert_eq!(found(BlueGreenDeployment::builder().source(format!("{arn}-2"))), 0);
    }

    #[test]
    fn an_integration_is_in_the_way_of_a_major_version_only() {
        let cluster: Cluster = testing::cluster("orders").parse();
        let one = Integration::builder().source_arn(cluster.arn.as_str()).integration_arn("arn:x").build();
        let ties = Ties::of(&cluster.arn, &[], &[], &[one]);
        assert_eq!(ties.findings(&cluster, true).unwrap()[0].id(), "zero-etl-integration:arn:x");
        assert_eq!(ties.findings(&cluster, false).unwrap(), []);
    }

    #[test]
    fn babelfish_that_is_off_is_none() {
        let cluster: Cluster = testing::cluster("orders").parse();
        let with = |status: &str| {
            let ties = Ties { babelfish: Some(status.into()), ..Ties::default() };
            ties.findings(&cluster, true).map_err(|error| error.name())
        };
        assert_eq!((with("off"), with("on")), (Ok(Vec::new()), Err("Refused")));
    }
}
