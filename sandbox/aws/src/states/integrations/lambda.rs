//! `lambda:invoke`: https://docs.aws.amazon.com/step-functions/latest/dg/connect-lambda.html

use serde_json::{Value, json};

use super::{Errors, send};
use crate::states::failure::Failure;
use crate::states::flow::Visit;

/// Invoke has more; a Task here waits for the answer and passes no context of a client.
pub const ARGUMENTS: &[&str] = &["FunctionName", "Payload", "Qualifier"];

/// The errors of Invoke in botocore lambda/2015-03-31.
const ERRORS: Errors = Errors {
    prefix: "Lambda",
    service: "Lambda",
    generic: "AWSLambdaException",
    modelled: &[
        "EC2AccessDeniedException",
        "EC2ThrottledException",
        "EC2UnexpectedException",
        "ENILimitReachedException",
        "InvalidParameterValueException",
        "InvalidRequestContentException",
        "InvalidRuntimeException",
        "InvalidZipFileException",
        "RequestTooLargeException",
        "ResourceConflictException",
        "ResourceNotFoundException",
        "ResourceNotReadyException",
        "ServiceException",
        "TooManyRequestsException",
        "UnsupportedMediaTypeException",
    ],
};

pub async fn invoke(visit: &Visit<'_>, arguments: Value) -> Result<Value, Failure> {
    let name = arguments["FunctionName"]
        .as_str()
        .ok_or_else(|| Failure::runtime("FunctionName must be a string"))?;
    let payload = arguments.get("Payload").cloned().unwrap_or_else(|| json!({}));
    let qualifier = arguments["Qualifier"]
        .as_str()
        .map(|qualifier| format!("?Qualifier={qualifier}"))
        .unwrap_or_default();
    let uri = format!("/2015-03-31/functions/{name}/invocations{qualifier}");
    let request = http::Request::builder().uri(uri).header("content-type", "application/json");
    let response =
        send(visit.execution, "lambda", request, &payload).await.ok_or_else(|| ERRORS.unreachable())?;
    if response.status() != 200 {
        return Err(ERRORS.failure(&response));
    }
    let body: Value = serde_json::from_slice(response.body()).unwrap_or_default();
    if response.headers().contains_key("x-amz-function-error") {
        // A function that died without an error of its own is Lambda.Unknown (page
        // "concepts-error-handling").
        let error = body["errorType"].as_str().unwrap_or("Lambda.Unknown");
        return Err(Failure::new(error, String::from_utf8_lossy(response.body())));
    }
    let version = response
        .headers()
        .get("x-amz-executed-version")
        .and_then(|value| value.to_str().ok())
        .unwrap_or("$LATEST");
    Ok(json!({"ExecutedVersion": version, "Payload": body, "StatusCode": 200}))
}
