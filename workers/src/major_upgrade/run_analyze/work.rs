//! Runs the plan: several connections take from one queue, across all databases.

use std::{collections::VecDeque, time::Duration};

use parking_lot::{Mutex, MutexGuard};
use serde::{Deserialize, Serialize};

use futures::future::try_join_all;
use jiff::Timestamp;
use runbook::{
    Context, Result,
    postgres::{self, Login, is_gone, query_failed, said},
};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio_postgres::{
    Client,
    error::{DbError, SqlState},
};

use super::plan::{Phase, Unit};

/// A table that could not be analysed.
#[derive(Debug, Clone, PartialEq)]
pub struct Failure {
    pub database: String,
    pub statement: String,
    pub reason: String,
}

/// One statement that is over, for the run's report.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Timed {
    pub database: String,
    /// As they stand in the statement.
    pub tables: Vec<String>,
    pub milliseconds: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<String>,
}

/// What the connections share.
struct Board {
    queue: VecDeque<Unit>,
    /// Behind a lock: tried once more when everything else is done.
    later: Vec<Unit>,
    failures: Vec<Failure>,
    over: Vec<Timed>,
    total: usize,
    done: usize,
    cost_us: f64,
    done_us: f64,
    told: Option<Timestamp>,
    hot_left: usize,
    hot_done: Option<Timestamp>,
}

#[derive(Debug)]
pub struct Outcome {
    pub failures: Vec<Failure>,
    pub over: Vec<Timed>,
    /// When the hot set had its statistics.
    pub hot_done: Option<Timestamp>,
}

pub struct Work<'a> {
    cx: &'a Context,
    login: &'a Login,
    began: Timestamp,
    board: Mutex<Board>,
}

/// How one statement ended.
enum Ending {
    Done,
    /// Somebody holds a lock that ANALYZE waits for.
    Locked(String),
    Failed(String),
}

impl<'a> Work<'a> {
    pub fn new(cx: &'a Context, login: &'a Login, units: Vec<Unit>) -> Self {
        let counted = |unit: &&Unit| unit.phase != Phase::Catalog;
        let board = Board {
            total: units.iter().filter(counted).map(Unit::covers).sum(),
            cost_us: units.iter().map(|unit| unit.cost_us).sum(),
            hot_left: units.iter().filter(|unit| unit.phase == Phase::Hot).count(),
            queue: units.into(),
            later: Vec::new(),
            failures: Vec::new(),
            over: Vec::new(),
            done: 0,
            done_us: 0.0,
            told: None,
            hot_done: None,
        };
        Self { cx, login, began: cx.clock.now(), board: Mutex::new(board) }
    }

    pub async fn run(self, connections: usize) -> Result<Outcome> {
        try_join_all((0..connections).map(|_| self.take_turns())).await?;
        let later = std::mem::take(&mut self.board().later);
        let mut session = None;
        for unit in later {
            self.cx.progress.say(format!(
                "waiting for a lock in database {}: {}",
                unit.database,
                unit.statement()
            ));
            let mut open = self.session(session.take(), &unit.database, LONG_LOCK).await?;
            let (ending, took) = self.timed(&mut open, &unit).await?;
            match ending {
                Ending::Done => self.over(&unit, took, None),
                Ending::Locked(reason) | Ending::Failed(reason) => self.fail(&unit, took, &reason),
            }
            session = Some(open);
        }
        let board = self.board.into_inner();
        Ok(Outcome { failures: board.failures, over: board.over, hot_done: board.hot_done })
    }

    /// One connection's work: a unit after the other until the queue is empty. A failed table ends
    /// nobody's work; a lost server ends all.
    async fn take_turns(&self) -> Result<()> {
        let mut session: Option<Session> = None;
        while let Some(unit) = self.next(session.as_ref().map(|session| session.database.as_str())) {
            let mut open = self.session(session.take(), &unit.database, SHORT_LOCK).await?;
            self.analyze(&mut open, &unit).await?;
            session = Some(open);
            self.finished(&unit);
        }
        Ok(())
    }

    async fn analyze(&self, session: &mut Session, unit: &Unit) -> Result<()> {
        let (ending, took) = self.timed(session, unit).await?;
        match ending {
            Ending::Done => self.over(unit, took, None),
            // Catalogs belong to the database's owner; without statistics of ours they are as
            // autovacuum keeps them.
            _ if unit.phase == Phase::Catalog => {}
            _ if unit.tables.len() > 1 => {
                for single in unit.singly() {
                    Box::pin(self.analyze(session, &single)).await?;
                }
            }
            Ending::Locked(_) => self.board().later.push(unit.clone()),
            Ending::Failed(reason) => self.fail(unit, took, &reason),
        }
        Ok(())
    }

    /// The next unit; of two that are about as long, the one in the database that is already open.
    fn next(&self, open: Option<&str>) -> Option<Unit> {
        let mut board = self.board();
        let front = board.queue.front()?;
        let (phase, cost) = (front.phase, front.cost_us);
        let near = |unit: &Unit| {
            Some(unit.database.as_str()) == open && unit.phase == phase && unit.cost_us * 2.0 >= cost
        };
        let index =
            board.queue.iter().take_while(|unit| unit.cost_us * 2.0 >= cost).position(near).unwrap_or(0);
        board.queue.remove(index)
    }

