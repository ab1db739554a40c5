//! For the tests of this module: a gateway whose Lambda, ECS and EventBridge are one closure, in
//! virtual time.

use std::future::Future;
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use clock::Clock;
use futures::FutureExt;
use futures::future::BoxFuture;
use jiff::Timestamp;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::sync::mpsc::UnboundedReceiver;

use super::StepFunctions;
use endpoint::http::{Caller, Endpoint, Request, Response, respond};

pub const ROLE: &str = "arn:aws:iam::444455556666:role/runbook";

/// A request that a Task sent.
#[derive(Debug, Clone)]
pub struct Call {
    pub at: f64,
    /// The path of a Lambda invocation, the target of a JSON call.
    pub target: String,
    pub body: Value,
}

type Handler = Box<dyn Fn(Call) -> BoxFuture<'static, Response> + Send + Sync>;

pub struct Gateway {
    clock: Clock,
    handler: Handler,
    calls: Mutex<Vec<Call>>,
    states: OnceLock<Weak<StepFunctions>>,
}

pub struct Fake {
    pub clock: Clock,
    pub gateway: Arc<Gateway>,
    pub states: Arc<StepFunctions>,
    pub events: UnboundedReceiver<Value>,
}

#[async_trait]
impl Endpoint for Gateway {
    async fn call(&self, request: Request) -> Response {
        let caller = request.extensions().get::<Caller>().expect("every request says who calls").clone();
        if caller.service == "states" {
            let states = self.states.get().and_then(Weak::upgrade).expect("the service is there");
            return states.call(request).await;
        }
        assert_eq!((caller.principal.as_str(), caller.region.as_str()), ("states", "eu-west-1"));
        let target = request
            .headers()
            .get("x-amz-target")
            .map_or(request.uri().path(), |target| target.to_str().unwrap())
            .to_owned();
        // Lambda's payload is what the caller makes it.
        let body = serde_json::from_slice(request.body())
            .unwrap_or_else(|_| String::from_utf8_lossy(request.body()).into());
        let call = Call { at: elapsed(self.clock), target, body };
        self.calls.lock().push(call.clone());
        (self.handler)(call).await
    }
}

