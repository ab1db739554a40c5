//! How connections are encrypted, read and parsed when the process starts: a file that is missing
//! or empty shows before anything is looked at or changed.
//!
//! - `PGSSLMODE`: `verify-full` (the default) or `disable`, as libpq names them. Nothing between: a
//!   certificate that is not checked protects nothing.
//! - `PGSSLROOTCERT`: the file with RDS's certificate authorities
//!   (https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/UsingWithRDS.SSL.html). Required
//!   for `verify-full`.

use std::{fmt, path::Path, sync::Arc};

use anyhow::{Context as _, bail, ensure};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};
use tokio_postgres_rustls::MakeRustlsConnect;

#[derive(Clone)]
pub enum Tls {
    /// With the certificate authorities that the server's certificate must come from.
    VerifyFull(MakeRustlsConnect),
    Disable,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::VerifyFull(_) => "VerifyFull",
            Self::Disable => "Disable",
        })
    }
}

impl Tls {
    pub fn from_environment() -> anyhow::Result<Self> {
        let mode = std::env::var("PGSSLMODE").ok();
        Self::of(mode.as_deref(), std::env::var_os("PGSSLROOTCERT").as_deref().map(Path::new))
    }

    fn of(mode: Option<&str>, authorities: Option<&Path>) -> anyhow::Result<Self> {
        match mode {
            Some("disable") => Ok(Self::Disable),
            Some("verify-full") | None => {
                let file = authorities
                    .context("PGSSLROOTCERT must name the file with RDS's certificate authorities")?;
                let roots = read(file).with_context(|| format!("PGSSLROOTCERT, {}", file.display()))?;
                Self::trusting(roots)
            }
            Some(other) => bail!("PGSSLMODE must be verify-full or disable, found {other:?}"),
        }
    }

    /// Certificates of these authorities alone, for the host's own name.
    pub fn trusting(roots: RootCertStore) -> anyhow::Result<Self> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
        let config = config.with_root_certificates(roots).with_no_client_auth();
        Ok(Self::VerifyFull(MakeRustlsConnect::new(config)))
    }
}

fn read(file: &Path) -> anyhow::Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(file)? {
        roots.add(certificate?)?;
    }
    ensure!(!roots.is_empty(), "it holds no certificate");
    Ok(roots)
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read, Write},
        net::TcpListener,
    };

    use aws_config::{BehaviorVersion, SdkConfig};
    use rcgen::{CertificateParams, CertifiedIssuer, KeyPair};
    use rustls::{ServerConfig, ServerConnection, pki_types::PrivateKeyDer};

    use super::*;
    use crate::{
        Context, Error,
        clock::Clock,
        postgres::{Login, connect},
    };

    fn authority() -> CertifiedIssuer<'static, KeyPair> {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
    }

    /// A server that says yes to TLS, shows a certificate of that name and hangs up. Its port.
    fn server(issuer: &CertifiedIssuer<'static, KeyPair>, name: &str) -> u16 {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, issuer).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
        let config =
            config.unwrap().with_no_client_auth().with_single_cert(vec![certificate.der().clone()], key);
        let config = Arc::new(config.unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            // SSLRequest is eight bytes (protocol-message-formats of PostgreSQL's documentation).
            stream.read_exact(&mut [0; 8]).unwrap();
            stream.write_all(b"S").unwrap();
            let mut tls = ServerConnection::new(config).unwrap();
            while tls.is_handshaking() && tls.complete_io(&mut stream).is_ok() {}
        });
        port
    }

    async fn connecting(trusted: &CertifiedIssuer<'static, KeyPair>, port: u16) -> Error {
        let mut roots = RootCertStore::empty();
        roots.add(trusted.der().clone()).unwrap();
        let sdk = SdkConfig::builder().behavior_version(BehaviorVersion::latest()).build();
        let cx = Context::new(&sdk, Clock::scaled(3600.0), "no-bucket".into(), Tls::trusting(roots).unwrap());
        let login =
            Login { host: "localhost".into(), port, user: "postgres".into(), password: "secret".into() };
        connect(&cx, &login, "shop").await.map(drop).unwrap_err()
    }

    #[tokio::test]
    async fn a_certificate_that_does_not_verify_is_refused_at_once() {
        let (ours, another) = (authority(), authority());
        for (issuer, name) in [(&another, "localhost"), (&ours, "elsewhere.example")] {
            let error = connecting(&ours, server(issuer, name)).await;
            assert_eq!(error.name(), "Refused", "{error}");
            assert!(error.to_string().contains("certificate is not trusted"), "{error}");
        }
        // The right one is trusted: then the end of the connection is what is waited for.
        let error = connecting(&ours, server(&ours, "localhost")).await;
        assert!(error.to_string().contains("no connection for 15 min"), "{error}");
    }

    #[tokio::test]
    async fn a_server_that_never_answers_is_refused_after_a_quarter_of_an_hour_with_what_to_look_at() {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let error = connecting(&authority(), port).await;
        assert_eq!(error.name(), "Refused");
        let text = error.to_string();
        assert!(text.contains(&format!("localhost:{port}")) && text.contains("security group"), "{text}");
        assert!(!text.contains("secret"));
    }

    fn refused(mode: Option<&str>, file: Option<&Path>) -> String {
        format!("{:#}", Tls::of(mode, file).unwrap_err())
    }

    #[test]
    fn a_file_that_is_missing_empty_or_of_something_else_shows_at_the_start() {
        let folder = std::env::temp_dir().join(format!("tls-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let (missing, empty, broken) = (folder.join("a"), folder.join("b"), folder.join("c"));
        std::fs::write(&empty, "").unwrap();
        std::fs::write(&broken, "-----BEGIN CERTIFICATE-----\nbm90aGluZw==\n-----END CERTIFICATE-----\n")
            .unwrap();
        for file in [&missing, &empty, &broken] {
            let text = refused(None, Some(file));
            assert!(text.contains(&format!("PGSSLROOTCERT, {}", file.display())), "{text}");
        }
        assert!(refused(None, Some(&empty)).contains("holds no certificate"));
        assert!(refused(Some("verify-full"), None).contains("PGSSLROOTCERT must name"));
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_certificate_that_is_not_checked_is_no_mode() {
        assert!(refused(Some("require"), None).contains("verify-full or disable"));
        assert!(matches!(Tls::of(Some("disable"), None), Ok(Tls::Disable)));
    }
}
