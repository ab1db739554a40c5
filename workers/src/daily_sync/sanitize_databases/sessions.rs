//! Sessions of the master user in the databases of the quarantined copy.

use runbook::{
    Context, Result,
    postgres::{self, Login, query_failed},
};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio_postgres::{Client, error::DbError};

use crate::shared::roles;

pub type Notices = UnboundedReceiver<DbError>;

/// Nobody else is connected: what waits for a lock longer than this waits for something that was
/// overlooked.
const SET_UP: &str = "SET lock_timeout = '60s'; SET statement_timeout = 0;
                       SET idle_in_transaction_session_timeout = 0;
                      SET default_transaction_read_only = off; SET synchronous_commit = off;
                       SET row_security = on";

pub struct Sessions<'a> {
    pub cx: &'a Context,
    pub login: &'a Login,
}

impl Sessions<'_> {
    /// A session whose catalog queries print complete names.
    pub async fn open(&self, database: &str) -> Result<Client> {
        Ok(self.open_with_notices(database).await?.0)
    }

    /// The same, with what the server says besides.
    pub async fn open_with_notices(&self, database: &str) -> Result<(Client, Notices)> {
        let (client, notices) = postgres::connect_with_notices(self.cx, self.login, database).await?;
        let set = format!("{SET_UP}; SET search_path = pg_catalog");
        client.batch_execute(&set).await.map_err(|error| query_failed("set up a session", &error))?;
        roles::learn_system_roles(&client).await?;
        Ok((client, notices))
    }

    /// A session that knows the masking key. The key goes as a parameter, so that it stands in no
    /// statement and in no statistic of statements.
    pub async fn open_with_key(&self, database: &str, key: &str) -> Result<Client> {
        let client = self.open(database).await?;
        let set = "SELECT set_config('mask.key', $1, false), set_config('search_path', 'pg_catalog, \
        public', false)";
        client
            .query(set, &[&key])
            .await
            .map_err(|error| query_failed("hand over the masking key", &error))?;
        Ok(client)
    }
}

/// One text column of every row.
pub async fn texts(client: &Client, doing: &str, sql: &str) -> Result<Vec<String>> {
    let rows = client.query(sql, &[]).await.map_err(|error| query_failed(doing, &error))?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}
