//! Runs the plan: several connections take from one queue, across all databases.

use std::{collections::VecDeque, time::Duration};

use parking_lot::{Mutex, MutexGuard};
use serde::{Deserialize, Serialize};

use futures::future::try_join_all;
use jiff::Timestamp;
use runbook::{Context, Result};

use super::{
    plan::{self, Phase, Unit},
    sessions::{Ending, For, Session, Sessions},
};

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

const FIRST_STAGE: Phase = Phase::Rough(plan::STAGES[0]);

fn is_hot(phase: Phase) -> bool {
    matches!(phase, Phase::Bare | Phase::Hot)
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
    rough_left: usize,
    rough_done: Option<Timestamp>,
    hot_left: usize,
    hot_done: Option<Timestamp>,
}

#[derive(Debug)]
pub struct Outcome {
    pub failures: Vec<Failure>,
    pub over: Vec<Timed>,
    /// When the hot set had rough ones, if it was staged.
    pub rough_done: Option<Timestamp>,
    /// When the hot set had its statistics.
    pub hot_done: Option<Timestamp>,
}

pub struct Work<'a> {
    cx: &'a Context,
    sessions: &'a Sessions<'a>,
    began: Timestamp,
    board: Mutex<Board>,
}

impl<'a> Work<'a> {
    pub fn new(cx: &'a Context, sessions: &'a Sessions<'a>, units: Vec<Unit>) -> Self {
        let counted = |unit: &&Unit| unit.phase.counts();
        let board = Board {
            total: units.iter().filter(counted).map(Unit::covers).sum(),
            cost_us: units.iter().map(|unit| unit.cost_us).sum(),
            rough_left: units.iter().filter(|unit| unit.phase == FIRST_STAGE).count(),
            hot_left: units.iter().filter(|unit| is_hot(unit.phase)).count(),
            queue: units.into(),
            later: Vec::new(),
            failures: Vec::new(),
            over: Vec::new(),
            done: 0,
            done_us: 0.0,
            told: None,
            rough_done: None,
            hot_done: None,
        };
        Self { cx, sessions, began: cx.clock.now(), board: Mutex::new(board) }
    }

    pub async fn run(self, connections: usize) -> Result<Outcome> {
        try_join_all((0..connections).map(|_| self.take_turns())).await?;
        let later = std::mem::take(&mut self.board().later);
        for unit in later {
            self.cx.progress.say(format!(
                "waiting for a lock in database {}: {}",
                unit.database,
                unit.statement()
            ));
            let mut session = self.sessions.take(&unit.database, For::Locked).await?;
            let (ending, took) = self.timed(&mut session, &unit).await?;
            match ending {
                Ending::Done => self.over(&unit, took, None),
                Ending::Locked(reason) | Ending::Failed(reason) => self.fail(&unit, took, &reason),
            }
            self.sessions.give_back(session);
        }
        let board = self.board.into_inner();
        let Board { failures, over, rough_done, hot_done, .. } = board;
        Ok(Outcome { failures, over, rough_done, hot_done })
    }

    /// One connection's work: a unit after the other until the queue is empty. A failed table ends
    /// nobody's work; a lost server ends all.
    async fn take_turns(&self) -> Result<()> {
        let mut session: Option<Session> = None;
        while let Some(unit) = self.next(session.as_ref().map(|session| session.database.as_str())) {
            let mut open = match session.take() {
                Some(open) if open.database == unit.database => open,
                other => {
                    other.into_iter().for_each(|other| self.sessions.give_back(other));
                    self.sessions.take(&unit.database, For::Analyze).await?
                }
            };
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
            // Its turn at its own target says why.
            _ if !unit.phase.counts() => {}
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
        if unit.phase == FIRST_STAGE {
            board.rough_left -= 1;
            if board.rough_left == 0 {
                board.rough_done = Some(now);
            }
        }
        if !unit.phase.counts() {
            return;
        }
        board.done += unit.covers();
        if is_hot(unit.phase) {
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
        if !unit.phase.counts() {
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

    fn board(&self) -> MutexGuard<'_, Board> {
        self.board.lock()
    }
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
}
