//! The socket in front of the gateway, for real clients and real processes.

use std::sync::Arc;

use axum::{Router, body::Body, extract::State, serve::ListenerExt};
use bytes::Bytes;
use futures::stream;
use http_body_util::BodyExt;
use tokio::net::TcpListener;

use crate::{
    gateway::{Gateway, Lost},
    http::Endpoint,
};

/// Serves until the task is dropped.
pub fn serve(listener: TcpListener, gateway: Arc<Gateway>) -> tokio::task::JoinHandle<()> {
    let app = Router::new().fallback(answer).with_state(gateway);
    let listener = listener.tap_io(|stream| {
        // A small answer must not wait for the acknowledgement of the one before.
        let _ = stream.set_nodelay(true);
    });
    tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, app).await {
            tracing::error!("the gateway's socket failed: {error}");
        }
    })
}

async fn answer(State(gateway): State<Arc<Gateway>>, request: http::Request<Body>) -> http::Response<Body> {
    let (parts, body) = request.into_parts();
    let Ok(body) = body.collect().await else {
        return http::Response::new(Body::empty());
    };
    let response = gateway.call(http::Request::from_parts(parts, body.to_bytes())).await;
    if response.extensions().get::<Lost>().is_some() {
        // A body that breaks makes the server close the connection in the middle of the answer.
        let broken = stream::once(async { Err::<Bytes, _>(std::io::Error::other("lost")) });
        return http::Response::new(Body::from_stream(broken));
    }
    response.map(Body::from)
}
