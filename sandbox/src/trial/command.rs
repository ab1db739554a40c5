//! `cargo sandbox try`: a policy on a throw-away server, and everything that is wrong with it.

use std::{
    fmt,
    path::PathBuf,
    time::{Duration, Instant},
};

use anyhow::{bail, ensure};
use indicatif::ProgressBar;
use policy::Masking;
use runbook::{Error, Finding, postgres::random_password};
use serde_json::Value;
use workers::daily_sync::sanitize_databases::{cut::Wire, record::Record};

use super::{Trial, policy_file, server::Server};
use crate::console::{print_above, spinner};

#[derive(Debug, clap::Args)]
pub struct Order {
    /// The server: postgres://user:password@host:port. Every database of it is tried. PGPASSWORD
    /// may hold the password.
    #[arg(long)]
    pub url: String,
    /// A policy; or what stands under its `masking`; or only its databases, as `policy draft`
    /// prints them.
    #[arg(long, value_name = "FILE")]
    pub policy: PathBuf,
    /// Which sync of the policy, where it has several.
    #[arg(long, value_name = "NAME")]
    pub sync: Option<String>,
    /// The masking key: the same one makes the same replacements. [default: a random one]
    #[arg(long)]
    pub key: Option<String>,
}

/// What a trial came to.
#[derive(Debug)]
pub struct Tried {
    pub wires: Vec<Wire>,
    pub end: End,
}

#[derive(Debug)]
pub enum End {
    /// What a person must decide first.
    Undecided(Vec<Finding>),
    /// What attesting found.
    Wrong(Vec<String>),
    Attested {
        records: Vec<Record>,
        counts: Value,
    },
}

/// Tries the policy and shows it to a person.
pub async fn run(order: &Order) -> anyhow::Result<()> {
    let line = spinner();
    let tried = tried(order, &line).await;
    line.finish_and_clear();
    let tried = tried?;
    println!("\n{tried}");
    if matches!(tried.end, End::Attested { .. }) { Ok(()) } else { bail!("the policy does not hold yet") }
}

/// Cut, mask, attest, as a run does, each step a line.
pub async fn tried(order: &Order, line: &ProgressBar) -> anyhow::Result<Tried> {
    let masking = policy_file::read(&order.policy, order.sync.as_deref())?;
    let key = order.key.clone().unwrap_or_else(random_password);
    ensure!(key.len() >= 16, "--key has fewer than 16 characters");
    line.set_message("looking at the server");
    let server = Server::open(&order.url).await?;
    let user = if server.superuser { "a superuser" } else { "no superuser, as a run's" };
    print_above(line, &format!("PostgreSQL {}, whose login is {user}", server.version));
    for database in &server.removed {
        print_above(line, &format!("  {database}, left by an earlier trial, is dropped"));
    }
    let trial = Trial::new(server.login.clone(), server.tls.clone(), server.programs.clone())?;
    let progress = trial.cx.progress.clone();
    let watch = async {
        loop {
            line.set_message(progress.last());
            tokio::time::sleep(Duration::from_millis(120)).await;
        }
    };
    tokio::select! {
        tried = steps(&trial, &masking, &key, line) => tried,
        never = watch => never,
        _ = tokio::signal::ctrl_c() => bail!("stopped by Ctrl-C; what it has begun goes with the next trial"),
    }
}

async fn steps(trial: &Trial, masking: &Masking, key: &str, line: &ProgressBar) -> anyhow::Result<Tried> {
    let step = |mark: &str, name: &str, began: Instant, said: String| {
        print_above(line, &format!("{mark} {name:<6} {:>5.1} s  {said}", began.elapsed().as_secs_f64()));
    };
    let began = Instant::now();
    let wires = trial.cut(masking).await?;
    let kept = wires.iter().filter(|wire| wire.kept.is_some()).count();
    step("✔", "cut", began, format!("{} live wires cut, {kept} kept by exceptions", wires.len() - kept));

    let began = Instant::now();
    let records = match trial.mask(masking, &wires, key).await {
        Err(Error::Blocked(findings)) => {
            step("✘", "mask", began, format!("to be decided first: {}", findings.len()));
            return Ok(Tried { wires, end: End::Undecided(findings) });
        }
        records => records?,
    };
    let tables: usize = records.iter().map(|record| record.tables.len()).sum();
    let rows: u64 = records.iter().flat_map(|record| &record.tables).map(|table| table.rows).sum();
    step(
        "✔",
        "mask",
        began,
        format!("{} databases with {tables} tables and {rows} rows made again", records.len()),
    );

    let began = Instant::now();
    let seen = trial.attest(masking, key).await?;
    if !seen.wrong.is_empty() {
        step("✘", "attest", began, format!("wrong: {}", seen.wrong.len()));
        return Ok(Tried { wires, end: End::Wrong(seen.wrong) });
    }
    step("✔", "attest", began, seen.summary);
    Ok(Tried { wires, end: End::Attested { records, counts: seen.counts } })
}

impl fmt::Display for Tried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let none = if self.wires.is_empty() { " none" } else { "" };
        writeln!(f, "Live wires:{none}")?;
        for wire in &self.wires {
            let place = wire.database.as_deref().map(|name| format!("{name}: ")).unwrap_or_default();
            let end = wire.kept.as_deref().map_or("cut".to_owned(), |why| format!("kept: {why}"));
            writeln!(f, "  {:<22} {place}{}, {end}", wire.kind.as_str(), wire.object)?;
        }
        match &self.end {
            End::Undecided(findings) => {
                for finding in findings {
                    writeln!(f, "\n{}\n  why: {}\n  do:  {}", finding.id(), finding.reason, finding.remedy)?;
                }
                write!(f, "\nChange the policy and try again on the same server.")?;
                // What a first trial has cut, a second one does not find.
                if !self.wires.is_empty() || findings.iter().any(|found| found.check == "unknown-exception") {
                    write!(f, " Where it makes an exception for a live wire, restore the dump before.")?;
                }
                Ok(())
            }
            End::Wrong(wrong) => {
                writeln!(f, "\nThe copy is not sanitised; a run would publish nothing:")?;
                wrong.iter().try_for_each(|what| writeln!(f, "- {what}"))?;
                write!(f, "\nLet the policy cover it, restore the dump again, and try again.")
            }
            End::Attested { records, counts } => {
                for record in records {
                    writeln!(f, "\nDatabase {}", record.database)?;
                    for table in &record.tables {
                        let done = if table.masked { "masked" } else { "kept" };
                        writeln!(f, "  {:<40} {:>9} rows  {done}", table.table.to_string(), table.rows)?;
                    }
                    record.lost.iter().try_for_each(|lost| writeln!(f, "  lost: {lost}"))?;
                }
                write!(f, "\nThe policy holds. Attested: {counts}")
            }
        }
    }
}
