//! `ecs:runTask.waitForTaskToken`:
//! https://docs.aws.amazon.com/step-functions/latest/dg/connect-ecs.html

use serde_json::Value;

use super::{Errors, rename, send_json};
use crate::states::failure::Failure;
use crate::states::flow::Visit;

/// RunTaskRequest in botocore ecs/2014-11-13, in PascalCase.
pub const ARGUMENTS: &[&str] = &[
    "CapacityProviderStrategy",
    "ClientToken",
    "Cluster",
    "Count",
    "EnableECSManagedTags",
    "EnableExecuteCommand",
    "Group",
    "LaunchType",
    "NetworkConfiguration",
    "Overrides",
    "PlacementConstraints",
    "PlacementStrategy",
    "PlatformVersion",
    "PropagateTags",
    "ReferenceId",
    "StartedBy",
    "Tags",
    "TaskDefinition",
    "VolumeConfigurations",
];

/// The errors of RunTask in botocore ecs/2014-11-13.
const ERRORS: Errors = Errors {
    prefix: "ECS",
    service: "AmazonECS",
    generic: "AmazonECSException",
    modelled: &[
        "AccessDeniedException",
        "BlockedException",
        "ClientException",
        "ClusterNotFoundException",
        "ConflictException",
        "InvalidParameterException",
        "PlatformTaskDefinitionIncompatibilityException",
        "PlatformUnknownException",
        "ServerException",
        "UnsupportedFeatureException",
    ],
};

/// The answer, back in PascalCase. Failures inside a successful answer fail the task.
pub async fn run_task(visit: &Visit<'_>, arguments: Value) -> Result<Value, Failure> {
    let body = rename(arguments, char::to_ascii_lowercase);
    let target = "AmazonEC2ContainerServiceV20141113.RunTask";
    let answer = send_json(visit.execution, "ecs", "1.1", target, &body, &ERRORS).await?;
    let answer = rename(answer, char::to_ascii_uppercase);
    match answer["Failures"].as_array() {
        Some(failures) if !failures.is_empty() => {
            Err(Failure::new("ECS.AmazonECSException", answer.to_string()))
        }
        _ => Ok(answer),
    }
}
