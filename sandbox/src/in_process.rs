//! Callers of the local AWS: how the SDK is told of it, and our own code in this process.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, SystemTime},
};

use aws_config::{BehaviorVersion, Region, SdkConfig, timeout::TimeoutConfig};
use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};
use aws_smithy_async::{rt::sleep::TokioSleep, time::TimeSource};
use aws_smithy_runtime_api::client::http::SharedHttpConnector;
use aws_smithy_types::retry::RetryConfig;
use local_aws::{
    aws::REGION,
    client::InProcess,
    ecs,
    gateway::Gateway,
    lambda::{self, FunctionError},
};
use parking_lot::Mutex;
use runbook::{Context, clock::Clock, postgres::Tls};

use crate::{model_workers, outside, sandbox::BUCKET};

/// The SDK's own time, by which it takes the keys of an assumed role for expired.
#[derive(Debug)]
struct Time(Clock);

impl TimeSource for Time {
    fn now(&self) -> SystemTime {
        self.0.now().into()
    }
}

/// With a gateway, requests go to it in this process; else to the URL.
pub fn config(access_key: &str, clock: Clock, url: &str, gateway: Option<&Arc<Gateway>>) -> SdkConfig {
    let config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::new(REGION))
        .credentials_provider(SharedCredentialsProvider::new(Credentials::new(
            access_key, "sandbox", None, None, "sandbox",
        )))
        .retry_config(RetryConfig::standard())
        .timeout_config(TimeoutConfig::builder().operation_attempt_timeout(Duration::from_secs(30)).build())
        .sleep_impl(TokioSleep::new())
        .time_source(Time(clock))
        .endpoint_url(url);
    match gateway {
        Some(gateway) => config.http_client(InProcess(Arc::downgrade(gateway))).build(),
        None => config.build(),
    }
}

/// Our own code, called in this process: the functions whole; of a worker, which speaks SQL, only
/// its answer and its time.
pub fn in_process(
    clock: Clock,
    gateway: &Arc<Gateway>,
    run_buckets: BTreeMap<String, String>,
) -> (lambda::Handler, ecs::Worker) {
    let gateway = Arc::downgrade(gateway);
    let context = move |principal: &str| -> Option<Context> {
        let strong = gateway.upgrade()?;
        let config = config(principal, clock, "http://sandbox.invalid", Some(&strong));
        let bucket = run_buckets.get(principal).map_or(BUCKET, String::as_str);
        let cx = Context::new(&config, clock, bucket.to_owned(), Tls::Disable);
        let cx = cx.with_variables(outside::variables(outside::SENTRY));
        Some(cx.with_connector(SharedHttpConnector::new(InProcess(gateway.clone()))))
    };
    let make = context.clone();
    // A function's environments: one at a time is in each, and one that is free is used again
    // (https://docs.aws.amazon.com/lambda/latest/dg/lambda-concurrency.html).
    let free = Arc::new(Mutex::new(BTreeMap::<String, Vec<Context>>::new()));
    let functions: lambda::Handler = Arc::new(move |name, payload| {
        let (free, make) = (free.clone(), make.clone());
        Box::pin(async move {
            let warm = free.lock().get_mut(&name).and_then(Vec::pop);
            let Some(cx) = warm.or_else(|| make(&name)) else {
                return Err(FunctionError {
                    error_type: "Runtime.ExitError".to_owned(),
                    error_message: "the sandbox has ended".to_owned(),
                });
            };
            let result = functions::handle(&name, &cx, payload).await;
            free.lock().entry(name).or_default().push(cx);
            result.map_err(|error| FunctionError {
                error_type: error.name().to_owned(),
                error_message: error.cause(),
            })
        })
    });
    let workers: ecs::Worker = Arc::new(move |command, environment| {
        let cx = context(command.first().map_or("worker", String::as_str));
        Box::pin(async move {
            let Some(cx) = cx else { return 1 };
            let variable = |name| environment.get(name).cloned().unwrap_or_default();
            let state = command.first().cloned().unwrap_or_default();
            let payload = runbook::worker::payload(&variable("RUN"), &variable("INPUT"));
            let work = model_workers::work(&cx, &state, payload);
            let token = variable("TASK_TOKEN");
            runbook::worker::run(&cx, &token, None, work, std::future::pending()).await.exit_code()
        })
    });
    (functions, workers)
}