    fn finished(&self, unit: &Unit) {
        let now = self.cx.clock.now();
        let mut board = self.board();
        board.done_us += unit.cost_us;
        if unit.phase == Phase::Catalog {
            return;
        }
        board.done += unit.covers();
        if unit.phase == Phase::Hot {
            board.hot_left -= 1;
            if board.hot_left == 0 {
                board.hot_done = Some(now);
            }
        }
        let since = |then: Timestamp| Duration::try_from(now - then).unwrap_or_default();
        if board.told.is_some_and(|told| since(told) < Duration::from_secs(1)) && board.done < board.total {
            return;
        }
        board.told = Some(now);
        let left = remaining(since(self.began), board.done_us, board.cost_us);
        let hot = if board.hot_left > 0 { ", the most read ones first" } else { "" };
        let text = format!(
            "analysed {} of {} tables{hot}; database {}, about {left} left",
            board.done, board.total, unit.database
        );
        drop(board);
        self.cx.progress.say(text);
    }

    async fn timed(&self, session: &mut Session, unit: &Unit) -> Result<(Ending, Duration)> {
        let began = self.cx.clock.now();
        let ending = session.analyze(unit).await?;
        Ok((ending, Duration::try_from(self.cx.clock.now() - began).unwrap_or_default()))
    }

    fn over(&self, unit: &Unit, took: Duration, failed: Option<&str>) {
        if unit.phase == Phase::Catalog {
            return;
        }
        self.board().over.push(Timed {
            database: unit.database.clone(),
            tables: unit.tables.iter().map(|table| table.sql.clone()).collect(),
            milliseconds: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            failed: failed.map(str::to_owned),
        });
    }

    fn fail(&self, unit: &Unit, took: Duration, reason: &str) {
        self.over(unit, took, Some(reason));
        let (database, statement) = (unit.database.clone(), unit.statement());
        tracing::warn!(database, statement, reason, "a table could not be analysed");
        self.board().failures.push(Failure { database, statement, reason: reason.to_owned() });
    }

    async fn session(
        &self,
        open: Option<Session>,
        database: &str,
        lock_timeout: &'static str,
    ) -> Result<Session> {
        match open {
            Some(session) if session.database == database && session.lock_timeout == lock_timeout => {
                Ok(session)
            }
            _ => Session::open(self.cx, self.login, database, lock_timeout).await,
        }
    }

    fn board(&self) -> MutexGuard<'_, Board> {
        self.board.lock()
    }
}

const SHORT_LOCK: &str = "10s";
const LONG_LOCK: &str = "2min";

struct Session {
    database: String,
    lock_timeout: &'static str,
    client: Client,
    notices: UnboundedReceiver<DbError>,
}

impl Session {
    async fn open(cx: &Context, login: &Login, database: &str, lock_timeout: &'static str) -> Result<Self> {
        let (client, notices) = postgres::connect_with_notices(cx, login, database).await?;
        // Statistics that a crash loses are made again, so no commit has to wait for the disk. Not
        // every version has every timeout.
        let settings = format!(
            "SET synchronous_commit = off; SET vacuum_cost_delay = 0; SET lock_timeout = '{lock_timeout}'; \
             SELECT set_config(name, '0', false) FROM pg_catalog.pg_settings \
             WHERE name IN ('statement_timeout', 'transaction_timeout', 'idle_session_timeout', \
             'idle_in_transaction_session_timeout')"
        );
        client
            .batch_execute(&settings)
            .await
            .map_err(|error| query_failed("set up a session for ANALYZE", &error))?;
        Ok(Self { database: database.to_owned(), lock_timeout, client, notices })
    }

    async fn analyze(&mut self, unit: &Unit) -> Result<Ending> {
        let statement = unit.statement();
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
            _ if is_gone(&error) => Err(query_failed(&statement, &error)),
            Some(code) if *code == SqlState::LOCK_NOT_AVAILABLE => {
                Ok(Ending::Locked(format!("{}: another session holds a lock on the table", said(&error))))
            }
            // Dropped since the plan was made.
            Some(code) if *code == SqlState::UNDEFINED_TABLE && unit.tables.len() == 1 => Ok(Ending::Done),
            _ => Ok(Ending::Failed(said(&error))),
        }
    }
}

/// `permission denied to analyze "t", skipping it`: only a WARNING, and vacuumdb ends with success.
/// The table has no statistics.
fn is_skip(severity: &str, code: &SqlState, message: &str) -> bool {
    severity == "WARNING" && *code == SqlState::WARNING && message.contains("skipping")
}

fn remaining(taken: Duration, done_us: f64, total_us: f64) -> String {
    if done_us <= 0.0 {
        return "an unknown time".to_owned();
    }
    let left = taken.as_secs_f64() * ((total_us - done_us).max(0.0) / done_us);
    match left.round() as u64 {
        seconds @ 0..90 => format!("{seconds} s"),
        seconds => format!("{} min", seconds.div_ceil(60)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_left_follows_the_cost_and_not_the_number_of_tables() {
        assert_eq!(remaining(Duration::from_secs(10), 1.0e6, 3.0e6), "20 s");
        assert_eq!(remaining(Duration::from_secs(60), 1.0e6, 11.0e6), "10 min");
        assert_eq!(remaining(Duration::from_secs(1), 0.0, 1.0e6), "an unknown time");
    }

    #[test]
    fn a_skipped_table_is_a_failure_though_it_is_only_a_warning() {
        assert!(is_skip("WARNING", &SqlState::WARNING, "permission denied to analyze \"t\", skipping it"));
        assert!(!is_skip("NOTICE", &SqlState::WARNING, "skipping it"));
        assert!(!is_skip("WARNING", &SqlState::WARNING, "something else"));
    }
}
