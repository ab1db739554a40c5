//! `cargo sandbox`: runs a runbook end to end in a local AWS, or keeps such an AWS running.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a person sits before it")]

use std::path::PathBuf;

use clap::{Parser, Subcommand};
use sandbox::{
    Gear, Options,
    bench::{self, Bench},
    blue_green,
    console::{self, World},
    export, preview,
    terminal::Terminal,
    trial,
};

/// A local AWS on real PostgreSQL.
#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// How many times faster than AWS time runs.
    #[arg(long, default_value_t = 60.0, global = true)]
    speed: f64,
    /// Only the run's report on stdout, as report.json has it; all else on stderr.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Subcommand)]
enum Command {
    /// Upgrades a cluster with a shop inside from PostgreSQL 16 to 18.
    MajorUpgrade {
        /// The target version.
        #[arg(long, default_value = "18")]
        target: String,
        /// Where the run's objects are left.
        #[arg(long, default_value = "target/sandbox")]
        out: PathBuf,
    },
    /// Rehearses an upgrade of the cluster `orders` on a clone.
    Rehearse {
        /// The target version.
        #[arg(long, default_value = "18")]
        target: String,
        /// Where the run's objects are left.
        #[arg(long, default_value = "target/sandbox")]
        out: PathBuf,
    },
    /// Upgrades the cluster `orders` by Blue/Green and a twin of it in place, under the same load.
    BlueGreen {
        /// The target version.
        #[arg(long, default_value = "18")]
        target: String,
        /// Where the runs' objects are left.
        #[arg(long, default_value = "target/sandbox")]
        out: PathBuf,
    },
    /// Upgrades the clusters with a tag, after rehearsing them: a canary first.
    Fleet {
        /// The target version.
        #[arg(long, default_value = "18")]
        target: String,
        /// Where the run's objects are left.
        #[arg(long, default_value = "target/sandbox")]
        out: PathBuf,
    },
    /// Syncs a sanitised copy of production's cluster into two environments of another account.
    DailySync {
        /// Where the run's objects are left.
        #[arg(long, default_value = "target/sandbox")]
        out: PathBuf,
    },
    /// Exports an automated snapshot to S3 as Parquet, started by its event, and publishes it.
    SnapshotExport {
        /// Where the run's objects are left, the files too.
        #[arg(long, default_value = "target/sandbox")]
        out: PathBuf,
    },
    /// Tries a policy on a throw-away PostgreSQL server: cuts, masks and attests as a run does.
    Try(trial::command::Order),
    /// Writes what people see of a run that ended in each way, to be looked at.
    Preview {
        /// Where the pages are left.
        #[arg(long, default_value = "target/preview")]
        out: PathBuf,
    },
    /// Measures ours beside what else could do the same: one of them, or all in a row.
    Bench {
        #[command(subcommand)]
        what: Option<Bench>,
    },
    /// Keeps a local AWS running until Ctrl-C.
    Up {
        /// What it begins with.
        #[arg(long, value_enum, default_value_t = World::MajorUpgrade)]
        world: World,
        #[arg(long, default_value_t = 4566)]
        port: u16,
        /// Leave Step Functions to another endpoint, e.g. http://127.0.0.1:8083.
        #[arg(long, value_name = "URL")]
        stepfunctions: Option<String>,
    },
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "warn".into());
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let cli = Cli::parse();
    let options = Options { gear: Gear::Real { speed: cli.speed }, keep_logs: true, ..Options::real() };
    let terminal = Terminal::new(cli.json);
    match cli.command {
        Command::MajorUpgrade { target, out } => {
            console::major_upgrade(options, &target, &out, terminal).await
        }
        Command::Rehearse { target, out } => console::rehearse(options, &target, &out, terminal).await,
        Command::BlueGreen { target, out } => blue_green::blue_green(options, &target, &out, terminal).await,
        Command::Fleet { target, out } => console::fleet(options, &target, &out, terminal).await,
        Command::DailySync { out } => console::daily_sync(options, &out, terminal).await,
        Command::SnapshotExport { out } => export::snapshot_export(options, &out, terminal).await,
        Command::Try(order) => trial::command::run(&order).await,
        Command::Preview { out } => preview::write(&out),
        Command::Bench { what } => bench::run(what).await,
        Command::Up { world, port, stepfunctions } => {
            console::up(Options { port, stepfunctions, ..options }, world).await
        }
    }
}
