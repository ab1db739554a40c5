//! `cargo run --bin acceptance`: asks a real account what only AWS can settle.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a person sits before it")]

use std::{path::PathBuf, process::ExitCode};

use acceptance::{
    check::Verdict,
    clean,
    report::Finding,
    subject::{Named, Subject},
};
use anyhow::Result;
use aws_config::{BehaviorVersion, Region};
use clap::Parser;
use runbook::{clock::Clock, postgres::Tls};

/// Tries on a throw-away cluster what the local AWS claims of AWS, writes a report, and removes
/// what it made. docs/acceptance.md says what it costs.
#[derive(Parser)]
struct Cli {
    /// The account's number. Credentials of another one are refused.
    #[arg(long)]
    account: String,
    #[arg(long)]
    region: String,
    /// The cluster of acceptance/terraform, tagged as the one to try things on.
    #[arg(long)]
    cluster: String,
    /// The role of acceptance/terraform. Without it permissions are not asked about.
    #[arg(long)]
    role: Option<String>,
    /// The ARN of a snapshot that another account shares with this one.
    #[arg(long)]
    shared_snapshot: Option<String>,
    /// Upgrade the cluster to its newest target, too, and watch.
    #[arg(long)]
    upgrade: bool,
    /// Ask only the checks whose name contains this.
    #[arg(long, default_value = "")]
    only: String,
    /// Only remove what an earlier run left.
    #[arg(long)]
    clean: bool,
    /// Where the report is written.
    #[arg(long, default_value = "target/acceptance")]
    out: PathBuf,
}

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let Cli { account, region, cluster, role, shared_snapshot, upgrade, only, clean, out } = Cli::parse();
    let config =
        aws_config::defaults(BehaviorVersion::v2026_01_12()).region(Region::new(region.clone())).load().await;
    let named = Named { account, region, cluster, role, shared_snapshot, upgrade };
    // What removes needs no PostgreSQL.
    let tls = if clean { None } else { Some(Tls::from_environment()?) };
    let subject = Subject::new(&config, Clock::from_environment()?, tls, named).await?;
    if clean {
        let cleaned = clean::all(&subject).await;
        println!("{}", clean::said(&cleaned));
        return Ok(if cleaned.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
    let stop = async {
        // Where no signal can be heard the run ends by itself.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        println!("Stopped. What was made is removed; that takes a while.");
    };
    let say = |finding: &Finding| {
        println!("{:12} {}: {}", finding.verdict.text(), finding.name, finding.answered);
    };
    let report = acceptance::run(&subject, &|check| check.name.contains(&only), &say, stop).await;
    report.write(&out)?;
    println!("\n{}\nReport: {}", report.cleaned, out.join("acceptance.md").display());
    let well = report.count(Verdict::Disagreed) == 0 && report.clean && !report.stopped;
    Ok(if well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
