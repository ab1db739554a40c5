//! Sessions of the master user in the databases of the quarantined copy. None of them ever knows
//! the masking key: values are replaced in this process.

use runbook::{
    Context, Result,
    postgres::{self, Login, query_failed},
};
use tokio_postgres::Client;

use super::roles;

/// Nobody else is connected: what waits for a lock longer than this waits for something that was
/// overlooked.
const SET_UP: &str = "SET lock_timeout = '60s'; SET statement_timeout = 0;
                      SET idle_in_transaction_session_timeout = 0; SET synchronous_commit = off";

/// Production's roles and databases have settings, and a session begins with them: with another
/// role, another meaning of a quote, another one of NULL. First with another path, on which a
/// function of theirs is found before PostgreSQL's own; what lies in pg_temp is found last.
const SET_BACK: &str = "SET search_path = pg_catalog, pg_temp;
                        SET ROLE NONE; SET standard_conforming_strings = on; SET client_encoding = 'UTF8';
                        SET array_nulls = on; SET transform_null_equals = off;
                        SET quote_all_identifiers = off;
                        SET default_transaction_isolation = 'read committed';
                        SET default_transaction_read_only = off; SET default_transaction_deferrable = off;
                        SET check_function_bodies = on; SET xmloption = content; SET row_security = on;
                        SELECT set_config('session_replication_role', 'origin', false)
                        WHERE current_setting('session_replication_role') <> 'origin'";

/// Values have one text form, whatever a database, a role or a cluster has set; rows that a policy
/// would hide are an error.
const SET_UP_TO_COPY: &str = "SET DateStyle = 'ISO, YMD';
                              SET IntervalStyle = 'postgres'; SET TimeZone = 'UTC';
                              SET extra_float_digits = 1; SET bytea_output = 'hex'; SET lc_monetary = 'C';
                              SET row_security = off";

/// Operators of extensions, which the policy's expressions use, are in public, and whatever else
/// production has put there.
pub const PATH_OF_EXPRESSIONS: &str = "pg_catalog, public, pg_temp";

pub struct Sessions<'a> {
    pub cx: &'a Context,
    pub login: &'a Login,
}

/// How work on rows is spread.
#[derive(Debug, Clone, Copy)]
pub struct Lanes {
    pub sessions: usize,
    /// Of a table that one session takes at a time; 8 kB each.
    pub pages: i64,
}

/// The fewest sessions that work on a database has: one for rows, two for definitions.
pub const FEWEST_SESSIONS: i32 = 3;

impl Lanes {
    pub fn over(sessions: usize) -> Self {
        Self { sessions, pages: 131_072 }
    }

    /// As many as fit into a database's CONNECTION LIMIT, beside who reads definitions; -1 is none.
    pub fn within(self, limit: i32) -> Self {
        match usize::try_from(limit) {
            Ok(limit) => Self { sessions: self.sessions.min(limit.saturating_sub(2)).max(1), ..self },
            Err(_) => self,
        }
    }
}

impl Sessions<'_> {
    /// Two sessions for each processor of this task, because one waits for the disk while the other
    /// replaces or compares; with a quarter of what the server takes, because who copies has two.
    pub async fn lanes(&self) -> Result<Lanes> {
        let ask = "SELECT current_setting('max_connections')::int / 4";
        let row = self.open("template1").await?.query_one(ask, &[]).await;
        let room: i32 = row.map_err(|error| query_failed("ask for the server's connections", &error))?.get(0);
        let wanted = 2 * std::thread::available_parallelism().map_or(2, usize::from).max(2);
        let sessions = wanted.min(usize::try_from(room).unwrap_or_default().max(2));
        Ok(Lanes::over(sessions))
    }

    /// A session whose catalog queries print complete names.
    pub async fn open(&self, database: &str) -> Result<Client> {
        let client = postgres::connect(self.cx, self.login, database).await?;
        for set_up in [SET_BACK, SET_UP] {
            client.batch_execute(set_up).await.map_err(|error| query_failed("set up a session", &error))?;
        }
        roles::learn_system_roles(&client).await?;
        Ok(client)
    }

    /// A session for COPY.
    pub async fn open_to_copy(&self, database: &str) -> Result<Client> {
        let client = self.open(database).await?;
        let set_up = client.batch_execute(SET_UP_TO_COPY).await;
        set_up.map_err(|error| query_failed("set up a session", &error))?;
        Ok(client)
    }

    /// A session for COPY in which the policy's expressions mean what they meant when they were
    /// looked at.
    pub async fn open_to_evaluate(&self, database: &str) -> Result<Client> {
        let client = self.open_to_copy(database).await?;
        let set_up = client.batch_execute(&format!("SET search_path = {PATH_OF_EXPRESSIONS}")).await;
        set_up.map_err(|error| query_failed("set up a session", &error))?;
        Ok(client)
    }

    /// A session that sees every row or fails, and can write none.
    pub async fn open_to_count(&self, database: &str) -> Result<Client> {
        let client = self.open_to_copy(database).await?;
        let set_up = client.batch_execute("SET default_transaction_read_only = on").await;
        set_up.map_err(|error| query_failed("set up a session", &error))?;
        Ok(client)
    }
}

/// One text column of every row.
pub async fn texts(client: &Client, doing: &str, sql: &str) -> Result<Vec<String>> {
    let rows = client.query(sql, &[]).await.map_err(|error| query_failed(doing, &error))?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}
