//! `bootstrap`: every Lambda function. The function's handler setting (`_HANDLER`) says which state
//! this one is.

use std::sync::Arc;

use lambda_runtime::{Diagnostic, LambdaEvent, Runtime, service_fn};
use runbook::{Context, Error, telemetry};
use serde_json::Value;

/// Step Functions takes `error_type` as the error's name.
#[derive(Debug)]
struct Reply(Error);

impl From<Reply> for Diagnostic {
    fn from(Reply(error): Reply) -> Self {
        Self { error_type: error.name().into(), error_message: error.cause() }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    telemetry::start();
    let handler = std::env::var("_HANDLER").map_err(|_| "Lambda must set _HANDLER")?;
    let cx = Arc::new(Context::from_environment().await?);
    let service = service_fn(move |event: LambdaEvent<Value>| {
        let (handler, cx) = (handler.clone(), cx.clone());
        async move { functions::handle(&handler, &cx, event.payload).await.map_err(Reply) }
    });
    Runtime::new(service).run().await
}
