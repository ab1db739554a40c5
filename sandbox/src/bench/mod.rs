//! `cargo sandbox bench`: ours beside what else could do the same, in alternating runs of one
//! session. docs/performance.md explains every figure.

use std::fmt::Write as _;

use clap::Subcommand;
use comfy_table::{CellAlignment, Table, presets};
use runbook::postgres::Login;

use crate::{
    postgres::PostgresEngine,
    rds::engine::{Engine as _, NewCluster, Parameters},
};

mod analyze;
mod carried;
mod cold_start;
mod export;
mod masking;
mod peers;
mod sanitize;
mod waiting;

/// Of every benchmark's server.
const ID: &str = "benchmark";

/// A server of a benchmark's own, empty; how one logs in.
async fn server(
    engine: &PostgresEngine,
    version: &str,
    database: &str,
    parameters: &Parameters,
) -> anyhow::Result<Login> {
    const PASSWORD: &str = "benchmark";
    let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let new = NewCluster {
        resource_id: ID,
        engine_version: version,
        master_username: "postgres",
        master_password: PASSWORD,
        database_name: Some(database),
        port,
        parameters,
    };
    engine.create(new).await?;
    Ok(Login { host: "127.0.0.1".into(), port, user: "postgres".into(), password: PASSWORD.into() })
}

/// What was read and analysed in a database is forgotten: only the superuser may do that.
async fn forget(engine: &PostgresEngine, database: &str) -> anyhow::Result<()> {
    let admin = engine.connect(ID, "rdsadmin", database).await?;
    Ok(admin.batch_execute("SELECT pg_stat_reset()").await?)
}

pub use waiting::{LENGTHS, Times, Waited, sync_waits, upgrade_waits};

#[derive(Debug, Clone, Subcommand)]
pub enum Bench {
    /// A function's start to its first answer, beside Python's and Node's.
    ColdStart {
        #[arg(long, default_value_t = 20)]
        runs: usize,
        /// Another `bootstrap` than the one that `cargo build --release` makes.
        #[arg(long)]
        bootstrap: Option<std::path::PathBuf>,
    },
    /// RunAnalyze beside vacuumdb.
    Analyze {
        #[arg(long, default_value_t = 3)]
        runs: usize,
    },
    /// Statistics that an upgrade has lost, written back, beside gathering them.
    Statistics {
        #[arg(long, default_value_t = 1_000)]
        tables: usize,
        /// Of each table; given twice, both are measured.
        #[arg(long, default_values_t = [100, 2_000])]
        rows: Vec<usize>,
    },
    /// What of an upgrade and of a sync is AWS's own time, ours, and waiting for the next poll.
    Waiting,
    /// A sync's masking and attesting as the number of tables grows, and the memory they take.
    Sanitize {
        #[arg(long, default_value_t = 1_000)]
        tables: usize,
        /// That the tables are spread over.
        #[arg(long, default_value_t = 20)]
        databases: usize,
        /// Of each table.
        #[arg(long, default_value_t = 400)]
        rows: usize,
    },
    /// Masking beside UPDATE and VACUUM FULL.
    Masking {
        #[arg(long, default_value_t = 300_000)]
        rows: u32,
    },
    /// The comparison of exported files with their source.
    Export {
        #[arg(long, default_value_t = 1_000)]
        tables: usize,
        /// Of each table.
        #[arg(long, default_value_t = 10)]
        files: usize,
    },
}

/// All of them when none is named.
pub async fn run(bench: Option<Bench>) -> anyhow::Result<()> {
    let all = [
        Bench::Waiting,
        Bench::ColdStart { runs: 20, bootstrap: None },
        Bench::Analyze { runs: 3 },
        Bench::Statistics { tables: 1_000, rows: vec![100, 2_000] },
        Bench::Masking { rows: 300_000 },
        Bench::Sanitize { tables: 1_000, databases: 20, rows: 400 },
        Bench::Export { tables: 1_000, files: 10 },
    ];
    let wanted = bench.map_or_else(|| all.to_vec(), |one| vec![one]);
    for bench in wanted {
        match bench {
            Bench::ColdStart { runs, bootstrap } => cold_start::run(runs, bootstrap).await?,
            Bench::Analyze { runs } => analyze::run(runs).await?,
            Bench::Statistics { tables, rows } => carried::run(tables, &rows).await?,
            Bench::Waiting => waiting::run()?,
            Bench::Masking { rows } => masking::run(rows).await?,
            Bench::Sanitize { tables, databases, rows } => sanitize::run(tables, databases, rows).await?,
            Bench::Export { tables, files } => export::run(tables, files).await?,
        }
        println!();
    }
    Ok(())
}

/// The middle of the values, and between which two the half of them lies.
#[derive(Debug, Clone, Copy)]
struct Spread {
    median: f64,
    low: f64,
    high: f64,
}

impl Spread {
    fn of(values: &[f64]) -> Option<Self> {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let at = |part: f64| {
            let place = part * (sorted.len().checked_sub(1)? as f64);
            let (below, above) = (*sorted.get(place.floor() as usize)?, *sorted.get(place.ceil() as usize)?);
            Some(below + (above - below) * place.fract())
        };
        Some(Self { median: at(0.5)?, low: at(0.25)?, high: at(0.75)? })
    }

    /// How many times as much the others took, run by run: what disturbs one disturbs its
    /// neighbour.
    fn ratio(ours: &[f64], theirs: &[f64]) -> Option<Self> {
        let ratios: Vec<f64> = ours.iter().zip(theirs).map(|(ours, theirs)| theirs / ours).collect();
        Self::of(&ratios)
    }

    fn show(self, digits: usize) -> String {
        let Self { median, low, high } = self;
        format!("{median:.digits$} ({low:.digits$}–{high:.digits$})")
    }
}

fn shown(spread: Option<Spread>, digits: usize) -> String {
    spread.map_or_else(|| "–".to_owned(), |spread| spread.show(digits))
}

fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(header);
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

/// The machine, in a line: every figure is of one.
fn machine() -> String {
    let mut text = format!(
        "{} of {} cores",
        std::thread::available_parallelism().map_or(1, usize::from),
        std::env::consts::ARCH
    );
    if let Ok(load) = std::fs::read_to_string("/proc/loadavg") {
        let _ = write!(text, ", load {}", load.split(' ').next().unwrap_or_default());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_is_the_middle_and_the_half_around_it() {
        let spread = Spread::of(&[5.0, 1.0, 3.0, 2.0, 4.0]).unwrap();
        assert_eq!((spread.low, spread.median, spread.high), (2.0, 3.0, 4.0));
        assert_eq!(Spread::of(&[1.0, 2.0]).unwrap().show(1), "1.5 (1.2–1.8)");
        assert!(Spread::of(&[]).is_none());
        assert_eq!(Spread::ratio(&[1.0, 2.0], &[2.0, 8.0]).unwrap().median, 3.0);
    }
}
