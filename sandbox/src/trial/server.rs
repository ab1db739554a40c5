//! The throw-away server: that it is one, and what an earlier trial left in it.

use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use runbook::postgres::{Login, Programs, Tls, quote, said};
use tokio_postgres::{
    Client, Config, NoTls,
    config::{Host, SslMode},
};

use crate::postgres::install;

/// What the setting `cluster_name` of a throw-away server says.
///
/// Nothing that is restored carries it: it is read when a server starts, from its command line or
/// configuration file, and can be set for no database and no role
/// (https://www.postgresql.org/docs/current/runtime-config-logging.html#GUC-CLUSTER-NAME). So only
/// who starts the server can say so, and a dump of production, with comments, roles and settings of
/// its databases, says nothing.
pub const MARK: &str = "throw-away";

const LEFT: &str = "SELECT datname::text FROM pg_database WHERE datname ~ '^aurora_runbooks_[0-9a-f]{32}$'";

pub struct Server {
    pub login: Login,
    pub tls: Tls,
    pub programs: Programs,
    pub version: String,
    /// Whether the login may do more than a run's.
    pub superuser: bool,
    /// Databases of a trial that was stopped half-way. They are gone.
    pub removed: Vec<String>,
}

impl Server {
    /// Refuses every server that its owner has not marked, before it changes anything.
    pub async fn open(url: &str) -> anyhow::Result<Self> {
        let config: Config = url.parse().context("--url is no URL of PostgreSQL")?;
        let login = login(&config)?;
        refuse_host(&login.host)?;
        ensure!(
            config.get_ssl_mode() != SslMode::Require,
            "a throw-away server is spoken to without TLS; leave sslmode out of --url"
        );
        let client = connect(&login).await?;
        let ask = "SELECT current_setting('cluster_name'), current_setting('server_version'), \
                   current_setting('server_version_num')::int / 10000, \
                   current_setting('is_superuser')::bool, \
                   EXISTS (SELECT FROM pg_catalog.pg_proc WHERE proname = 'aurora_version' \
                           AND pronamespace = 'pg_catalog'::regnamespace)";
        let row = client.query_one(ask, &[]).await.map_err(|error| anyhow::anyhow!(said(&error)))?;
        let (name, version, major): (String, String, i32) = (row.get(0), row.get(1), row.get(2));
        let (superuser, aurora): (bool, bool) = (row.get(3), row.get(4));
        // https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/aurora_version.html
        ensure!(!aurora, "{} is an Aurora cluster: {REFUSED}", login.host);
        if name != MARK {
            bail!(
                "nobody has marked the server at {}:{} as one to throw away (its cluster_name is {name:?}): \
                 {REFUSED}",
                login.host,
                login.port
            );
        }
        ensure!(is_alone(&client).await?, "another trial is at work on this server");
        let programs = programs(major.unsigned_abs()).await?;
        let removed = remove_left(&client).await?;
        Ok(Self { login, tls: Tls::Disable, programs, version, superuser, removed })
    }
}

const REFUSED: &str = "a trial cuts, masks and drops, and nothing brings the data back.

Restore a dump into a server of its own and start that one with the setting cluster_name:

  docker run -e POSTGRES_PASSWORD=any -p 5433:5432 postgres:16 -c cluster_name=throw-away
  pg_ctl start -D data -o '-c cluster_name=throw-away'

No dump and no snapshot brings the setting along: only who starts the server can say so.";

fn login(config: &Config) -> anyhow::Result<Login> {
    let host = match config.get_hosts() {
        [Host::Tcp(host)] => host.clone(),
        [Host::Unix(folder)] => folder.display().to_string(),
        _ => bail!("--url must name one host, such as postgres://postgres@127.0.0.1:5433"),
    };
    let user = config.get_user().context("--url must name a user, such as postgres://postgres@…")?;
    let password = match config.get_password() {
        Some(password) => String::from_utf8(password.to_vec()).context("the password is no UTF-8")?,
        None => std::env::var("PGPASSWORD").unwrap_or_default(),
    };
    let port = config.get_ports().first().copied().unwrap_or(5432);
    Ok(Login { host, port, user: user.to_owned(), password })
}

