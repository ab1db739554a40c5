//! `lambda:invoke`: https://docs.aws.amazon.com/step-functions/latest/dg/connect-lambda.html

use serde_json::{Value, json};

use super::{Errors, send};
use crate::run::failure::Failure;
use crate::run::visit::Visit;

/// The errors of Invoke in botocore lambda/2015-03-31.
const ERRORS: Errors = Errors {
    prefix: "Lambda",
    service: "AWSLambda",
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
    let qualifier = arguments["Qualifier"]
        .as_str()
        .map(|qualifier| format!("?Qualifier={qualifier}"))
        .unwrap_or_default();
    let uri = format!("/2015-03-31/functions/{name}/invocations{qualifier}");
    let mut request = http::Request::builder().uri(uri).header("content-type", "application/json");
    if let Some(log_type) = arguments["LogType"].as_str() {
        request = request.header("x-amz-log-type", log_type);
    }
    let response = send(visit.execution, "lambda", request, payload(&arguments["Payload"]))
        .await
        .ok_or_else(|| ERRORS.unreachable())?;
    if response.status() != 200 {
        return Err(ERRORS.failure(&response));
    }
    let body: Result<Value, _> = serde_json::from_slice(response.body());
    let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok());
    if header("x-amz-function-error").is_some() {
        // A function that died without an error of its own is Lambda.Unknown (page
        // "concepts-error-handling").
        let error = body.ok().and_then(|body| body["errorType"].as_str().map(str::to_owned));
        let error = error.unwrap_or_else(|| "Lambda.Unknown".to_owned());
        return Err(Failure::new(error, String::from_utf8_lossy(response.body())));
    }
    // What the service makes of it is in no page: here it is a task that failed, never null.
    let body = body.map_err(|error| {
        let answer = String::from_utf8_lossy(response.body());
        let start: String = answer.chars().take(200).collect();
        Failure::new("States.TaskFailed", format!("The function's answer is not JSON ({error}): {start}"))
    })?;
    let version = header("x-amz-executed-version").unwrap_or("$LATEST");
    let mut output = json!({"ExecutedVersion": version, "Payload": body, "StatusCode": 200});
    if let Some(log) = header("x-amz-log-result") {
        output["LogResult"] = log.into();
    }
    Ok(output)
}

/// A string is sent as it is, without quotes; null as `{}` (localstack/localstack,
/// v2/services/test_lambda_task_service.snapshot.json, test_invoke_bytes_payload and test_invoke).
fn payload(payload: &Value) -> String {
    match payload {
        Value::Null => "{}".into(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::fake::{Fake, invoke, ok};
    use endpoint::http::respond;

    #[tokio::test(start_paused = true)]
    async fn a_string_is_sent_raw_and_null_as_an_empty_object() {
        let fake = Fake::new(|call| async move { ok(call.body) });
        let payloads = [json!("{\"a\":1}"), Value::Null, json!([1]), json!("\"text\"")];
        let sent = [json!({"a": 1}), json!({}), json!([1]), json!("text")];
        for (payload, sent) in payloads.into_iter().zip(sent) {
            let look =
                invoke(json!({"End": true, "Arguments": {"FunctionName": "look", "Payload": payload}}));
            let machine =
                fake.create(&format!("m{}", fake.calls().len()), json!({"Look": look}), "Look").await;
            let answer = fake.api("StartExecution", json!({"stateMachineArn": machine})).await;
            assert_eq!(
                fake.finish(answer["executionArn"].as_str().unwrap()).await["output"],
                sent.to_string()
            );
        }
        let look = invoke(json!({"End": true, "Arguments": {"FunctionName": "look"}}));
        let machine = fake.create("none", json!({"Look": look}), "Look").await;
        let answer = fake.api("StartExecution", json!({"stateMachineArn": machine})).await;
        assert_eq!(fake.finish(answer["executionArn"].as_str().unwrap()).await["output"], "{}");
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_is_no_json_fails_the_task() {
        let fake = Fake::new(|_| async { respond(200, "application/json", "<html>") });
        let catch = json!([{"ErrorEquals": ["States.ALL"], "Next": "Caught"}]);
        let states =
            json!({"Look": invoke(json!({"End": true, "Catch": catch})), "Caught": {"Type": "Succeed"}});
        let run = fake.run(states, "Look", json!({})).await;
        let output: Value = serde_json::from_str(run["output"].as_str().unwrap()).unwrap();
        assert_eq!(output["Error"], "States.TaskFailed");
        assert!(output["Cause"].as_str().unwrap().contains("is not JSON"), "{output}");
        let types = fake.event_types(run["executionArn"].as_str().unwrap()).await;
        assert!(types.contains(&"TaskFailed".to_owned()), "{types:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn the_log_is_in_the_result_when_it_is_asked_for() {
        let fake = Fake::new(|_| async {
            let mut response = ok(json!({}));
            response.headers_mut().insert("x-amz-log-result", "bG9n".parse().unwrap());
            response
        });
        let look = invoke(json!({"End": true, "Arguments": {"FunctionName": "look", "LogType": "Tail"},
            "Output": "{% $states.result.LogResult %}"}));
        assert_eq!(fake.run(json!({"Look": look}), "Look", json!({})).await["output"], "\"bG9n\"");
    }
}
