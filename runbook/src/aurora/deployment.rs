//! A Blue/Green deployment, as RDS shows it. Its statuses are strings of the model (botocore rds
//! 2014-10-31, BlueGreenDeployment), and names of its members are never computed: each has a random
//! suffix of its own.

use std::fmt::{self, Display};

use aws_sdk_rds::{
    primitives::DateTime,
    types::{BlueGreenDeployment, Event, Filter, SourceType},
};
use jiff::Timestamp;

use super::{Cluster, Fault, Tags};
use crate::{Context, Error, Result, error::aws};

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Phase {
    Provisioning,
    Available,
    Switching,
    Switched,
    /// No way back from it: it is deleted and made again.
    Invalid,
    /// The switchover was rolled back.
    NotSwitched,
    Deleting,
    Other(String),
}

#[derive(Debug, Clone, PartialEq)]
pub struct Deployment {
    pub id: String,
    pub name: String,
    /// The ARN of blue; of `…-old1` after the switchover.
    pub source: String,
    /// The ARN of green, once there is one; of production after the switchover.
    pub target: Option<String>,
    pub phase: Phase,
    /// Why, in RDS's words.
    pub details: Option<String>,
    pub members: Vec<Member>,
    pub tags: Tags,
    pub shown: BlueGreenDeployment,
}

/// The cluster or an instance of it, on both sides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    pub source: String,
    pub target: Option<String>,
    pub phase: Phase,
}

impl Phase {
    fn parse(text: Option<&str>) -> Self {
        match text.unwrap_or("unknown") {
            "PROVISIONING" => Self::Provisioning,
            "AVAILABLE" => Self::Available,
            "SWITCHOVER_IN_PROGRESS" => Self::Switching,
            "SWITCHOVER_COMPLETED" => Self::Switched,
            "INVALID_CONFIGURATION" => Self::Invalid,
            "SWITCHOVER_FAILED" => Self::NotSwitched,
            "DELETING" => Self::Deleting,
            other => Self::Other(other.to_owned()),
        }
    }
}

impl Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Provisioning => "PROVISIONING",
            Self::Available => "AVAILABLE",
            Self::Switching => "SWITCHOVER_IN_PROGRESS",
            Self::Switched => "SWITCHOVER_COMPLETED",
            Self::Invalid => "INVALID_CONFIGURATION",
            Self::NotSwitched => "SWITCHOVER_FAILED",
            Self::Deleting => "DELETING",
            Self::Other(other) => other,
        })
    }
}

impl Deployment {
    pub fn parse(shown: BlueGreenDeployment) -> Result<Self> {
        let text = |value: Option<&str>, what: &str| {
            let value = value.filter(|value| !value.is_empty()).map(str::to_owned);
            value
                .ok_or_else(|| Error::unexpected(format!("RDS shows a Blue/Green deployment without {what}")))
        };
        let members = shown.switchover_details().iter().filter_map(|member| {
            Some(Member {
                source: member.source_member()?.to_owned(),
                target: member.target_member().filter(|arn| !arn.is_empty()).map(str::to_owned),
                phase: Phase::parse(member.status()),
            })
        });
        Ok(Self {
            id: text(shown.blue_green_deployment_identifier(), "BlueGreenDeploymentIdentifier")?,
            name: text(shown.blue_green_deployment_name(), "BlueGreenDeploymentName")?,
            source: text(shown.source(), "Source")?,
            target: shown.target().filter(|arn| !arn.is_empty()).map(str::to_owned),
            phase: Phase::parse(shown.status()),
            details: shown.status_details().filter(|text| !text.is_empty()).map(str::to_owned),
            members: members.collect(),
            tags: shown.tag_list().into(),
            shown,
        })
    }

    /// What a person types to go back before the switchover: green goes, blue was never touched.
    pub fn delete(&self) -> String {
        format!(
            "aws rds delete-blue-green-deployment --blue-green-deployment-identifier {} --delete-target",
            self.id
        )
    }
}

/// The identifier at the end of the ARN of a cluster or an instance.
pub fn identifier(arn: &str) -> &str {
    arn.rsplit(':').next().unwrap_or(arn)
}

