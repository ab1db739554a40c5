use std::path::{Path, PathBuf};

use super::*;

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("sandbox-lambda-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn processes(folder: &Folder, environment: &[(&str, &str)]) -> Arc<Lambda> {
    let processes = Processes {
        executable: Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lambda/bootstrap.py"),
        gateway_url: "http://127.0.0.1:1".into(),
        environment: environment.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect(),
        log_folder: folder.0.clone(),
    };
    Lambda::new(
        Clock::scaled(60.0),
        Functions::new("aurora-runbooks", ["take-snapshot", "run"]),
        Runtime::Processes(processes),
    )
}

async fn post(lambda: &Lambda, function: &str, invocation_type: &str, event: Value) -> Response {
    let uri = format!("/2015-03-31/functions/{function}/invocations");
    let request = http::Request::post(uri)
        .header("x-amz-invocation-type", invocation_type)
        .body(event.to_string().into())
        .unwrap();
    lambda.call(request).await
}

/// The status, the function error, and the body.
async fn invoke(lambda: &Lambda, event: Value) -> (u16, Option<String>, Value) {
    let response = post(lambda, "aurora-runbooks-take-snapshot", "RequestResponse", event).await;
    let error =
        response.headers().get("x-amz-function-error").map(|value| value.to_str().unwrap().to_owned());
    (response.status().as_u16(), error, serde_json::from_slice(response.body()).unwrap())
}

fn log(path: &Path) -> Value {
    let text = std::fs::read_to_string(path).unwrap();
    serde_json::from_str(text.lines().next().unwrap()).unwrap()
}

async fn until(mut condition: impl FnMut() -> bool) {
    for _ in 0..500 {
        if condition() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("waited in vain");
}

#[tokio::test]
async fn a_process_is_kept_warm_and_knows_who_it_is() {
    let folder = Folder::new("warm");
    let lambda = processes(&folder, &[("RUN_BUCKET", "runs")]);
    let (status, error, first) = invoke(&lambda, json!({ "cluster": "orders" })).await;
    assert_eq!((status, error), (200, None));
    assert_eq!(first["event"], json!({ "cluster": "orders" }));
    assert_eq!(first["arn"], "arn:aws:lambda:eu-west-1:444455556666:function:aurora-runbooks-take-snapshot");
    let (_, _, second) = invoke(&lambda, json!({})).await;
    assert_eq!((&second["pid"], &second["count"]), (&first["pid"], &json!(2)));

    let environment = log(&folder.0.join("take-snapshot.log"));
    assert_eq!(environment["_HANDLER"], "take-snapshot");
    assert_eq!(environment["AWS_LAMBDA_FUNCTION_NAME"], "aurora-runbooks-take-snapshot");
    assert_eq!(environment["AWS_ACCESS_KEY_ID"], "take-snapshot");
    assert_eq!(environment["RUN_BUCKET"], "runs");
    assert!(environment["RUNBOOK_CLOCK"].as_str().unwrap().ends_with("@60"));
    assert_eq!(environment["HOME"], Value::Null, "nothing of this process's environment is handed on");
}

#[tokio::test]
async fn concurrent_invocations_have_a_process_each() {
    let folder = Folder::new("concurrent");
    let lambda = processes(&folder, &[]);
    let event = json!({ "do": "sleep", "seconds": 1 });
    let ((_, _, one), (_, _, two)) = tokio::join!(invoke(&lambda, event.clone()), invoke(&lambda, event));
    assert_ne!(one["pid"], two["pid"]);
}

#[tokio::test]
async fn an_error_of_the_function_is_handed_on_and_its_process_lives() {
    let folder = Folder::new("error");
    let lambda = processes(&folder, &[]);
    let (status, error, body) = invoke(&lambda, json!({ "do": "error" })).await;
    assert_eq!((status, error.as_deref()), (200, Some("Unhandled")));
    assert_eq!(body, json!({ "errorType": "NotReady", "errorMessage": "later" }));
    assert_eq!(invoke(&lambda, json!({})).await.2["count"], 2);
}

#[tokio::test]
async fn a_killed_process_is_an_exit_error_and_the_next_invocation_starts_another() {
    let folder = Folder::new("kill");
    let lambda = processes(&folder, &[]);
    assert!(!lambda.kill("take-snapshot"), "there is none yet");
    let (_, _, first) = invoke(&lambda, json!({})).await;
    let killer = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        lambda.kill("take-snapshot")
    };
    let ((_, error, body), killed) =
        tokio::join!(invoke(&lambda, json!({ "do": "sleep", "seconds": 60 })), killer);
    assert!(killed);
    assert_eq!((error.as_deref(), &body["errorType"]), (Some("Unhandled"), &json!("Runtime.ExitError")));
    let message = body["errorMessage"].as_str().unwrap();
    assert!(
        message.starts_with("RequestId: ")
            && message.ends_with(" Error: Runtime exited with error: signal: killed"),
        "{message}"
    );
    let (_, _, next) = invoke(&lambda, json!({})).await;
    assert_ne!(next["pid"], first["pid"]);

    let (_, _, body) = invoke(&lambda, json!({ "do": "exit" })).await;
    assert!(body["errorMessage"].as_str().unwrap().ends_with("exit status 3"), "{body}");
    invoke(&lambda, json!({})).await;
    assert!(lambda.kill("take-snapshot"), "an idle one dies as well");
    assert_eq!(invoke(&lambda, json!({})).await.2["count"], 1);
}

