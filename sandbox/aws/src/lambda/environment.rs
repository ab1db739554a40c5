//! One execution environment: a process and the Runtime API that it polls
//! (https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html).

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use axum::serve::ListenerExt;
use bytes::Bytes;
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;

use super::invoker::{Outcome, exited, timed_out};

pub struct Environment {
    process: Child,
    server: JoinHandle<()>,
    invocations: mpsc::Sender<Invocation>,
    replies: mpsc::Receiver<Reply>,
}

/// How an invocation ended: the environment can take the next one, or is gone.
pub enum Ended {
    Warm(Outcome),
    Dead(Bytes),
}

struct Invocation {
    id: String,
    payload: Bytes,
    deadline: SystemTime,
}

enum Reply {
    Outcome(Outcome),
    InitError(Bytes),
}

struct Api {
    function_arn: String,
    // The runtime asks for the next invocation before there is one, so this lock is held while it
    // waits; nobody else wants it.
    invocations: tokio::sync::Mutex<mpsc::Receiver<Invocation>>,
    current: Mutex<Option<String>>,
    replies: mpsc::Sender<Reply>,
}

impl Environment {
    pub async fn start(mut command: Command, function_arn: String) -> std::io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let (invocations, receiver) = mpsc::channel(1);
        let (sender, replies) = mpsc::channel(1);
        let api =
            Api { function_arn, invocations: receiver.into(), current: Mutex::default(), replies: sender };
        let router = Router::new()
            .route("/2018-06-01/runtime/invocation/next", get(next))
            .route("/2018-06-01/runtime/invocation/{id}/response", post(response))
            .route("/2018-06-01/runtime/invocation/{id}/error", post(error))
            .route("/2018-06-01/runtime/init/error", post(init_error))
            // The largest response
            // (https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html): 413 beyond
            // it.
            .layer(DefaultBodyLimit::max(6 << 20))
            .with_state(Arc::new(api));
        let process =
            command.env("AWS_LAMBDA_RUNTIME_API", address.to_string()).kill_on_drop(true).spawn()?;
        let listener = listener.tap_io(|stream| {
            let _ = stream.set_nodelay(true);
        });
        let server = tokio::spawn(async move {
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self { process, server, invocations, replies })
    }

    /// The process's id, while it lives.
    pub fn id(&self) -> Option<u32> {
        self.process.id()
    }

    pub fn is_alive(&mut self) -> bool {
        matches!(self.process.try_wait(), Ok(None))
    }

    /// `limit` is the time that the process really gets, `timeout` the one that the function is
    /// configured with.
    pub async fn invoke(
        &mut self,
        id: &str,
        payload: Bytes,
        limit: Duration,
        timeout: Duration,
        kill: &Notify,
    ) -> Ended {
        // The runtime compares the deadline with the system's clock.
        let invocation = Invocation { id: id.into(), payload, deadline: SystemTime::now() + limit };
        if self.invocations.send(invocation).await.is_err() {
            return Ended::Dead(exited(id, "the runtime API is gone"));
        }
        tokio::select! {
            biased;
            Some(reply) = self.replies.recv() => match reply {
                Reply::Outcome(outcome) => Ended::Warm(outcome),
                Reply::InitError(error) => Ended::Dead(error),
            },
            status = self.process.wait() => {
                let status = status.map_or_else(|error| error.to_string(), |status| describe(&status));
                Ended::Dead(exited(id, &status))
            }
            () = kill.notified() => {
                let _ = self.process.kill().await;
                Ended::Dead(exited(id, "signal: killed"))
            }
            () = tokio::time::sleep(limit) => {
                let _ = self.process.kill().await;
                Ended::Dead(timed_out(id, timeout))
            }
        }
    }
}

impl Drop for Environment {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// In the words of Go's `os.ProcessState`, which Lambda uses.
fn describe(status: &std::process::ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt;
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit status {code}"),
        (None, Some(9)) => "signal: killed".into(),
        (None, Some(15)) => "signal: terminated".into(),
        (None, Some(6)) => "signal: aborted".into(),
        (None, Some(11)) => "signal: segmentation fault".into(),
        (None, signal) => format!("signal: {}", signal.unwrap_or_default()),
    }
}

async fn next(State(api): State<Arc<Api>>) -> impl IntoResponse {
    let Some(Invocation { id, payload, deadline }) = api.invocations.lock().await.recv().await else {
        return Err(StatusCode::GONE);
    };
    *api.current.lock().unwrap() = Some(id.clone());
    let deadline = deadline.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_millis();
    let headers = [
        ("content-type", "application/json".into()),
        ("lambda-runtime-aws-request-id", id),
        ("lambda-runtime-deadline-ms", deadline.to_string()),
        ("lambda-runtime-invoked-function-arn", api.function_arn.clone()),
    ];
    Ok((headers, payload))
}

async fn response(State(api): State<Arc<Api>>, Path(id): Path<String>, body: Bytes) -> StatusCode {
    api.finish(&id, Ok(body)).await
}

async fn error(State(api): State<Arc<Api>>, Path(id): Path<String>, body: Bytes) -> StatusCode {
    api.finish(&id, Err(body)).await
}

async fn init_error(State(api): State<Arc<Api>>, body: Bytes) -> StatusCode {
    let _ = api.replies.send(Reply::InitError(body)).await;
    StatusCode::ACCEPTED
}

impl Api {
    async fn finish(&self, id: &str, outcome: Outcome) -> StatusCode {
        let is_current = self.current.lock().unwrap().take_if(|current| current == id).is_some();
        if !is_current {
            return StatusCode::BAD_REQUEST;
        }
        let _ = self.replies.send(Reply::Outcome(outcome)).await;
        StatusCode::ACCEPTED
    }
}
