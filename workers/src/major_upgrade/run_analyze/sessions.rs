//! Sessions by database. A new one costs the server some 16 ms of its CPU, so one that is not
//! needed at this moment is kept for whoever goes to its database next.

use std::collections::VecDeque;

use parking_lot::Mutex;
use runbook::{
    Context, Result,
    postgres::{self, Login, is_of_the_moment, query_failed, said},
};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio_postgres::{
    Client,
    error::{DbError, SqlState},
};

use super::plan::Unit;

/// How many wait for work at most: each is a process of the server.
const IDLE: usize = 32;

/// What a session is for: how long it waits for a lock, and whether a commit waits for the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum For {
    /// The extensions and the list of tables.
    Look,
    /// ANALYZE: statistics that a crash loses are made again.
    Analyze,
    /// What was locked the first time.
    Locked,
}

impl For {
    fn settings(self) -> &'static str {
        match self {
            Self::Look => "SET synchronous_commit = on; SET lock_timeout = '30s'",
            Self::Analyze => "SET synchronous_commit = off; SET lock_timeout = '10s'",
            Self::Locked => "SET synchronous_commit = off; SET lock_timeout = '2min'",
        }
    }
}

pub struct Sessions<'a> {
    cx: &'a Context,
    login: &'a Login,
    /// The server's major version.
    pub server: u32,
    idle: Mutex<VecDeque<Session>>,
    most_idle: usize,
}

impl<'a> Sessions<'a> {
    /// `spare`: how many connections may be taken beside those that work.
    pub fn new(cx: &'a Context, login: &'a Login, server: u32, spare: usize) -> Self {
        Self { cx, login, server, idle: Mutex::default(), most_idle: spare.min(IDLE) }
    }

    /// One in that database: an open one, or a new one.
    pub async fn take(&self, database: &str, purpose: For) -> Result<Session> {
        let kept = self.kept(database);
        let mut session = match kept {
            Some(session) => session,
            None => Session::open(self.cx, self.login, database, self.server).await?,
        };
        if session.purpose != Some(purpose) {
            let set = session.client.batch_execute(purpose.settings()).await;
            set.map_err(|error| query_failed("set up a session", &error))?;
            session.purpose = Some(purpose);
        }
        Ok(session)
    }

    pub fn give_back(&self, session: Session) {
        let mut idle = self.idle.lock();
        idle.push_back(session);
        if idle.len() > self.most_idle {
            idle.pop_front();
        }
    }

    fn kept(&self, database: &str) -> Option<Session> {
        let mut idle = self.idle.lock();
        let place = idle.iter().position(|session| session.database == database)?;
        idle.remove(place).filter(|session| !session.client.is_closed())
    }
}

pub struct Session {
    pub client: Client,
    pub database: String,
    notices: UnboundedReceiver<DbError>,
    purpose: Option<For>,
    /// The statistics target that it was told, when it was told one.
    target: Option<u32>,
}

/// How one statement ended.
pub enum Ending {
    Done,
    /// Somebody holds a lock that ANALYZE waits for.
    Locked(String),
    Failed(String),
}

impl Session {
    async fn open(cx: &Context, login: &Login, database: &str, server: u32) -> Result<Self> {
        let (client, notices) = postgres::connect_with_notices(cx, login, database).await?;
        let settings = settings(server);
        let set = client.batch_execute(&settings).await;
        set.map_err(|error| query_failed("set up a session for ANALYZE", &error))?;
        Ok(Self { client, database: database.to_owned(), notices, purpose: None, target: None })
    }

    pub async fn analyze(&mut self, unit: &Unit) -> Result<Ending> {
        let statement = unit.statement();
        let target = unit.phase.target();
        if self.target != target {
            let set = match target {
                Some(target) => format!("SET default_statistics_target = {target}"),
                None => "RESET default_statistics_target".to_owned(),
            };
            let set = self.client.batch_execute(&set).await;
            set.map_err(|error| query_failed("set the statistics target", &error))?;
            self.target = target;
        }
        let result = self.client.batch_execute(&statement).await;
        // The server sends its warnings before the end of the statement, so they are all here.
        let mut skipped = None;
        while let Ok(notice) = self.notices.try_recv() {
            if is_skip(notice.severity(), notice.code(), notice.message()) {
                skipped = Some(notice.message().to_owned());
            } else {
                tracing::info!(statement, "{}", notice.message());
            }
        }
        let Err(error) = result else {
            return Ok(skipped.map_or(Ending::Done, Ending::Failed));
        };
        match error.code() {
            Some(code) if [SqlState::LOCK_NOT_AVAILABLE, SqlState::T_R_DEADLOCK_DETECTED].contains(code) => {
                Ok(Ending::Locked(format!("{}: another session holds a lock on the table", said(&error))))
            }
            // Dropped since the plan was made.
            Some(code) if *code == SqlState::UNDEFINED_TABLE && unit.tables.len() == 1 => Ok(Ending::Done),
            // Who cancels the ANALYZE of a table does not want it at once again; and where one has
            // no room, others may have.
            Some(code) if [SqlState::QUERY_CANCELED, SqlState::DISK_FULL].contains(code) => {
                Ok(Ending::Failed(said(&error)))
            }
            _ if is_of_the_moment(&error) => Err(query_failed(&statement, &error)),
            _ => Ok(Ending::Failed(said(&error))),
        }
    }
}

/// No time-out of a role or a database ends a long ANALYZE. Which ones there are is asked of the
/// version and not of pg_settings, which makes every setting's row.
fn settings(server: u32) -> String {
    let always = ["statement_timeout", "idle_in_transaction_session_timeout"].as_slice();
    // https://www.postgresql.org/docs/release/14.0/, https://www.postgresql.org/docs/release/17.0/
    let since_14 = if server >= 14 { ["idle_session_timeout"].as_slice() } else { &[] };
    let since_17 = if server >= 17 { ["transaction_timeout"].as_slice() } else { &[] };
    let names = ["vacuum_cost_delay"].iter().chain(always).chain(since_14).chain(since_17);
    let read_only = "SET default_transaction_read_only = off;".to_owned();
    names.map(|name| format!("SET {name} = 0;")).chain([read_only]).collect()
}

/// `permission denied to analyze "t", skipping it`: only a WARNING, and vacuumdb ends with success.
/// The table has no statistics.
fn is_skip(severity: &str, code: &SqlState, message: &str) -> bool {
    severity == "WARNING" && *code == SqlState::WARNING && message.contains("skipping")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_skipped_table_is_a_failure_though_it_is_only_a_warning() {
        assert!(is_skip("WARNING", &SqlState::WARNING, "permission denied to analyze \"t\", skipping it"));
        assert!(!is_skip("NOTICE", &SqlState::WARNING, "skipping it"));
        assert!(!is_skip("WARNING", &SqlState::WARNING, "something else"));
    }

    #[test]
    fn a_server_is_asked_for_no_time_out_that_it_does_not_know() {
        assert!(!settings(13).contains("idle_session_timeout"));
        assert!(
            settings(16).contains("idle_session_timeout") && !settings(16).contains("transaction_timeout =")
        );
        assert!(settings(18).contains("SET transaction_timeout = 0;"));
    }
}