impl Fake {
    pub fn new<F: Future<Output = Response> + Send + 'static>(
        handler: impl Fn(Call) -> F + Send + Sync + 'static,
    ) -> Self {
        Self::seeded(1, handler)
    }

    pub fn seeded<F: Future<Output = Response> + Send + 'static>(
        seed: u64,
        handler: impl Fn(Call) -> F + Send + Sync + 'static,
    ) -> Self {
        let clock = Clock::virtual_time(Timestamp::UNIX_EPOCH);
        let handler: Handler = Box::new(move |call| handler(call).boxed());
        let gateway = Arc::new(Gateway { clock, handler, calls: Mutex::default(), states: OnceLock::new() });
        let endpoint: Arc<dyn Endpoint> = gateway.clone();
        let (sender, events) = tokio::sync::mpsc::unbounded_channel();
        let states = StepFunctions::new(clock, Arc::downgrade(&endpoint), sender, seed);
        gateway.states.set(Arc::downgrade(&states)).unwrap();
        Self { clock, gateway, states, events }
    }

    /// A machine that calls nothing.
    pub fn alone() -> Self {
        Self::new(|call| async move { panic!("nothing is called, found {call:?}") })
    }

    /// The answer of an action, an error as `{"__type", "message"}`.
    pub async fn api(&self, action: &str, body: Value) -> Value {
        let request = http::Request::builder().header("x-amz-target", format!("AWSStepFunctions.{action}"));
        let response = self.states.call(request.body(Bytes::from(body.to_string())).unwrap()).await;
        let answer: Value = serde_json::from_slice(response.body()).unwrap();
        assert_eq!(response.status() == 200, answer.get("__type").is_none());
        answer
    }

    pub async fn create(&self, name: &str, states: Value, start_at: &str) -> String {
        self.create_machine(name, json!({"QueryLanguage": "JSONata", "StartAt": start_at, "States": states}))
            .await
    }

    pub async fn create_machine(&self, name: &str, definition: Value) -> String {
        let answer = self
            .api(
                "CreateStateMachine",
                json!({"name": name, "roleArn": ROLE, "definition": definition.to_string()}),
            )
            .await;
        answer["stateMachineArn"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
    }

    /// Starts a machine made of these states.
    pub async fn start(&self, states: Value, start_at: &str, input: Value) -> String {
        let machine = self.create("machine", states, start_at).await;
        let answer = self
            .api(
                "StartExecution",
                json!({"stateMachineArn": machine, "name": "run", "input": input.to_string()}),
            )
            .await;
        answer["executionArn"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
    }

    /// Runs a machine made of these states to its end: the description of the execution.
    pub async fn run(&self, states: Value, start_at: &str, input: Value) -> Value {
        let arn = self.start(states, start_at, input).await;
        self.finish(&arn).await
    }

    pub async fn finish(&self, arn: &str) -> Value {
        self.states
            .execution(arn)
            .unwrap_or_else(|| panic!("no execution {arn}"))
            .wait_until_finished()
            .await;
        self.api("DescribeExecution", json!({"executionArn": arn})).await
    }

    pub async fn history(&self, arn: &str) -> Vec<Value> {
        let answer = self.api("GetExecutionHistory", json!({"executionArn": arn, "maxResults": 1000})).await;
        answer["events"].as_array().unwrap().clone()
    }

    pub async fn event_types(&self, arn: &str) -> Vec<String> {
        self.history(arn).await.iter().map(|event| event["type"].as_str().unwrap().to_owned()).collect()
    }

    /// The history as `<id> <- <the event before> <type>`.
    pub async fn trail(&self, arn: &str) -> Vec<String> {
        let line = |event: &Value| {
            let kind = event["type"].as_str().unwrap();
            format!("{} <- {} {kind}", event["id"], event["previousEventId"])
        };
        self.history(arn).await.iter().map(line).collect()
    }

    pub async fn sleep(&self, seconds: u64) {
        self.clock.sleep(Duration::from_secs(seconds)).await;
    }

    /// Seconds since the beginning.
    pub fn elapsed(&self) -> f64 {
        elapsed(self.clock)
    }

    pub fn calls(&self) -> Vec<Call> {
        self.gateway.calls.lock().clone()
    }

    /// The token that the nth RunTask call carried as the variable TASK_TOKEN.
    pub fn token(&self, nth: usize) -> String {
        self.calls()[nth].body["overrides"]["containerOverrides"][0]["environment"][0]["value"]
            .as_str()
            .unwrap()
            .to_owned()
    }
}

fn elapsed(clock: Clock) -> f64 {
    clock.now().as_millisecond() as f64 / 1000.0
}

pub fn ok(body: Value) -> Response {
    respond(200, "application/json", body.to_string())
}

pub fn function_error(error_type: &str, message: &str) -> Response {
    let mut response = ok(json!({"errorType": error_type, "errorMessage": message}));
    response.headers_mut().insert("x-amz-function-error", "Unhandled".parse().unwrap());
    response
}

pub fn service_error(status: u16, code: &str) -> Response {
    let mut response = respond(status, "application/json", json!({"message": "no"}).to_string());
    response.headers_mut().insert("x-amzn-errortype", code.parse().unwrap());
    response
}

/// A Task that invokes a function; `more` is laid over it.
pub fn invoke(more: Value) -> Value {
    let task = json!({
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke",
        "Arguments": {"FunctionName": "look", "Payload": "{% $states.input %}"},
        "Output": "{% $states.result.Payload %}",
    });
    over(task, more)
}

/// A Task that starts a worker and waits for its token.
pub fn worker(more: Value) -> Value {
    let token = json!({"Name": "TASK_TOKEN", "Value": "{% $states.context.Task.Token %}"});
    let task = json!({
        "Type": "Task",
        "Resource": "arn:aws:states:::ecs:runTask.waitForTaskToken",
        "Arguments": {"TaskDefinition": "worker", "Overrides": {"ContainerOverrides": [{"Name": "worker",
            "Environment": [token]}]}},
    });
    over(task, more)
}

fn over(mut task: Value, more: Value) -> Value {
    for (field, value) in more.as_object().unwrap() {
        task[field] = value.clone();
    }
    task
}
