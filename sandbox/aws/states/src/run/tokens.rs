//! Task tokens: how a worker answers a task that waits for it.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};
use serde_json::Value;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::failure::Failure;

#[derive(Debug)]
pub enum Signal {
    Heartbeat,
    Success(Value),
    Failure(Failure),
}

impl Signal {
    fn is_final(&self) -> bool {
        !matches!(self, Self::Heartbeat)
    }
}

/// Why a token is refused (errors of SendTaskSuccess in botocore's model).
#[derive(Debug, PartialEq, Eq)]
pub enum Refusal {
    /// "The provided token is not valid."
    InvalidToken,
    /// "The task token has either expired or the task associated with the token has already been
    /// closed."
    TaskTimedOut,
}

/// Every token ever issued; `None` once its task is closed.
#[derive(Debug, Default)]
pub struct Tokens(Mutex<BTreeMap<String, Option<UnboundedSender<Signal>>>>);

/// The task's end of a token. What arrives before the task listens is kept. Dropping it closes the
/// task.
pub struct Ticket {
    pub token: String,
    tokens: Arc<Tokens>,
    signals: UnboundedReceiver<Signal>,
}

impl Tokens {
    pub fn issue(self: &Arc<Self>, token: String) -> Ticket {
        let (sender, signals) = unbounded_channel();
        self.locked().insert(token.clone(), Some(sender));
        Ticket { token, tokens: Arc::clone(self), signals }
    }

    pub fn send(&self, token: &str, signal: Signal) -> Result<(), Refusal> {
        let mut tokens = self.locked();
        let task = tokens.get_mut(token).ok_or(Refusal::InvalidToken)?;
        let sender = task.as_ref().ok_or(Refusal::TaskTimedOut)?;
        let closes = signal.is_final();
        sender.send(signal).map_err(|_| Refusal::TaskTimedOut)?;
        if closes {
            *task = None;
        }
        Ok(())
    }

    fn locked(&self) -> MutexGuard<'_, BTreeMap<String, Option<UnboundedSender<Signal>>>> {
        self.0.lock()
    }
}

impl Ticket {
    /// Never ends once the final signal was taken.
    pub async fn next(&mut self) -> Signal {
        match self.signals.recv().await {
            Some(signal) => signal,
            None => std::future::pending().await,
        }
    }

    /// Closes the task; an answer that was accepted before still counts.
    pub fn close(&mut self) -> Option<Signal> {
        if let Some(task) = self.tokens.locked().get_mut(&self.token) {
            *task = None;
        }
        std::iter::from_fn(|| self.signals.try_recv().ok()).find(Signal::is_final)
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_answer_before_anyone_listens_is_kept_and_closes_the_task() {
        let tokens = Arc::new(Tokens::default());
        let mut ticket = tokens.issue("t".into());
        assert_eq!(tokens.send("t", Signal::Heartbeat), Ok(()));
        assert_eq!(tokens.send("t", Signal::Success(json!(1))), Ok(()));
        assert_eq!(tokens.send("t", Signal::Heartbeat), Err(Refusal::TaskTimedOut));
        assert!(matches!(ticket.close(), Some(Signal::Success(_))));
    }

    #[test]
    fn unknown_tokens_are_invalid_and_closed_ones_timed_out() {
        let tokens = Arc::new(Tokens::default());
        drop(tokens.issue("t".into()));
        assert_eq!(tokens.send("t", Signal::Heartbeat), Err(Refusal::TaskTimedOut));
        assert_eq!(tokens.send("u", Signal::Heartbeat), Err(Refusal::InvalidToken));
    }
}
