//! Connections to PostgreSQL, every database of a cluster, quoting.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use anyhow::Context as _;
use futures::{StreamExt, future::join_all, stream::poll_fn};
use parking_lot::Mutex;
use policy::TableName;
use tokio::sync::mpsc;
use tokio_postgres::{
    AsyncMessage, CancelToken, Client, Config, NoTls, config::SslMode, error::DbError, tls::MakeTlsConnect,
};

mod error;
mod programs;
mod tls;

pub use error::{failed, is_gone, is_of_the_moment, query_failed, said};
pub use programs::Programs;
pub use tls::Tls;

use crate::{Context, Error, Result, patience::UNREACHABLE};

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
pub struct Connections(Arc<Mutex<Open>>);

#[derive(Default)]
struct Open {
    tokens: BTreeMap<u64, CancelToken>,
    next: u64,
}

impl std::fmt::Debug for Connections {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Connections")
    }
}

impl Connections {
    fn add(&self, token: CancelToken) -> u64 {
        let mut open = self.0.lock();
        let number = open.next;
        open.next += 1;
        open.tokens.insert(number, token);
        number
    }

    fn closed(&self, number: u64) {
        self.0.lock().tokens.remove(&number);
    }

    fn take(&self) -> BTreeMap<u64, CancelToken> {
        std::mem::take(&mut self.0.lock().tokens)
    }
}

/// Fargate sends SIGKILL 30 s after SIGTERM (the task definition's stopTimeout), and what is to be
/// answered comes after this. A server that does not answer must not cost that.
const CANCELING: Duration = Duration::from_secs(15);

/// Cancels what this process's connections run.
pub async fn cancel_all(cx: &Context) {
    let cancels = cx.connections.take().into_values().map(|token| async move {
        // A connection that is gone has nothing to cancel.
        let _ = match &cx.tls {
            Some(Tls::VerifyFull(tls)) => token.cancel_query(tls.clone()).await,
            Some(Tls::Disable) | None => token.cancel_query(NoTls).await,
        };
    });
    tokio::select! {
        _ = join_all(cancels) => {}
        () = cx.clock.sleep(CANCELING) => {}
    }
}

pub async fn connect(cx: &Context, login: &Login, database: &str) -> Result<Client> {
    Ok(connect_with_notices(cx, login, database).await?.0)
}

/// The client, and every NOTICE and WARNING that the server sends.
pub async fn connect_with_notices(cx: &Context, login: &Login, database: &str) -> Result<Noticing> {
    reach(cx, login, database).await?.map_err(|server| error::not_taken(&server, &place(login, database)))
}

/// One attempt, for whoever wants to know whether there is a way at this moment.
pub async fn connect_once(
    cx: &Context,
    login: &Login,
    database: &str,
    timeout: Duration,
) -> anyhow::Result<Client> {
    let mut config = config(login, database);
    config.connect_timeout(timeout);
    let (client, _) = match cx.tls.as_ref().context("this process is not set up to speak to PostgreSQL")? {
        Tls::VerifyFull(tls) => open(cx, config.ssl_mode(SslMode::Require), tls.clone()).await?,
        Tls::Disable => open(cx, config.ssl_mode(SslMode::Disable), NoTls).await?,
    };
    Ok(client)
}

/// Whether the server takes that user name and password.
pub async fn accepts(cx: &Context, login: &Login) -> Result<bool> {
    match reach(cx, login, "postgres").await? {
        Ok(_) => Ok(true),
        // Class 28: invalid authorization specification.
        Err(server) if server.code().code().starts_with("28") => Ok(false),
        Err(server) => Err(error::not_taken(&server, &place(login, "postgres"))),
    }
}

type Noticing = (Client, mpsc::UnboundedReceiver<DbError>);

fn place(login: &Login, database: &str) -> String {
    format!("database {database} at {}:{}", login.host, login.port)
}

