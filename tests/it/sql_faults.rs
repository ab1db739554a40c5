//! Every worker that speaks SQL × every fault between it and PostgreSQL, at a seeded moment of its
//! work: it is only a delay, or an error with its name and with what to do; and running again
//! succeeds. What is expected stands in `tests/data/sql-faults.txt`.
//!
//! `SQL_FAULTS_MOMENTS=20` tries more moments of each.

use std::collections::{BTreeMap, BTreeSet};

use rand::{Rng, SeedableRng, rngs::StdRng};
use runbook::{
    Context, Error, Result,
    postgres::{Programs, Tls},
    state::kebab,
};
use sandbox::{Sandbox, postgres::install, sandbox::BUCKET, trial::programs};
use serde_json::{Value, json};

use crate::canaries;

mod fenced;
mod frames;
mod held;
mod servers;
mod sync;
mod tls;
mod upgrade;
mod wire;

use servers::Servers;
use wire::{Fault, Plan, Wire};

const EXPECTED: &str = include_str!("../data/sql-faults.txt");

const FAULTS: [(&str, Fault); 11] = [
    ("refused", Fault::Refused),
    ("reset", Fault::Reset),
    ("lost", Fault::Lost),
    ("torn", Fault::Torn),
    ("57P01", Fault::Says("57P01")),
    ("57014", Fault::Says("57014")),
    ("55P03", Fault::Says("55P03")),
    ("40P01", Fault::Says("40P01")),
    ("53100", Fault::Says("53100")),
    ("53300", Fault::Says("53300")),
    ("25006", Fault::Says("25006")),
];

/// Whoever changes something cannot on a reader.
const WRITES: [&str; 13] = [
    "ALTER", "ANALYZE", "COMMENT", "CREATE", "DO", "DROP", "GRANT", "INSERT", "REFRESH", "REINDEX", "REVOKE",
    "TRUNCATE", "UPDATE",
];

/// Worker, or worker and the first word of the statement → fault → what is expected.
fn expected() -> BTreeMap<&'static str, BTreeMap<&'static str, &'static str>> {
    let lines = EXPECTED.lines().filter(|line| !line.starts_with("# ") && *line != "#");
    let mut names: Vec<&str> = Vec::new();
    let mut table = BTreeMap::new();
    for line in EXPECTED.lines().filter(|line| line.starts_with('#')) {
        let words: Vec<&str> = line.trim_start_matches('#').split_whitespace().collect();
        if words.first() == Some(&"refused") {
            names = words;
        }
    }
    for line in lines {
        let mut words = line.split_whitespace();
        let of = words.next().expect("a line begins with a worker");
        table.insert(of, names.iter().copied().zip(words).collect());
    }
    table
}

fn outcome(answer: &Result<Value>) -> &'static str {
    match answer {
        Ok(_) => "delay",
        Err(error) if error.waiting_for().is_some() => "delay",
        Err(error) => error.name(),
    }
}

/// One worker, what it is called with, and where.
struct Bench<'a> {
    sandbox: &'a Sandbox,
    programs: Programs,
    state: &'static str,
    payload: Value,
    /// The clusters that it speaks to.
    resource_ids: Vec<String>,
    /// Faults at the first statement with those words, whatever the seed comes to.
    at_words: &'static [(&'static str, &'static str)],
}

