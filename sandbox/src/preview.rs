//! `cargo sandbox preview`: what people see of a run, of made-up runs with every outcome, to be
//! looked at and compared.

use std::path::Path;

use anyhow::Context as _;
use functions::report_run::{messages::message, page, report::Report};

mod export;
mod fixtures;
mod slack;
mod sync;
mod upgrade;

pub use fixtures::Fixture;

/// A run for each outcome, by its name.
pub fn fixtures() -> Vec<Fixture> {
    vec![
        Fixture::new("upgrade-succeeded", upgrade::succeeded()),
        Fixture::new("upgrade-running", upgrade::running()),
        Fixture::new("upgrade-asks", upgrade::asking()),
        Fixture::new("upgrade-blocked", upgrade::blocked(30)),
        Fixture::new("upgrade-failed", upgrade::failed()),
        Fixture::new("upgrade-timed-out", upgrade::timed_out()),
        Fixture::new("upgrade-aborted", upgrade::aborted()),
        Fixture::new("upgrade-of-500-tables", upgrade::of_tables(500)),
        Fixture::new("sync-succeeded", sync::succeeded()),
        Fixture::new("sync-one-target-failed", sync::one_target_failed()),
        Fixture::new("export-succeeded", export::succeeded()),
        Fixture::new("export-failed", export::failed()),
        Fixture::new("hostile", upgrade::hostile()),
    ]
}

/// The fixture of that name.
pub fn fixture(name: &str) -> anyhow::Result<Report> {
    let found = fixtures().into_iter().find(|fixture| fixture.name == name);
    found.map(|fixture| fixture.report).with_context(|| format!("there is no fixture {name}"))
}

/// Writes every page, and one that lists them.
pub fn write(out: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(out)?;
    let mut list =
        String::from("<!doctype html><meta charset=utf-8><title>What people see of a run</title><ul>");
    for Fixture { name, report } in fixtures() {
        std::fs::write(out.join(format!("{name}.html")), page(&report))?;
        std::fs::write(out.join(format!("{name}.json")), serde_json::to_vec_pretty(&report)?)?;
        let slack = message(&report, "https://eu-west-1.console.aws.amazon.com/s3/object/runs");
        std::fs::write(out.join(format!("{name}.slack.json")), serde_json::to_vec_pretty(&slack)?)?;
        std::fs::write(out.join(format!("{name}.slack.html")), slack::page(&slack))?;
        list += &format!(
            "<li><a href={name}.html>{name}</a> (<a href={name}.json>as data</a>), \
             <a href={name}.slack.html>in Slack</a> (<a href={name}.slack.json>as data</a>)"
        );
    }
    let index = out.join("index.html");
    std::fs::write(&index, list)?;
    println!("{}", index.display());
    Ok(())
}
