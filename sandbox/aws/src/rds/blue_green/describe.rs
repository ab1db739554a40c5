//! DescribeBlueGreenDeployments.

use serde_json::{Value, json};

use super::{Deployment, Member};
use crate::rds::model::{World, stamp};
use crate::rds::paging::{Filters, page};
use crate::rds::query::Input;
use crate::rds::{Answer, Rds, tags};

impl Rds {
    pub(in crate::rds) fn describe_blue_green_deployments(&self, input: &Input) -> Answer {
        let filters = Filters::read(
            input,
            &["blue-green-deployment-identifier", "blue-green-deployment-name", "source", "target"],
        )?;
        let world = self.world();
        let found: Vec<&Deployment> = match input.text("BlueGreenDeploymentIdentifier") {
            Some(id) if !id.is_empty() => vec![world.deployment(id)?],
            _ => world.deployments.values().collect(),
        };
        let described = found.into_iter().map(|deployment| describe(&world, deployment)).filter(|shown| {
            let text = |member: &str| shown[member].as_str().unwrap_or_default();
            filters.allow("blue-green-deployment-identifier", text("BlueGreenDeploymentIdentifier"))
                && filters.allow("blue-green-deployment-name", text("BlueGreenDeploymentName"))
                && filters.allow("source", text("Source"))
                && filters.allow("target", text("Target"))
        });
        page("BlueGreenDeployments", described.collect(), input)
    }
}

pub fn describe(world: &World, deployment: &Deployment) -> Value {
    let details: Vec<Value> =
        deployment.members.iter().map(|member| describe_member(world, deployment, member)).collect();
    let tasks = deployment.tasks.iter().map(|task| json!({"Name": task.name, "Status": task.status}));
    json!({
        "BlueGreenDeploymentIdentifier": deployment.id,
        "BlueGreenDeploymentName": deployment.name,
        "Source": deployment.members[0].source.arn(world),
        "Target": deployment.members[0].target.as_ref().map(|target| target.arn(world)),
        "SwitchoverDetails": details,
        "Tasks": tasks.collect::<Vec<_>>(),
        "Status": deployment.status,
        "StatusDetails": deployment.details,
        "CreateTime": stamp(deployment.created),
        "DeleteTime": deployment.deleted.map(stamp),
        "TagList": tags::describe(&deployment.tags),
    })
}

fn describe_member(world: &World, deployment: &Deployment, member: &Member) -> Value {
    let gone = |part: &super::Part| !part.is_there(world);
    // What becomes of the names that are gone after the switchover, no page says.
    let status = match member {
        _ if !deployment.is_linked() => member.status,
        Member { source, .. } if gone(source) => "MISSING_SOURCE",
        Member { target: Some(target), .. } if gone(target) => "MISSING_TARGET",
        _ => member.status,
    };
    json!({
        "SourceMember": member.source.arn(world),
        "TargetMember": member.target.as_ref().map(|target| target.arn(world)),
        "Status": status,
    })
}
