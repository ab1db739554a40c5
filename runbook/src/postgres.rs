//! Connections to PostgreSQL, every database of a cluster, quoting.
//!
//! - `PGSSLMODE`: `verify-full` (the default) or `disable`, as libpq names them. Nothing between: a
//!   certificate that is not checked protects nothing.
//! - `PGSSLROOTCERT`: the file with RDS's certificate authorities
//!   (https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/UsingWithRDS.SSL.html). Required
//!   for `verify-full`.

use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, bail};
use futures::{StreamExt, stream::poll_fn};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};
use tokio::sync::mpsc;
use tokio_postgres::{
    AsyncMessage, CancelToken, Client, Config, NoTls, config::SslMode, error::DbError, tls::MakeTlsConnect,
};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::{Context, Error, Result, error::Then};

/// Who connects where. No `Debug`: it holds a password.
#[derive(Clone)]
pub struct Login {
    pub host: String,
    pub port: u16,
    pub user: String,
    pub password: String,
}

/// The open connections of this process, so that losing the task token can cancel what they run.
#[derive(Clone, Default)]
pub struct Connections(Arc<Mutex<Vec<CancelToken>>>);

impl std::fmt::Debug for Connections {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Connections")
    }
}

impl Connections {
    fn add(&self, token: CancelToken) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(token);
    }

    fn take(&self) -> Vec<CancelToken> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Cancels what this process's connections run.
pub async fn cancel_all(cx: &Context) {
    {
        let tokens = cx.connections.take();
        for token in tokens {
            // A connection that is gone has nothing to cancel.
            let _ = match cx.tls.connector() {
                Ok(Some(tls)) => token.cancel_query(tls).await,
                _ => token.cancel_query(NoTls).await,
            };
        }
    }
}

pub async fn connect(cx: &Context, login: &Login, database: &str) -> Result<Client> {
    Ok(connect_with_notices(cx, login, database).await?.0)
}

/// The client, and every NOTICE and WARNING that the server sends.
pub async fn connect_with_notices(
    cx: &Context,
    login: &Login,
    database: &str,
) -> Result<(Client, mpsc::UnboundedReceiver<DbError>)> {
    let mut config = Config::new();
    config.host(&login.host).port(login.port).user(&login.user).password(&login.password).dbname(database);
    config.application_name("aurora-runbooks").connect_timeout(std::time::Duration::from_secs(15));
    match cx.tls.connector().map_err(Error::Unexpected)? {
        Some(tls) => open(cx, config.ssl_mode(SslMode::Require), database, tls).await,
        None => open(cx, config.ssl_mode(SslMode::Disable), database, NoTls).await,
    }
}

async fn open<T>(
    cx: &Context,
    config: &Config,
    database: &str,
    tls: T,
) -> Result<(Client, mpsc::UnboundedReceiver<DbError>)>
where
    T: MakeTlsConnect<tokio_postgres::Socket> + Send,
    T::Stream: Send + 'static,
    T::TlsConnect: Send,
    <T::TlsConnect as tokio_postgres::tls::TlsConnect<tokio_postgres::Socket>>::Future: Send,
{
    let (client, mut connection) =
        config.connect(tls).await.map_err(|error| not_connected(&error, database))?;
    let (sender, notices) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        let mut messages = poll_fn(move |cx| connection.poll_message(cx));
        while let Some(Ok(message)) = messages.next().await {
            if let AsyncMessage::Notice(notice) = message {
                // Nobody has to listen.
                let _ = sender.send(notice);
            }
        }
    });
    cx.connections.add(client.cancel_token());
    Ok((client, notices))
}

/// A server that restarts, or is full for a moment, is looked at again; a wrong password or a
/// missing database is told.
fn not_connected(error: &tokio_postgres::Error, database: &str) -> Error {
    let Some(server) = error.as_db_error() else {
        return Error::NotReady(format!("PostgreSQL to answer (connecting to {database}: {})", chain(error)));
    };
    // Class 57: operator intervention, 53: insufficient resources
    // (https://www.postgresql.org/docs/current/errcodes-appendix.html).
    match &server.code().code()[..2] {
        "57" | "53" => Error::NotReady(format!(
            "PostgreSQL to accept connections (connecting to {database}: {})",
            server.message()
        )),
        "28" => Error::refused(format!("PostgreSQL refuses the login to {database}: {}", server.message()))
            .fix("put the present user name and password of a role that may connect into the secret")
            .then(Then::Redrive),
        _ => Error::Unexpected(anyhow::anyhow!("connect to {database}: {}", server.message())),
    }
}

