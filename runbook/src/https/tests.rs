use std::{
    collections::BTreeSet,
    io::{Read, Write},
    net::TcpListener,
    sync::{Arc, atomic::AtomicUsize},
};

use aws_sdk_rds::config::{BehaviorVersion, Credentials, Region};
use base64::Engine as _;
use rcgen::{CertificateParams, CertifiedIssuer, KeyPair};
use rustls::{
    ServerConfig, ServerConnection, StreamOwned,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};

use super::*;

#[test]
fn the_five_authorities_are_those_that_mozilla_trusts() {
    let ours: BTreeSet<Vec<u8>> = CertificateDer::pem_slice_iter(AMAZON_TRUST_SERVICES.as_bytes())
        .map(|certificate| certificate.unwrap().to_vec())
        .collect();
    // A name stands in a certificate as text: subject and issuer are the same in a root.
    let of_amazon = |der: &[u8]| {
        [&b"Amazon Root CA "[..], b"Starfield Services Root Certificate Authority - G2"]
            .iter()
            .any(|name| der.windows(name.len()).any(|part| part == *name))
    };
    let mozillas: BTreeSet<Vec<u8>> = webpki_root_certs::TLS_SERVER_ROOT_CERTS
        .iter()
        .filter(|der| of_amazon(der))
        .map(|der| der.to_vec())
        .collect();
    assert_eq!(ours.len(), 5);
    assert!(ours == mozillas, "amazon_trust_services.pem is not what webpki-root-certs holds");
}

struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    /// An issuer is looked for by its name.
    fn named(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn trusted(&self) -> TrustStore {
        let text = base64::engine::general_purpose::STANDARD.encode(self.0.der());
        let pem = format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n");
        TrustStore::empty().with_pem_certificate(pem)
    }

    /// A server that answers every request with an empty list of clusters; its URL, and how many
    /// requests it has answered.
    fn serve(&self) -> (String, Arc<AtomicUsize>) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap().der().clone();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
        let config = config.unwrap().with_no_client_auth().with_single_cert(vec![certificate], key);
        let config = Arc::new(config.unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let answered = Arc::new(AtomicUsize::new(0));
        let count = answered.clone();
        std::thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                let tls = ServerConnection::new(config.clone()).unwrap();
                let mut stream = StreamOwned::new(tls, stream);
                let root = "DescribeDBClustersResponse";
                let body = format!("<{root}><DescribeDBClustersResult/></{root}>");
                let answer = format!(
                    "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                    body.len()
                );
                // A client that does not trust it hangs up.
                if stream.read(&mut [0; 4096]).is_ok() && stream.write_all(answer.as_bytes()).is_ok() {
                    count.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
        (format!("https://localhost:{port}"), answered)
    }
}

fn rds(url: String, client: SharedHttpClient) -> aws_sdk_rds::Client {
    let config = aws_sdk_rds::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-central-1"))
        .credentials_provider(Credentials::new("key", "secret", None, None, "test"))
        .endpoint_url(url)
        .http_client(client);
    aws_sdk_rds::Client::from_conf(config.build())
}

#[tokio::test]
async fn a_server_of_another_authority_is_reached_by_what_the_system_trusts() {
    let (amazon, company) = (Authority::named("Amazon"), Authority::named("company"));
    let (url, answered) = company.serve();
    let client = rds(url, trusting(amazon.trusted(), company.trusted()).unwrap());
    for _ in 0..2 {
        client.describe_db_clusters().send().await.expect("the second trust store knows it");
    }
    assert_eq!(answered.load(Ordering::Relaxed), 2, "nothing is sent to a server that is not trusted");
}

#[tokio::test]
async fn a_server_that_neither_knows_gets_no_request() {
    let (amazon, company) = (Authority::named("Amazon"), Authority::named("company"));
    let (url, answered) = Authority::named("stranger").serve();
    let client = rds(url, trusting(amazon.trusted(), company.trusted()).unwrap());
    let error = client.describe_db_clusters().send().await.unwrap_err();
    let said = format!("{}", aws_sdk_rds::error::DisplayErrorContext(error));
    assert!(said.contains("UnknownIssuer"), "{said}");
    assert_eq!(answered.load(Ordering::Relaxed), 0);
}
