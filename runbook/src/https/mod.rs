//! How AWS is reached by HTTPS.
//!
//! A function that is started reads and parses every certificate authority of the system before its
//! first answer, once a client: half of its time. AWS's endpoints need five of them. So those are
//! compiled in, and the system's are read when a server's certificate comes from none of the five:
//! a private endpoint behind a proxy of the company, a partition of AWS with other authorities.
//! Then they hold for the rest of the process. `SSL_CERT_FILE` and `SSL_CERT_DIR` name others than
//! the system's (rustls-native-certs).
//!
//! The five are Amazon Trust Services' (https://www.amazontrust.com/repository/), as Mozilla trusts
//! them; a test compares.

use std::{
    error::Error as StdError,
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use aws_smithy_http_client::{
    Builder,
    tls::{Provider, TlsContext, TrustStore, rustls_provider::CryptoMode},
};
use aws_smithy_runtime_api::client::{
    connector_metadata::ConnectorMetadata,
    http::{
        HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
        SharedHttpConnector,
    },
    orchestrator::HttpRequest,
    result::ConnectorError,
    runtime_components::RuntimeComponents,
};
use rustls::CertificateError;

const AMAZON_TRUST_SERVICES: &str = include_str!("amazon_trust_services.pem");

/// One for all clients of a process.
pub fn client() -> anyhow::Result<SharedHttpClient> {
    let amazon = TrustStore::empty().with_pem_certificate(AMAZON_TRUST_SERVICES);
    trusting(amazon, TrustStore::default())
}

fn trusting(first: TrustStore, then: TrustStore) -> anyhow::Result<SharedHttpClient> {
    let client = |store| {
        let context = TlsContext::builder().with_trust_store(store).build()?;
        let provider = Provider::Rustls(CryptoMode::AwsLc);
        anyhow::Ok(Builder::new().tls_provider(provider).tls_context(context).build_https())
    };
    Ok(SharedHttpClient::new(Client {
        first: client(first)?,
        then: client(then)?,
        is_foreign: Arc::new(AtomicBool::new(false)),
    }))
}

#[derive(Debug, Clone)]
struct Client {
    first: SharedHttpClient,
    then: SharedHttpClient,
    /// Whether a server was seen that only the second trust store knows.
    is_foreign: Arc<AtomicBool>,
}

impl HttpClient for Client {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        let (settings, components) = (settings.clone(), components.clone());
        SharedHttpConnector::new(Reached { client: self.clone(), settings, components })
    }

    fn connector_metadata(&self) -> Option<ConnectorMetadata> {
        self.first.connector_metadata()
    }
}

/// The clients keep their connections; what is made of them for a call is cheap, but for the first.
#[derive(Debug)]
struct Reached {
    client: Client,
    settings: HttpConnectorSettings,
    components: RuntimeComponents,
}

impl HttpConnector for Reached {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let Self { client, settings, components } = self;
        if client.is_foreign.load(Ordering::Relaxed) {
            return client.then.http_connector(settings, components).call(request);
        }
        let again = request.try_clone();
        let first = client.first.http_connector(settings, components).call(request);
        let (client, settings, components) = (client.clone(), settings.clone(), components.clone());
        HttpConnectorFuture::new(async move {
            let error = match first.await {
                Err(error) if is_of_nobody_known(&error) => error,
                answer => return answer,
            };
            client.is_foreign.store(true, Ordering::Relaxed);
            // A handshake that failed has sent nothing of the request.
            match again {
                Some(request) => client.then.http_connector(&settings, &components).call(request).await,
                None => Err(error),
            }
        })
    }
}

fn is_of_nobody_known(error: &ConnectorError) -> bool {
    let mut next: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(error) = next {
        if let Some(rustls::Error::InvalidCertificate(why)) = error.downcast_ref() {
            return *why == CertificateError::UnknownIssuer;
        }
        // An io::Error calls what it wraps no source of its own.
        let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        next = match wrapped {
            Some(wrapped) => Some(wrapped),
            None => error.source(),
        };
    }
    false
}

#[cfg(test)]
mod tests;