#[tokio::test]
async fn a_function_that_cannot_start_says_so() {
    let folder = Folder::new("init");
    let (_, _, body) = invoke(&processes(&folder, &[("FAIL_INIT", "1")]), json!({})).await;
    assert_eq!(body, json!({ "errorType": "Init", "errorMessage": "no" }));
    let (_, error, body) = invoke(&processes(&folder, &[("PATH", "/nowhere")]), json!({})).await;
    assert_eq!((error.as_deref(), &body["errorType"]), (Some("Unhandled"), &json!("Runtime.ExitError")));
}

#[tokio::test]
async fn functions_are_found_by_name_and_arn_and_others_are_not_found() {
    let handler: Handler = Arc::new(|name, event| Box::pin(async move { Ok(json!([name, event])) }));
    let lambda =
        Lambda::new(Clock::System, Functions::new("aurora-runbooks", ["run"]), Runtime::InProcess(handler));
    let arn = "arn%3Aaws%3Alambda%3Aeu-west-1%3A444455556666%3Afunction%3Aaurora-runbooks-run%3A%24LATEST";
    for function in ["aurora-runbooks-run", arn, "444455556666:function:aurora-runbooks-run"] {
        let response = post(&lambda, function, "RequestResponse", json!(1)).await;
        assert_eq!(response.body(), r#"["run",1]"#, "{function}");
        assert_eq!(response.headers()["x-amz-executed-version"], "$LATEST");
    }
    for function in ["aurora-runbooks-walk", "run", "other-run"] {
        let response = post(&lambda, function, "RequestResponse", json!(1)).await;
        assert_eq!(response.status(), 404, "{function}");
        assert_eq!(response.headers()["x-amzn-errortype"], "ResourceNotFoundException");
    }
    let list = lambda.call(http::Request::get("/2015-03-31/functions/").body(Bytes::new()).unwrap()).await;
    let list: Value = serde_json::from_slice(list.body()).unwrap();
    assert_eq!(list["Functions"][0]["FunctionName"], "aurora-runbooks-run");
}

fn counting(
    answers: impl Fn(usize) -> Result<Value, FunctionError> + Send + Sync + 'static,
) -> (Handler, Arc<std::sync::Mutex<Vec<i64>>>) {
    let clock = Clock::virtual_time(jiff::Timestamp::UNIX_EPOCH);
    let calls = Arc::new(std::sync::Mutex::new(Vec::new()));
    let (log, answers) = (calls.clone(), Arc::new(answers));
    let handler: Handler = Arc::new(move |_, _| {
        log.lock().unwrap().push(clock.now().as_second());
        let answer = answers(log.lock().unwrap().len());
        Box::pin(async move { answer })
    });
    (handler, calls)
}

#[tokio::test(start_paused = true)]
async fn an_asynchronous_invocation_is_tried_again_after_one_and_two_minutes() {
    let error = FunctionError { error_type: "NotReady".into(), error_message: "later".into() };
    let (handler, calls) = counting(move |_| Err(error.clone()));
    let clock = Clock::virtual_time(jiff::Timestamp::UNIX_EPOCH);
    let lambda = Lambda::new(clock, Functions::new("a", ["run"]), Runtime::InProcess(handler));
    assert_eq!(post(&lambda, "a-run", "Event", json!({})).await.status(), 202);
    clock.sleep(Duration::from_secs(3600)).await;
    assert_eq!(*calls.lock().unwrap(), [0, 60, 180]);
}

#[tokio::test(start_paused = true)]
async fn a_function_that_takes_too_long_is_stopped() {
    let handler: Handler = Arc::new(|_, _| Box::pin(std::future::pending()));
    let lambda = Lambda::new(
        Clock::virtual_time(jiff::Timestamp::UNIX_EPOCH),
        Functions::new("a", ["run"]),
        Runtime::InProcess(handler),
    );
    let response = post(&lambda, "a-run", "RequestResponse", json!({})).await;
    let body: Value = serde_json::from_slice(response.body()).unwrap();
    assert_eq!(body["errorType"], "Sandbox.Timedout");
    assert!(body["errorMessage"].as_str().unwrap().ends_with("Task timed out after 60.00 seconds"), "{body}");
}

#[tokio::test]
async fn one_invocation_too_many_is_throttled_and_a_function_outlives_its_caller() {
    let (started, release) =
        (Arc::new(tokio::sync::Semaphore::new(0)), Arc::new(tokio::sync::Semaphore::new(0)));
    let finished = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let (start, wait, finish) = (started.clone(), release.clone(), finished.clone());
    let handler: Handler = Arc::new(move |_, _| {
        let (start, wait, finish) = (start.clone(), wait.clone(), finish.clone());
        Box::pin(async move {
            start.add_permits(1);
            let _ = wait.acquire().await;
            finish.store(true, std::sync::atomic::Ordering::SeqCst);
            Ok(json!({}))
        })
    });
    let functions = Functions { concurrency: 1, ..Functions::new("a", ["run"]) };
    let lambda = Lambda::new(Clock::System, functions, Runtime::InProcess(handler));
    let caller = {
        let lambda = lambda.clone();
        tokio::spawn(async move { post(&lambda, "a-run", "RequestResponse", json!({})).await })
    };
    let _ = started.acquire().await;
    let throttled = post(&lambda, "a-run", "RequestResponse", json!({})).await;
    assert_eq!(throttled.status(), 429);
    assert_eq!(throttled.headers()["x-amzn-errortype"], "TooManyRequestsException");
    caller.abort();
    let _ = caller.await;
    release.add_permits(1);
    until(|| finished.load(std::sync::atomic::Ordering::SeqCst)).await;
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_panics_or_is_killed_is_an_exit_error() {
    let clock = Clock::virtual_time(jiff::Timestamp::UNIX_EPOCH);
    let handler: Handler = Arc::new(move |_, event| {
        Box::pin(async move {
            assert_ne!(event["do"], "panic", "boom");
            std::future::pending().await
        })
    });
    let lambda =
        Lambda::new(clock, Functions::new("aurora-runbooks", ["take-snapshot"]), Runtime::InProcess(handler));
    let (_, error, body) = invoke(&lambda, json!({ "do": "panic" })).await;
    assert_eq!((error.as_deref(), &body["errorType"]), (Some("Unhandled"), &json!("Runtime.ExitError")));
    assert!(!lambda.kill("take-snapshot"), "nothing runs any more");
    let killer = async {
        clock.sleep(Duration::from_secs(5)).await;
        lambda.kill("take-snapshot")
    };
    let ((_, _, body), killed) = tokio::join!(invoke(&lambda, json!({})), killer);
    assert!(killed && body["errorMessage"].as_str().unwrap().ends_with("signal: killed"), "{body}");
}
