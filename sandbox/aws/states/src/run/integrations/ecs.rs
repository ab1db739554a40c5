//! `ecs:runTask.waitForTaskToken`:
//! https://docs.aws.amazon.com/step-functions/latest/dg/connect-ecs.html

use serde_json::Value;

use super::{Errors, rename, send_json};
use crate::run::failure::Failure;
use crate::run::visit::Visit;

/// The errors of RunTask in botocore ecs/2014-11-13. Any other is the generic one, as a throttled
/// call shows (AllenInstitute/neuron_morphology#151); the prefix is `ECS.`, never `Ecs.`
/// (wellcomecollection/catalogue-pipeline#3554, cdklabs/construct-hub#415).
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

/// The answer, back in PascalCase. "If a non-empty `Failures` field is encountered, the task is
/// failed with an `AmazonECS.Unknown` error" (the page above).
pub async fn run_task(visit: &Visit<'_>, arguments: Value) -> Result<Value, Failure> {
    let body = rename(arguments, char::to_ascii_lowercase);
    let target = "AmazonEC2ContainerServiceV20141113.RunTask";
    let answer = send_json(visit.execution, "ecs", "1.1", target, &body, &ERRORS).await?;
    let answer = rename(answer, char::to_ascii_uppercase);
    match answer["Failures"].as_array() {
        Some(failures) if !failures.is_empty() => Err(Failure::new("AmazonECS.Unknown", answer.to_string())),
        _ => Ok(answer),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::fake::{Fake, service_error, worker};

    #[tokio::test(start_paused = true)]
    async fn the_prefix_of_ecs_is_in_capitals() {
        for (status, code, expected) in [
            (500, "ServerException", "ECS.ServerException"),
            (400, "InvalidParameterException", "ECS.InvalidParameterException"),
            (400, "ThrottlingException", "ECS.AmazonECSException"),
        ] {
            let fake = Fake::new(move |_| async move { service_error(status, code) });
            let run = fake.run(json!({"Work": worker(json!({"End": true}))}), "Work", json!({})).await;
            assert_eq!(run["error"], expected);
            let cause =
                format!("no (Service: AmazonECS; Status Code: {status}; Error Code: {code}; Request ID: ");
            assert!(run["cause"].as_str().unwrap().starts_with(&cause), "{run}");
        }
    }
}
