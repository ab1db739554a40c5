//! The removal of what runs of a state machine have left that are over: whose they are, what is
//! still waited for, and what could not be removed.

use std::{collections::BTreeMap, time::Duration};

use runbook::{Arn, Context, Error, Result, Run, error::Then, lease};

/// A call whose answer was lost may show its effect only now.
pub const FIRST_LOOK: Duration = Duration::from_secs(60);

pub struct Leftovers<'a> {
    cx: &'a Context,
    run: &'a Run,
    /// By the name of an execution.
    over: BTreeMap<String, bool>,
    waiting: Vec<String>,
    failed: Vec<(String, Error)>,
}

impl<'a> Leftovers<'a> {
    pub fn new(cx: &'a Context, run: &'a Run) -> Self {
        Self { cx, run, over: BTreeMap::new(), waiting: Vec::new(), failed: Vec::new() }
    }

    /// The execution of that name of the same state machine, when it does not need any more what it
    /// made; nor does this run, whose last state removes it.
    pub async fn over(&mut self, name: &str) -> Result<Option<Arn>> {
        let machine = self.run.execution.as_str().rsplit_once(':').map_or("", |(machine, _)| machine);
        let execution = Arn::try_from(format!("{machine}:{name}")).map_err(Error::refused)?;
        let over = match self.over.get(name) {
            Some(over) => *over,
            None => name == self.run.name() || !lease::is_running(self.cx, &execution).await?,
        };
        self.over.insert(name.to_owned(), over);
        Ok(over.then_some(execution))
    }

    /// What has come of a step of the removal.
    pub fn note(&mut self, thing: String, removed: Result<()>) {
        match removed {
            // What RDS deletes is waited for until a look does not show it any more.
            Ok(()) => self.waiting.push(format!("{thing} to be gone")),
            Err(error) => match error.waiting_for() {
                Some(what) => self.waiting.push(what.to_owned()),
                None => self.failed.push((thing, error)),
            },
        }
    }

    /// Nothing has been noted.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.failed.is_empty()
    }

    /// Done when nothing is left; what cannot be removed is said once all else is.
    pub fn end(mut self, then: Then) -> Result<()> {
        if self.run.waited(self.cx.clock.now()) < FIRST_LOOK.min(self.run.deadline / 4) {
            self.waiting.push("what was begun last to show itself".into());
        }
        if !self.waiting.is_empty() {
            return Err(Error::NotReady(self.waiting.join("; ")));
        }
        match self.failed.len() {
            0 => Ok(()),
            1 => Err(self.failed.remove(0).1),
            number => {
                let said: Vec<_> =
                    self.failed.iter().map(|(thing, error)| format!("{thing}: {error}")).collect();
                Err(Error::failed(format!("{number} things are left:\n- {}", said.join("\n- "))).then(then))
            }
        }
    }
}