impl Bench<'_> {
    async fn call(&self, tls: Tls) -> Result<Value> {
        let cx = Context::new(&self.sandbox.sdk("owner"), self.sandbox.clock, BUCKET.to_owned(), tls);
        let cx = cx.with_programs(self.programs.clone());
        // As if it were entered now: many moments take longer than a deadline.
        let mut payload = self.payload.clone();
        payload["run"]["entered"] = json!(self.sandbox.clock.now());
        let known = workers::call(&kebab(self.state), &cx, payload).await;
        known.expect("the workers have the state")
    }

    /// Runs until it is done, as Step Functions calls it again.
    async fn done(&self) -> Value {
        let mut said = Vec::new();
        for _ in 0..5 {
            match self.call(Tls::Disable).await {
                Ok(output) => return output,
                Err(error) if error.waiting_for().is_some() => said.push(error.to_string()),
                Err(error) => panic!("{}: {}: {error}", self.state, error.name()),
            }
        }
        panic!("{} is not done after five attempts: {said:?}", self.state);
    }

    /// Every fault of the table. `fresh` makes the server as it was before the state; a state that
    /// goes on from where an attempt has come to is given the next fault there (`chained`).
    async fn meets_every_fault(&self, chained: bool, fresh: impl AsyncFn()) {
        let engine = self.sandbox.engine.as_ref().expect("the real gear");
        let wire = Wire::new(Servers::of(engine, &self.resource_ids).await);
        let laid = wire.clone();
        self.sandbox
            .rds
            .lay_wire(std::sync::Arc::new(move |client, port| Box::pin(laid.clone().carry(client, port))));
        if !chained {
            // What only a first run asks, such as for memberships.
            self.done().await;
        }
        fresh().await;
        wire.begin(None);
        self.done().await;
        let (statements, connections) = (wire.statements(), wire.connections());
        let mut random = StdRng::seed_from_u64(statements.len() as u64);
        let moments: usize = std::env::var("SQL_FAULTS_MOMENTS").map_or(1, |text| text.parse().unwrap());
        let mut plans = Vec::new();
        for (name, fault) in FAULTS {
            let moments = (0..moments).filter_map(|_| moment(fault, &statements, connections, &mut random));
            plans.extend(moments.map(|at| (name, Plan { fault, at, words: "" })));
        }
        let tried: BTreeSet<&str> = plans.iter().map(|(name, _)| *name).collect();
        let of_words = |(name, words)| {
            let (_, fault) = *FAULTS.iter().find(|(known, _)| *known == name).expect("a fault");
            (name, Plan { fault, at: 1, words })
        };
        plans.extend(self.at_words.iter().copied().map(of_words));
        let mut under_way = false;
        for (name, plan) in plans {
            for attempt in 0.. {
                assert!(attempt < 20, "{} does not come to {name} at {plan:?}", self.state);
                if !chained || !under_way || !plan.words.is_empty() {
                    fresh().await;
                }
                wire.begin(Some(plan));
                let answer = self.call(Tls::Disable).await;
                wire.clear();
                let fired = wire.fired();
                wire.begin(None);
                under_way = answer.is_err();
                if let Some(fired) = fired {
                    self.judge(name, &fired, &answer);
                    break;
                }
                // What earlier attempts have done already is not asked for again, and it may still
                // wait for what the last fault has left.
                let goes_on = match &answer {
                    Ok(_) => true,
                    Err(error) => error.waiting_for().is_some(),
                };
                let said = answer.err().map(|error| error.to_string());
                assert!(chained && goes_on, "{} never came to {name} at {plan:?}: {said:?}", self.state);
            }
            if !chained {
                self.done().await;
            }
        }
        let none: BTreeSet<&str> =
            expected()[self.state].iter().filter(|(_, what)| **what == "-").map(|(name, _)| *name).collect();
        let untried = FAULTS.iter().map(|(name, _)| *name).filter(|name| !tried.contains(name));
        assert_eq!(untried.collect::<BTreeSet<_>>(), none, "{}: no statement fits", self.state);
        self.trusts_nobody_else(&wire).await;
        self.done().await;
    }

    fn judge(&self, name: &str, fired: &str, answer: &Result<Value>) {
        let table = expected();
        let word = fired.split_whitespace().next().unwrap_or_default();
        let several = if fired.contains(", ") { "," } else { "" };
        let lines = [format!("{}:{word}{several}", self.state), format!("{}:{word}", self.state)];
        let line = lines.iter().find_map(|line| table.get(line.as_str()));
        let line = line.unwrap_or_else(|| &table[self.state]);
        let found = outcome(answer);
        let text = answer.as_ref().err().map(Error::cause).unwrap_or_default();
        let what = format!("{} × {name} at {fired:?} is {found}: {text}", self.state);
        assert!(line[name].split('|').any(|expected| expected == found), "{what}");
        assert!(found == "delay" || text.contains("\nNext: "), "{what}");
        let rows = canaries::rows_in(&text);
        assert!(rows.is_empty(), "{what}: {rows:?}");
    }

    /// A certificate of somebody else's, or for another host, stops it before a password is sent.
    async fn trusts_nobody_else(&self, wire: &std::sync::Arc<Wire>) {
        let cx = sandbox::orders::context(self.sandbox);
        let host = runbook::aurora::clusters(&cx).await.unwrap().into_iter();
        let mut host = host.filter(|cluster| cluster.resource_id.as_str() == self.resource_ids[0]);
        let host = host.next().unwrap().shown.endpoint().unwrap().to_owned();
        let (tls, servers) = tls::untrusted(&host);
        for (name, server) in servers {
            self.sandbox.rds.lay_wire(server);
            let answer = self.call(tls.clone()).await;
            self.judge(name, "a connection", &answer);
            let text = answer.unwrap_err().to_string();
            assert!(text.contains("certificate is not trusted"), "{text}");
        }
        let laid = wire.clone();
        self.sandbox
            .rds
            .lay_wire(std::sync::Arc::new(move |client, port| Box::pin(laid.clone().carry(client, port))));
    }
}

/// A statement, or a connection, that the fault fits.
fn moment(fault: Fault, statements: &[String], connections: usize, random: &mut StdRng) -> Option<usize> {
    match fault {
        Fault::Refused => return Some(1),
        Fault::Says("53300") => return Some(random.random_range(1..=connections)),
        _ => {}
    }
    let writes = |sql: &str| sql.split_whitespace().next().is_some_and(|word| WRITES.contains(&word));
    let fits = |sql: &String| fault != Fault::Says("25006") || writes(sql);
    let fitting: Vec<usize> =
        statements.iter().enumerate().filter(|(_, sql)| fits(sql)).map(|(at, _)| at + 1).collect();
    (!fitting.is_empty()).then(|| fitting[random.random_range(0..fitting.len())])
}

async fn bench<'a>(
    sandbox: &'a Sandbox,
    state: &'static str,
    payload: Value,
    resource_ids: Vec<String>,
) -> Bench<'a> {
    let programs = programs(&install().await.expect("PostgreSQL is there"));
    Bench { sandbox, programs, state, payload, resource_ids, at_words: &[] }
}

#[test]
fn every_worker_that_speaks_sql_is_in_the_table_and_is_tried() {
    let table = expected();
    let names: BTreeSet<&str> =
        FAULTS.iter().map(|(name, _)| *name).chain(["wrong-ca", "wrong-name"]).collect();
    for (of, line) in &table {
        assert_eq!(line.keys().copied().collect::<BTreeSet<_>>(), names, "{of}");
    }
    let listed: BTreeSet<&str> = table.keys().map(|of| of.split(':').next().unwrap()).collect();
    let tried: BTreeSet<&str> = upgrade::STATES.into_iter().chain(sync::STATES).collect();
    // ReconcileExport speaks no SQL. AnalyzeGreen is RunAnalyze's code, and SwitchOver only looks.
    let others = ["ReconcileExport", "AnalyzeGreen", "SwitchOver"];
    let all = workers::STATES.iter().copied().filter(|state| !others.contains(state));
    assert_eq!(all.collect::<BTreeSet<_>>(), tried);
    assert_eq!(listed, tried);
}
