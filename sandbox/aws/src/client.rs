//! The SDK's HTTP client in the model gear: calls the gateway directly, without a socket.

use std::sync::Weak;

use aws_smithy_runtime_api::{
    client::{
        http::{HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector},
        orchestrator::{HttpRequest, HttpResponse},
        result::ConnectorError,
        runtime_components::RuntimeComponents,
    },
    http::StatusCode,
};
use aws_smithy_types::body::SdkBody;
use http_body_util::BodyExt;

use crate::{
    gateway::{Gateway, Lost},
    http::Endpoint,
};

/// Behind the gateway are functions whose clients have one of these.
#[derive(Clone)]
pub struct InProcess(pub Weak<Gateway>);

impl std::fmt::Debug for InProcess {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("InProcess")
    }
}

impl HttpClient for InProcess {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for InProcess {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let gateway = self.0.upgrade();
        HttpConnectorFuture::new(async move {
            let gateway = gateway.ok_or_else(|| ConnectorError::user("the sandbox has ended".into()))?;
            let request = request.try_into_http1x().map_err(|error| ConnectorError::user(error.into()))?;
            let (parts, body) = request.into_parts();
            let body = body.collect().await.map_err(ConnectorError::user)?.to_bytes();
            let response = gateway.call(http::Request::from_parts(parts, body)).await;
            if response.extensions().get::<Lost>().is_some() {
                return Err(ConnectorError::timeout("the answer was lost".into()));
            }
            let (parts, body) = response.into_parts();
            let status = StatusCode::try_from(parts.status.as_u16())
                .map_err(|error| ConnectorError::other(error.into(), None))?;
            let mut answer = HttpResponse::new(status, SdkBody::from(body));
            for (name, value) in &parts.headers {
                answer
                    .headers_mut()
                    .append(name.as_str().to_owned(), value.to_str().unwrap_or_default().to_owned());
            }
            Ok(answer)
        })
    }
}
