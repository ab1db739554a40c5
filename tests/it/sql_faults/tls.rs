//! A server whose certificate is of another authority, or for another host.

use std::sync::Arc;

use rcgen::{CertificateParams, CertifiedIssuer, KeyPair};
use runbook::postgres::Tls;
use rustls::{RootCertStore, ServerConfig, ServerConnection, pki_types::PrivateKeyDer};
use sandbox::rds::network::Wire;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// Says yes to TLS, shows a certificate of that name, and hangs up.
fn shows(issuer: &CertifiedIssuer<'static, KeyPair>, name: &str) -> Wire {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    let certificate = params.signed_by(&key, issuer).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
    let config = config.unwrap().with_no_client_auth();
    let config = Arc::new(config.with_single_cert(vec![certificate.der().clone()], key).unwrap());
    Arc::new(move |mut client, _| {
        let config = config.clone();
        Box::pin(async move {
            // SSLRequest is eight bytes (protocol-message-formats of PostgreSQL's documentation).
            if client.read_exact(&mut [0; 8]).await.is_err() || client.write_all(b"S").await.is_err() {
                return;
            }
            let mut client = client.into_std().unwrap();
            client.set_nonblocking(false).unwrap();
            let shaken = tokio::task::spawn_blocking(move || {
                let mut tls = ServerConnection::new(config).unwrap();
                while tls.is_handshaking() && tls.complete_io(&mut client).is_ok() {}
            });
            shaken.await.unwrap();
        })
    })
}

/// What the worker trusts, and the servers that it must not, by what is wrong with them.
pub fn untrusted(host: &str) -> (Tls, [(&'static str, Wire); 2]) {
    let (ours, another) = (authority(), authority());
    let mut roots = RootCertStore::empty();
    roots.add(ours.der().clone()).unwrap();
    let servers = [("wrong-ca", shows(&another, host)), ("wrong-name", shows(&ours, "elsewhere.example"))];
    (Tls::trusting(roots).unwrap(), servers)
}