/// Endpoints of RDS and Aurora, in China too
/// (https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/Aurora.Overview.Endpoints.html).
fn refuse_host(host: &str) -> anyhow::Result<()> {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    let rds = [".rds.amazonaws.com", ".rds.amazonaws.com.cn"];
    ensure!(!rds.iter().any(|end| host.ends_with(end)), "{host} is an endpoint of Amazon RDS: {REFUSED}");
    Ok(())
}

async fn connect(login: &Login) -> anyhow::Result<Client> {
    let mut config = Config::new();
    config.host(&login.host).port(login.port).user(&login.user).password(&login.password);
    config.dbname("template1").ssl_mode(SslMode::Disable).application_name("aurora-runbooks");
    config.connect_timeout(Duration::from_secs(15));
    let connected = config.connect(NoTls).await;
    let (client, connection) = connected.map_err(|error| {
        anyhow::anyhow!("{}:{} does not answer: {}", login.host, login.port, said(&error))
    })?;
    tokio::spawn(connection);
    Ok(client)
}

/// The programs of the server's major version: those that `PG_BIN_16` and the like or Debian's
/// packages give, else the sandbox's.
async fn programs(major: u32) -> anyhow::Result<Programs> {
    let named = std::env::var_os(format!("PG_BIN_{major}")).is_some();
    let debian = format!("/usr/lib/postgresql/{major}/bin/pg_dump");
    if named || std::path::Path::new(&debian).is_file() {
        return Ok(Programs::from_environment());
    }
    Ok(super::programs(&install().await?))
}

/// A lock belongs to a database, and a trial makes every one of them again; so what counts is that
/// nobody of this name is connected. A server takes a moment to end the sessions of a trial that is
/// over.
async fn is_alone(client: &Client) -> anyhow::Result<bool> {
    let others = "SELECT EXISTS (SELECT FROM pg_stat_activity \
                  WHERE application_name = 'aurora-runbooks' AND pid <> pg_backend_pid())";
    for _ in 0..20 {
        if !client.query_one(others, &[]).await?.get::<_, bool>(0) {
            return Ok(true);
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    Ok(false)
}

/// A trial has a new key each time, so nothing that an earlier one began can be gone on with.
async fn remove_left(client: &Client) -> anyhow::Result<Vec<String>> {
    let rows = client.query(LEFT, &[]).await?;
    let left: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    for database in &left {
        let dropped = client.batch_execute(&format!("DROP DATABASE {} WITH (FORCE)", quote(database))).await;
        dropped.map_err(|error| {
            anyhow::anyhow!("could not drop {database}, which an earlier trial left: {}", said(&error))
        })?;
    }
    Ok(left)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_of_rds_are_refused_by_their_names() {
        for host in [
            "orders.cluster-c1.eu-west-1.rds.amazonaws.com",
            "Orders.c1.eu-west-1.RDS.amazonaws.com.",
            "orders.cluster-c1.rds.cn-north-1.rds.amazonaws.com.cn",
        ] {
            let refused = refuse_host(host).unwrap_err().to_string();
            assert!(refused.contains("-c cluster_name=throw-away"), "{refused}");
        }
        for host in ["127.0.0.1", "/tmp", "rds.amazonaws.com.example"] {
            refuse_host(host).unwrap();
        }
    }

    #[test]
    fn a_url_names_one_host_and_a_user() {
        let login = |url: &str| login(&url.parse().unwrap());
        let found = login("postgres://ann:secret@localhost:5433/shop").unwrap();
        assert_eq!((found.host.as_str(), found.port, found.user.as_str()), ("localhost", 5433, "ann"));
        assert_eq!(login("postgres://ann@%2Ftmp").unwrap().host, "/tmp");
        assert!(login("postgres://localhost").is_err() && login("postgres://ann@a,b").is_err());
    }
}
