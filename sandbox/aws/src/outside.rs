//! The internet beside AWS: the HTTPS services that API destinations and functions call, by host.

use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::Mutex;

use crate::http::{Endpoint, Request, Response, respond};

struct Service {
    host: String,
    /// What its paths begin with: who calls it at the gateway's address is known by that.
    path: String,
    endpoint: Arc<dyn Endpoint>,
}

#[derive(Default)]
pub struct Outside(Mutex<Vec<Service>>);

impl Outside {
    pub fn connect(&self, host: &str, path: &str, endpoint: Arc<dyn Endpoint>) {
        self.0.lock().push(Service { host: host.to_owned(), path: path.to_owned(), endpoint });
    }

    pub fn knows(&self, request: &Request) -> bool {
        self.find(request).is_some()
    }

    fn find(&self, request: &Request) -> Option<Arc<dyn Endpoint>> {
        let services = self.0.lock();
        let uri = request.uri();
        let by_host = services.iter().find(|service| uri.host() == Some(&service.host));
        let by_path = || services.iter().find(|service| uri.path().starts_with(&service.path));
        by_host.or_else(by_path).map(|service| service.endpoint.clone())
    }
}

#[async_trait]
impl Endpoint for Outside {
    async fn call(&self, request: Request) -> Response {
        match self.find(&request) {
            Some(service) => service.call(request).await,
            None => respond(503, "text/plain", format!("nothing answers at {}", request.uri())),
        }
    }
}