/// A session, or what the server said instead.
///
/// A server that nobody reaches is tried for [`UNREACHABLE`] in this process: after that a person
/// must look, and nothing is gained by more tasks that try.
async fn reach(
    cx: &Context,
    login: &Login,
    database: &str,
) -> Result<std::result::Result<Noticing, DbError>> {
    let tls = cx.tls.as_ref().context("this process is not set up to speak to PostgreSQL");
    let (tls, mut config) = (tls.map_err(Error::Unexpected)?, config(login, database));
    let start = cx.clock.now();
    loop {
        let opened = match tls {
            Tls::VerifyFull(tls) => open(cx, config.ssl_mode(SslMode::Require), tls.clone()).await,
            Tls::Disable => open(cx, config.ssl_mode(SslMode::Disable), NoTls).await,
        };
        let error = match opened {
            Ok(session) => return Ok(Ok(session)),
            Err(error) => error,
        };
        if let Some(server) = error.as_db_error() {
            return Ok(Err(server.clone()));
        }
        match error::not_connected(&error, &place(login, database)) {
            Error::Unreachable(what) if cx.clock.now().duration_since(start) >= UNREACHABLE => {
                return Err(Error::cut_off(&what));
            }
            Error::Unreachable(what) => {
                cx.progress.say(format!("waiting for {what}"));
                cx.clock.sleep(Duration::from_secs(15)).await;
            }
            error => return Err(error),
        }
    }
}

/// A statement may run for hours without a word on the wire, and a security group forgets an idle
/// connection after 350 s on many instance types
/// (https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/security-group-connection-tracking.html).
/// So the kernel asks every minute, and a server that is silent for two is gone. With keepalive on,
/// the user time-out is what counts (tcp(7), TCP_USER_TIMEOUT), so both say the same.
fn config(login: &Login, database: &str) -> Config {
    let mut config = Config::new();
    config.host(&login.host).port(login.port).user(&login.user).password(&login.password).dbname(database);
    config.application_name("aurora-runbooks").connect_timeout(Duration::from_secs(15));
    config.keepalives(true).keepalives_idle(Duration::from_secs(60));
    config.keepalives_interval(Duration::from_secs(15)).keepalives_retries(4);
    config.tcp_user_timeout(Duration::from_secs(120));
    config
}

async fn open<T>(
    cx: &Context,
    config: &Config,
    tls: T,
) -> std::result::Result<Noticing, tokio_postgres::Error>
where
    T: MakeTlsConnect<tokio_postgres::Socket> + Send,
    T::Stream: Send + 'static,
    T::TlsConnect: Send,
    <T::TlsConnect as tokio_postgres::tls::TlsConnect<tokio_postgres::Socket>>::Future: Send,
{
    let (client, mut connection) = config.connect(tls).await?;
    let (sender, notices) = mpsc::unbounded_channel();
    let (connections, number) = (cx.connections.clone(), cx.connections.add(client.cancel_token()));
    tokio::spawn(async move {
        let mut messages = poll_fn(move |cx| connection.poll_message(cx));
        while let Some(Ok(message)) = messages.next().await {
            if let AsyncMessage::Notice(notice) = message {
                // Nobody has to listen.
                let _ = sender.send(notice);
            }
        }
        connections.closed(number);
    });
    Ok((client, notices))
}

/// Every database that a person could have put something into: not template0, not RDS's own, not
/// invalid (`datconnlimit` -2), not closed, be it by a limit of no connections, which holds for all
/// but superusers (https://www.postgresql.org/docs/current/sql-alterdatabase.html).
pub async fn databases(client: &Client) -> Result<Vec<String>> {
    let rows = client
        .query(
            "SELECT datname FROM pg_catalog.pg_database
             WHERE datallowconn AND datconnlimit NOT IN (-2, 0) AND datname NOT IN ('template0', 'rdsadmin')
             ORDER BY datname",
            &[],
        )
        .await
        .map_err(|error| query_failed("list databases", &error))?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

pub fn quote(identifier: &str) -> String {
    postgres_protocol::escape::escape_identifier(identifier)
}

/// A table as SQL writes it.
pub fn table(name: &TableName) -> String {
    format!("{}.{}", quote(&name.schema), quote(&name.table))
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
    hex::encode(bytes)
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
        let name = policy::TableName { schema: "s.\"".into(), table: "Order".into() };
        assert_eq!(super::table(&name), "\"s.\"\"\".\"Order\"");
    }

    #[test]
    fn a_silent_server_is_noticed_after_two_minutes() {
        let login = super::Login { host: "h".into(), port: 1, user: "u".into(), password: "p".into() };
        let config = super::config(&login, "d");
        assert!(config.get_keepalives());
        assert_eq!(config.get_keepalives_idle().as_secs(), 60);
        assert_eq!(config.get_keepalives_interval().map(|interval| interval.as_secs()), Some(15));
        assert_eq!(config.get_keepalives_retries(), Some(4));
        assert_eq!(config.get_tcp_user_timeout().map(|timeout| timeout.as_secs()), Some(120));
    }
}