/// An error with what caused it: tokio-postgres says "db error" and leaves the rest to the chain.
///
/// Classes 22 (data exception), 23 (integrity constraint) and P0 (what a trigger raises) quote
/// values of rows, which must not reach a message: they are told by their condition and place
/// (https://www.postgresql.org/docs/current/errcodes-appendix.html).
pub fn chain(error: &tokio_postgres::Error) -> String {
    let Some(server) = error.as_db_error() else {
        let cause = std::error::Error::source(error).map(|source| format!(": {source}")).unwrap_or_default();
        return format!("{error}{cause}");
    };
    if ["22", "23", "P0"].contains(&&server.code().code()[..2]) {
        let place = [
            ("table", server.table()),
            ("column", server.column()),
            ("constraint", server.constraint()),
            ("type", server.datatype()),
        ];
        let place: Vec<String> =
            place.into_iter().filter_map(|(kind, name)| Some(format!(" {kind} {}", name?))).collect();
        return format!(
            "SQLSTATE {}{} (the server's text may quote rows and is not shown)",
            server.code().code(),
            place.concat()
        );
    }
    [Some(server.message()), server.detail(), server.hint()]
        .into_iter()
        .flatten()
        .collect::<Vec<_>>()
        .join(" ")
}

/// How connections are encrypted; see the module's variables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tls {
    VerifyFull,
    Disable,
}

impl Tls {
    pub fn from_environment() -> anyhow::Result<Self> {
        match std::env::var("PGSSLMODE").as_deref() {
            Ok("disable") => Ok(Self::Disable),
            Ok("verify-full") | Err(_) => Ok(Self::VerifyFull),
            Ok(other) => bail!("PGSSLMODE must be verify-full or disable, found {other:?}"),
        }
    }

    fn connector(self) -> anyhow::Result<Option<MakeRustlsConnect>> {
        if self == Self::Disable {
            return Ok(None);
        }
        let file = std::env::var("PGSSLROOTCERT")
            .context("PGSSLROOTCERT must name the file with RDS's certificate authorities")?;
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_file_iter(&file).with_context(|| format!("read {file}"))? {
            roots.add(certificate.with_context(|| format!("read {file}"))?)?;
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
        Ok(Some(MakeRustlsConnect::new(config.with_root_certificates(roots).with_no_client_auth())))
    }
}

/// Every database that a person could have put something into: not template0, not RDS's own, not
/// invalid (`datconnlimit` -2), not closed.
pub async fn databases(client: &Client) -> Result<Vec<String>> {
    let rows = client
        .query(
            "SELECT datname FROM pg_catalog.pg_database WHERE datallowconn AND datconnlimit <> -2 AND \
        datname NOT IN ('template0', 'rdsadmin') ORDER BY datname",
            &[],
        )
        .await
        .map_err(|error| query_failed("list databases", &error))?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// A query that failed: a lost connection is looked at again, the rest is told.
pub fn query_failed(doing: &str, error: &tokio_postgres::Error) -> Error {
    let gone = error.is_closed()
        || error.as_db_error().is_none()
        || error.code().is_some_and(|code| code.code().starts_with("57P"));
    if gone {
        Error::NotReady(format!("PostgreSQL to come back ({doing}: {})", chain(error)))
    } else {
        Error::Unexpected(anyhow::anyhow!("{doing}: {}", chain(error)))
    }
}

pub fn quote(identifier: &str) -> String {
    postgres_protocol::escape::escape_identifier(identifier)
}

pub fn literal(text: &str) -> String {
    postgres_protocol::escape::escape_literal(text).trim_start().to_owned()
}

/// What PostgreSQL stores of a password (SCRAM-SHA-256), to be set in its stead: the password
/// itself never stands in a statement.
pub fn verifier(password: &str) -> String {
    postgres_protocol::password::scram_sha_256(password.as_bytes())
}

/// 192 bits of the operating system's randomness, in letters and digits.
pub fn random_password() -> String {
    let mut bytes = [0; 24];
    let filled = rustls::crypto::aws_lc_rs::default_provider().secure_random.fill(&mut bytes);
    assert!(filled.is_ok(), "the system has no randomness");
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn passwords_are_random_and_their_verifiers_salted() {
        assert_eq!(super::random_password().len(), 48);
        assert_ne!(super::random_password(), super::random_password());
        let verifier = super::verifier("secret");
        assert!(verifier.starts_with("SCRAM-SHA-256$4096:") && !verifier.contains("secret"));
        assert_ne!(verifier, super::verifier("secret"));
    }

    #[test]
    fn literals_are_escaped() {
        assert_eq!(super::literal("it's"), "'it''s'");
        assert_eq!(super::literal(r"a\b"), r"E'a\\b'");
    }

    #[test]
    fn identifiers_are_quoted() {
        assert_eq!(super::quote("odd \"name"), "\"odd \"\"name\"");
    }
}
