//! What the fixtures are made of.

use functions::report_run::report::{Answer, Cost, Item, Kind, Link, Place, Report, Step, VERSION};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

pub struct Fixture {
    pub name: &'static str,
    pub report: Report,
}

impl Fixture {
    pub fn new(name: &'static str, report: Report) -> Self {
        Self { name, report }
    }
}

/// So many seconds after the run began, in the night of 25 November 2026.
pub fn at(second: i64) -> Timestamp {
    let began: Timestamp = "2026-11-25T01:00:00Z".parse().unwrap_or_default();
    began + SignedDuration::from_secs(second)
}

/// A run that began and nothing else.
pub fn begun(runbook: &str, name: &str, input: Value) -> Report {
    let of = |kind: &str, rest: &str| format!("arn:aws:states:eu-west-1:444455556666:{kind}:{rest}");
    let execution = of("execution", &format!("aurora-runbooks-{runbook}:{name}"));
    let text = |name: &str| input.get(name).and_then(Value::as_str).map(str::to_owned);
    Report {
        version: VERSION,
        name: name.to_owned(),
        state_machine: of("stateMachine", &format!("aurora-runbooks-{runbook}")),
        runbook: runbook.to_owned(),
        status: "RUNNING".to_owned(),
        cluster: text("cluster"),
        sync: text("sync"),
        tell: policy::default_tell(),
        started: at(0),
        written: at(0),
        links: vec![
            Link {
                title: "Execution".to_owned(),
                url: format!(
                    "https://eu-west-1.console.aws.amazon.com/states/home?region=eu-west-1#/v2/executions/details/\
                     {execution}"
                ),
            },
            Link {
                title: "Cluster orders".to_owned(),
                url: "https://eu-west-1.console.aws.amazon.com/rds/home?region=eu-west-1#database:id=orders;\
                      is-cluster=true"
                    .to_owned(),
            },
        ],
        execution,
        input,
        ..Report::default()
    }
}

/// Ends it at that second.
pub fn ended(report: &mut Report, status: &str, kind: Kind, second: i64) {
    (report.status, report.kind) = (status.to_owned(), kind);
    (report.stopped, report.written, report.total) = (Some(at(second)), at(second + 4), second);
    if let Some(taken) = report.data_taken {
        report.data_age = Some(report.until().duration_since(taken).as_secs());
    }
}

/// Ends it with what an error of ours says.
pub fn failed(report: &mut Report, error: &str, parts: (&str, &str, &str), next: &str) {
    let (found, changed, remedy) = parts;
    report.error = Some(error.to_owned());
    report.cause = Some(format!("{found}\nChanged: {changed}\nNext: {remedy}: {next}"));
    report.found = Some(found.to_owned());
    report.changed = Some(changed.to_owned());
    report.remedy = Some(remedy.to_owned());
    report.next = Some(next.to_owned());
}

pub fn redrive(report: &Report) -> String {
    format!("aws stepfunctions redrive-execution --execution-arn {}", report.execution)
}

pub fn start(report: &Report) -> String {
    format!(
        "aws stepfunctions start-execution --state-machine-arn {} --input '{}'",
        report.state_machine, report.input
    )
}

/// A state that was done.
pub fn step(state: &str, from: i64, until: i64, summary: &str) -> Step {
    Step { exited: Some(at(until)), summary: Some(summary.to_owned()), ..Step::entered(state, at(from)) }
}

/// One that is not done.
pub fn open(state: &str, from: i64) -> Step {
    Step::entered(state, at(from))
}

pub trait Course: Sized {
    /// For one of several targets.
    fn of(self, target: &str) -> Self;
    fn on_a_worker(self) -> Self;
    /// Polled as the machine does: after 5 s at first, never later than a minute.
    fn polled(self, until: i64, sentences: &[&str]) -> Self;
    fn answered(self, second: i64, error: &str, said: &str) -> Self;
}

impl Course for Step {
    fn of(self, target: &str) -> Self {
        Self { of: Some(target.to_owned()), ..self }
    }

    fn on_a_worker(self) -> Self {
        Self { place: Place::Worker, ..self }
    }

    fn polled(mut self, until: i64, sentences: &[&str]) -> Self {
        let (mut next, mut wait) = (self.entered.duration_since(at(0)).as_secs() + 2, 5.0_f64);
        let mut times = Vec::new();
        while next < until {
            times.push(next);
            next += wait as i64;
            wait = (wait * 1.5).min(60.0);
        }
        let share = times.len().div_ceil(sentences.len().max(1)).max(1);
        for (number, time) in times.iter().enumerate() {
            let said = sentences.get(number / share).filter(|_| number % share == 0);
            self.answers.push(Answer {
                at: at(*time),
                error: "NotReady".to_owned(),
                said: said.map(|said| format!("waiting for {said}")),
            });
        }
        self.polls += u32::try_from(times.len()).unwrap_or_default();
        self
    }

    fn answered(mut self, second: i64, error: &str, said: &str) -> Self {
        self.answers.push(Answer { at: at(second), error: error.to_owned(), said: Some(said.to_owned()) });
        self.answers.sort_by_key(|answer| answer.at);
        match self.exited {
            // It was tried again.
            Some(_) => self.retries += 1,
            None => self.error = Some(format!("{error}: {said}")),
        }
        self
    }
}

/// By made-up prices: the module has none of its own.
pub fn cost(items: &[(&str, f64, &str, f64)]) -> Cost {
    let items: Vec<Item> = items
        .iter()
        .map(|(what, quantity, unit, price)| Item {
            what: (*what).to_owned(),
            quantity: *quantity,
            unit: (*unit).to_owned(),
            price: *price,
            amount: quantity * price,
        })
        .collect();
    Cost { currency: "USD".to_owned(), amount: items.iter().map(|item| item.amount).sum(), items }
}

pub fn upgrade_input() -> Value {
    json!({ "cluster": "orders", "target": "18" })
}
