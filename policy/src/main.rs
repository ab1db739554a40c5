//! The `policy` command: checks a policy, says what a run would do, makes the page that people
//! read.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command: a person or CI reads it")]
#![allow(clippy::disallowed_methods, reason = "a command runs now, in nobody's sandbox")]

use std::{path::Path, path::PathBuf, process::ExitCode};

use anyhow::Context;
use clap::{Parser, Subcommand};
use jiff::{Timestamp, Zoned, civil};
use policy::{Choice, Errors, Export, Otherwise, Policy, Sync, TableRule, page};

#[derive(Parser)]
#[command(name = "policy", about = "What every daily sync does, as one YAML file says it", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Says everything that is wrong with a policy, by line and field
    Check { file: PathBuf },
    /// Says which snapshot a run would choose, and why not the others
    Explain {
        file: PathBuf,
        /// The name of the sync
        sync: String,
        /// The start of the run: a time of day in the schedule's zone (2026-03-29T03:30), or any
        /// with an offset [default: now]
        #[arg(long)]
        at: Option<String>,
        /// What `aws rds describe-db-cluster-snapshots --db-cluster-identifier …` printed; - reads
        /// it from standard input
        #[arg(long)]
        snapshots: PathBuf,
    },
    /// Makes the page that people read (Markdown), or checks that a page is the policy's
    Calendar {
        file: PathBuf,
        /// The first day whose starts are listed [default: the page's own for --check, else today]
        #[arg(long)]
        from: Option<civil::Date>,
        /// Compare with this page; when it is stale, show what differs and fail
        #[arg(long)]
        check: Option<PathBuf>,
    },
    /// Prints the JSON Schema of a policy
    Schema,
    /// Proposes the rules of a database, to be checked by people: `policy draft --script >
    /// draft.sql; psql -XAtq -f draft.sql shop | policy draft shop`
    Draft {
        /// The database
        database: Option<String>,
        /// Print the script that looks into a database
        #[arg(long, conflicts_with = "database", required_unless_present = "database")]
        script: bool,
    },
}

fn main() -> ExitCode {
    match run(Arguments::parse().command) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Check { file } => read_policy(&file).map(|policy| println!("{}", summary(&policy)))?,
        Command::Explain { file, sync, at, snapshots } => {
            return explain(&read_policy(&file)?, &sync, at, &snapshots);
        }
        Command::Calendar { file, from, check: None } => {
            print!("{}", page::render(&read_policy(&file)?, from.unwrap_or_else(|| Zoned::now().date())));
        }
        Command::Calendar { file, from, check: Some(path) } => {
            return check_page(&read_policy(&file)?, from, &path);
        }
        Command::Draft { database: Some(database), .. } => {
            print!("{}", policy::draft::draft(&database, &std::io::read_to_string(std::io::stdin())?)?);
        }
        Command::Draft { .. } => print!("{}", policy::draft::script()),
        Command::Schema => println!("{}", serde_json::to_string_pretty(&policy::schema())?),
    }
    Ok(ExitCode::SUCCESS)
}

/// In the form that editors and CI make links of: file, line, column.
fn read_policy(file: &Path) -> anyhow::Result<Policy> {
    let name = file.display();
    let text = std::fs::read_to_string(file).with_context(|| format!("could not read {name}"))?;
    Policy::parse(&text).map_err(|Errors(errors)| {
        let lines =
            errors.iter().map(|error| format!("{name}:{}:{}: {}", error.line, error.column, error.what()));
        anyhow::anyhow!("{}", lines.collect::<Vec<_>>().join("\n"))
    })
}

fn summary(policy: &Policy) -> String {
    let line = |(name, sync): (&String, &Sync)| {
        let targets = sync.targets.len();
        let Some(masking) = &sync.masking else {
            return format!("{name}: {targets} targets of what {} has sanitised", sync.source.name());
        };
        let tables = || masking.databases.values().flat_map(|rules| rules.tables.values());
        let columns: usize =
            tables().map(|rule| if let TableRule::Columns(columns) = rule { columns.len() } else { 0 }).sum();
        let databases = masking.databases.len();
        format!(
            "{name}: {targets} targets, {databases} databases, {} tables, {columns} columns",
            tables().count()
        )
    };
    let exported = |(name, export): (&String, &Export)| {
        let source = [&export.source.sync, &export.source.cluster];
        let source = source.into_iter().flatten().map(String::as_str).collect::<String>();
        format!("{name}: an export of {source} into {}", export.bucket)
    };
    let exports = policy.exports.iter().map(exported);
    policy.syncs.iter().map(line).chain(exports).collect::<Vec<_>>().join("\n")
}

fn explain(policy: &Policy, name: &str, at: Option<String>, snapshots: &Path) -> anyhow::Result<ExitCode> {
    let known = || policy.syncs.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
    let sync = policy.syncs.get(name).with_context(|| match policy.exports.contains_key(name) {
        true => format!("{name:?} is an export: syncs are explained"),
        false => format!("{name:?} is none of the policy's syncs: {}", known()),
    })?;
    let zone = &sync.schedule.time_zone;
    let at = match at {
        None => Zoned::now().with_time_zone(zone.clone()),
        Some(text) => match text.parse::<Timestamp>() {
            Ok(moment) => moment.to_zoned(zone.clone()),
            Err(_) => text
                .parse::<civil::DateTime>()
                .with_context(|| format!("--at {text:?} is no time"))?
                .to_zoned(zone.clone())?,
        },
    };
    let text = match snapshots.to_str() {
        Some("-") => std::io::read_to_string(std::io::stdin()),
        _ => std::fs::read_to_string(snapshots),
    };
    let text = text.with_context(|| format!("could not read {}", snapshots.display()))?;
    let snapshots = policy::snapshots(&text, &sync.source)?;
    let Choice { chosen, because, otherwise } = sync.source.snapshot.choose(&snapshots, at.timestamp(), zone);
    println!("{name}, a run that starts at {}", at.strftime("%Y-%m-%d %H:%M %Z"));
    because.iter().for_each(|sentence| println!("  {sentence}"));
    match (&chosen, otherwise) {
        (Some(snapshot), _) => println!("It takes {}.", snapshot.arn),
        (None, _) if snapshots.is_empty() => {
            println!("No snapshot of {} is in the file.", sync.source.name())
        }
        (None, Otherwise::Fail) => println!("None fits: the run fails."),
        (None, Otherwise::Skip) => println!("None fits: the run ends well without a sync."),
    }
    Ok(if chosen.is_some() || otherwise == Otherwise::Skip { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn check_page(policy: &Policy, from: Option<civil::Date>, path: &Path) -> anyhow::Result<ExitCode> {
    let found =
        std::fs::read_to_string(path).with_context(|| format!("could not read {}", path.display()))?;
    let from = from
        .or_else(|| page::first_day(&found))
        .context("the page does not say its first day; give --from")?;
    let expected = page::render(policy, from);
    if found == expected {
        return Ok(ExitCode::SUCCESS);
    }
    let name = path.display().to_string();
    print!(
        "{}",
        similar::TextDiff::from_lines(&found, &expected).unified_diff().header(&name, "the policy's")
    );
    eprintln!("{name} is stale: make it again with `policy calendar`");
    Ok(ExitCode::FAILURE)
}
