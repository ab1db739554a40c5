//! Step Functions alone, for tests/foreign/replay_recorded.py: nothing of ours is deployed, and the
//! functions that a task invokes are the caller's, behind a port of this machine.
//!
//!     interpreter <its port> <the functions' port> <speed of the clock>

use std::{collections::BTreeMap, sync::Arc};

use anyhow::Context as _;
use async_trait::async_trait;
use clock::Clock;
use local_aws::{
    gateway::Gateway,
    http::{Endpoint, Request, Response, respond},
    server,
    states::StepFunctions,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::mpsc,
};

/// Hands each request to whoever listens there. A connection a request: no HTTP client is needed.
struct Elsewhere(u16);

impl Elsewhere {
    async fn hand_over(&self, request: &Request) -> anyhow::Result<(u16, Vec<u8>)> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.0)).await?;
        let head = format!(
            "POST {} HTTP/1.0\r\nContent-Length: {}\r\n\r\n",
            request.uri().path(),
            request.body().len()
        );
        stream.write_all(head.as_bytes()).await?;
        stream.write_all(request.body()).await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        let end = answer.windows(4).position(|window| window == b"\r\n\r\n").context("no headers")?;
        let body = answer.split_off(end + 4);
        let head = String::from_utf8_lossy(&answer);
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        Ok((status.context("no status")?, body))
    }
}

#[async_trait]
impl Endpoint for Elsewhere {
    async fn call(&self, request: Request) -> Response {
        match self.hand_over(&request).await {
            // The script's way to say that the function has failed.
            Ok((299, body)) => {
                let mut response = respond(200, "application/json", body);
                let unhandled = http::HeaderValue::from_static("Unhandled");
                response.headers_mut().insert("x-amz-function-error", unhandled);
                response
            }
            Ok((status, body)) => respond(status, "application/json", body),
            Err(error) => respond(500, "text/plain", format!("{error:#}")),
        }
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [port, functions, speed] = arguments.as_slice() else {
        anyhow::bail!("usage: interpreter <port> <port of the functions> <speed>")
    };
    let clock = Clock::scaled(speed.parse()?);
    let gateway = Gateway::new(clock);
    let endpoint: Arc<dyn Endpoint> = gateway.clone();
    let (events, mut announced) = mpsc::unbounded_channel();
    let states = StepFunctions::new(clock, Arc::downgrade(&endpoint), events, 1);
    let functions: Arc<dyn Endpoint> = Arc::new(Elsewhere(functions.parse()?));
    gateway.connect(
        BTreeMap::from([("states", states as Arc<dyn Endpoint>), ("lambda", functions)]),
        Box::new(|_| {}),
    );
    let listener = TcpListener::bind(("127.0.0.1", port.parse::<u16>()?)).await?;
    let serving = server::serve(listener, gateway);
    while announced.recv().await.is_some() {}
    serving.await.context("the server has stopped")
}