/// `None` only when RDS says that there is none.
pub async fn find_deployment(cx: &Context, id: &str) -> Result<Option<Deployment>> {
    match cx.rds.describe_blue_green_deployments().blue_green_deployment_identifier(id).send().await {
        Ok(answer) => {
            answer.blue_green_deployments.into_iter().flatten().next().map(Deployment::parse).transpose()
        }
        Err(error) if Fault::of(&error) == Some(Fault::BlueGreenDeploymentNotFoundFault) => Ok(None),
        Err(error) => Err(aws("rds:DescribeBlueGreenDeployments")(error)),
    }
}

/// A name is of one in the account and Region.
pub async fn deployment_named(cx: &Context, name: &str) -> Result<Option<Deployment>> {
    let found = filtered(cx, "blue-green-deployment-name", name).await?;
    Ok(found.into_iter().find(|deployment| deployment.name == name))
}

/// The one by whose switchover a cluster has come to its name: after it, production is the target.
pub async fn deployment_that_led_to(cx: &Context, cluster: &Cluster) -> Result<Option<Deployment>> {
    let found = filtered(cx, "target", cluster.arn.as_str()).await?;
    let is_it = |deployment: &Deployment| deployment.target.as_deref() == Some(cluster.arn.as_str());
    Ok(found.into_iter().find(is_it))
}

async fn filtered(cx: &Context, filter: &str, value: &str) -> Result<Vec<Deployment>> {
    let filter = Filter::builder().name(filter).values(value).build();
    let request = cx.rds.describe_blue_green_deployments().filters(filter);
    let found: Vec<_> = request
        .into_paginator()
        .items()
        .send()
        .try_collect()
        .await
        .map_err(aws("rds:DescribeBlueGreenDeployments"))?;
    found.into_iter().map(Deployment::parse).collect()
}

/// What RDS says of it since then: its details and its events. Events are best effort: they
/// explain, and decide nothing.
pub async fn said_of(cx: &Context, deployment: &Deployment, since: Timestamp) -> Result<Vec<String>> {
    let date = |at: Timestamp| DateTime::from_millis(at.as_millisecond());
    // Whether they are listed by the identifier, the name or the ARN is not documented.
    let request = cx.rds.describe_events().source_type(SourceType::BlueGreenDeployment);
    let request = request.start_time(date(since)).end_time(date(cx.clock.now()));
    let events: Vec<_> =
        request.into_paginator().items().send().try_collect().await.map_err(aws("rds:DescribeEvents"))?;
    let of_it = |event: &&Event| {
        let named =
            event.source_identifier().is_some_and(|id| [&*deployment.id, &*deployment.name].contains(&id));
        named || event.source_arn().is_some_and(|arn| arn.ends_with(&deployment.id))
    };
    let mut said: Vec<String> = deployment.details.iter().cloned().collect();
    said.extend(events.iter().filter(of_it).filter_map(|event| event.message().map(str::to_owned)));
    said.dedup();
    Ok(said)
}

impl Deployment {
    /// When it was begun.
    pub fn created(&self) -> Timestamp {
        let at = self.shown.create_time().and_then(|at| at.to_millis().ok());
        at.and_then(|at| Timestamp::from_millisecond(at).ok()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_rds::types::SwitchoverDetail;

    use super::*;

    #[test]
    fn what_identifies_a_deployment_is_there_and_green_may_not_be_yet() {
        let whole = BlueGreenDeployment::builder()
            .blue_green_deployment_identifier("bgd-1")
            .blue_green_deployment_name("orders-18-4")
            .source("arn:aws:rds:eu-west-1:444455556666:cluster:orders")
            .switchover_details(SwitchoverDetail::builder().source_member("arn:a").build());
        let young = Deployment::parse(whole.clone().status("PROVISIONING").build()).unwrap();
        assert_eq!((young.target, young.phase), (None, Phase::Provisioning));
        assert_eq!(young.members[0].phase, Phase::Other("unknown".into()));
        assert!(Deployment::parse(whole.set_source(None).build()).is_err());
    }
}
