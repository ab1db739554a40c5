//! What `cargo sandbox` shows a person: a line per state as the run goes, and a summary at the end.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use aws_sdk_sfn::types::ExecutionStatus;
use comfy_table::{CellAlignment, Table, presets};
use functions::report_run::{
    report::{Kind, Report},
    words::{self, visible},
};
use indicatif::{ProgressBar, ProgressStyle};
use jiff::Timestamp;
use serde_json::json;

use runbook::{aurora, postgres::Login};

use crate::{
    Options, Sandbox,
    aws::{ACCOUNT, PRODUCTION},
    environments, export, exports, fleet, orders,
    probe::Probe,
    production,
    sandbox::BUCKET,
    statemachine::PREFIX,
    terminal::Terminal,
    time_report,
    worlds::{findings, wires},
};

/// What a local AWS begins with: what the runbook of that name needs.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub enum World {
    /// The cluster `orders` on PostgreSQL 16.
    MajorUpgrade,
    /// Production in an account of its own, and yesterday's targets.
    DailySync,
    /// The cluster `orders`, an automated snapshot of it, and a bucket.
    SnapshotExport,
}

pub async fn up(options: Options, world: World) -> anyhow::Result<()> {
    let (sandbox, runbook, input) = match world {
        World::MajorUpgrade => {
            let input = json!({ "cluster": orders::CLUSTER, "target": "18" });
            (create_orders(options, Terminal::new(false)).await?, "major-upgrade", input)
        }
        World::DailySync => {
            let sandbox = create_two_accounts(options, Terminal::new(false)).await?;
            (sandbox, "daily-sync", json!({ "sync": environments::SYNC }))
        }
        World::SnapshotExport => (
            export::create(options, Terminal::new(false)).await?,
            "snapshot-export",
            json!({ "export": exports::EXPORT }),
        ),
    };
    println!("\nA local AWS listens. For the AWS CLI and every SDK:\n");
    println!("  export AWS_ENDPOINT_URL={}", sandbox.url);
    if let Some(url) = &sandbox.stepfunctions {
        println!("  export AWS_ENDPOINT_URL_SFN={url}");
    }
    // AWS CLI v1 and boto3 read AWS_DEFAULT_REGION; AWS CLI v2 and the other SDKs read AWS_REGION.
    println!(
        "  export AWS_ACCESS_KEY_ID=you AWS_SECRET_ACCESS_KEY=any AWS_REGION={0} AWS_DEFAULT_REGION={0}\n",
        crate::aws::REGION
    );
    println!("Then, for example:\n");
    println!(
        "  aws rds describe-db-clusters --query 'DBClusters[].[DBClusterIdentifier,EngineVersion,Status]'"
    );
    let machine = crate::aws::arn("states", &format!("stateMachine:{PREFIX}-{runbook}"));
    println!("  aws stepfunctions start-execution --state-machine-arn {machine} --input '{input}'\n");
    println!("Logs of functions and workers: {}\nCtrl-C ends it.", sandbox.logs.display());
    tokio::signal::ctrl_c().await?;
    Ok(())
}

/// Runs a daily sync from production's account into two environments.
pub async fn daily_sync(options: Options, out: &Path, terminal: Terminal) -> anyhow::Result<()> {
    let begun = Instant::now();
    let sandbox = create_two_accounts(options, terminal).await?;
    let input = json!({ "sync": environments::SYNC });
    terminal.say(format!("\nStarting daily-sync with {input}\n"));
    let execution = sandbox.start_execution("daily-sync", "sandbox-daily-sync", &input).await?;
    watch(&sandbox, &execution, out, terminal).await?;

    terminal.say("\nThe same customers, in production and in orders-dev:");
    terminal.say(customers(&production::login(&sandbox).await?).await?);
    terminal.say(customers(&environments::login(&sandbox, environments::DEV).await?).await?);
    terminal.say("\nWhat each state changed:");
    terminal.say(changes(&sandbox));
    terminal.say(format!("\nWhole: {:.0} s", begun.elapsed().as_secs_f64()));
    Ok(())
}

async fn customers(login: &Login) -> anyhow::Result<Table> {
    let client = orders::connect(login, "shop").await?;
    let sql = "SELECT id::text, email::text, full_name, phone, birth_date::text, city FROM customers ORDER \
    BY customers.id LIMIT 3";
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    for row in client.query(sql, &[]).await? {
        let cell = |index| row.get::<_, Option<String>>(index).unwrap_or_default();
        table.add_row([format!("  {}", cell(0)), cell(1), cell(2), cell(3), cell(4), cell(5)]);
    }
    Ok(table)
}

/// Follows the execution to its end, leaves the run's objects in `out` and tells its report. Fails
/// when the run did.
pub async fn watch(sandbox: &Sandbox, execution: &str, out: &Path, terminal: Terminal) -> anyhow::Result<()> {
    let name = execution.rsplit(':').next().unwrap_or_default();
    let page = out.join(BUCKET).join("runs").join(name).join("report.html");
    terminal.say(format!("Report: {} (load it again while it runs)\n", page.display()));
    tokio::select! {
        followed = follow(sandbox, execution, terminal) => followed?,
        renewed = renew(sandbox, out) => renewed?,
        _ = tokio::signal::ctrl_c() => {
            bail!("stopped by Ctrl-C; the local AWS is gone with everything in it")
        }
    }
    let report: Report = serde_json::from_value(sandbox.report(execution).await?)?;
    sandbox.s3.dump(out)?;
    terminal.say("");
    terminal.report(&report)?;
    terminal.say(format!("Report: {}\nLogs:   {}", page.display(), sandbox.logs.display()));
    if report.kind != Kind::Succeeded {
        bail!("the run did not succeed");
    }
    Ok(())
}

/// Every minute of the local AWS, as the rule `runs-under-way` does it.
async fn renew(sandbox: &Sandbox, out: &Path) -> anyhow::Result<()> {
    loop {
        sandbox.clock.sleep(Duration::from_secs(60)).await;
        sandbox.renew_reports().await?;
        sandbox.s3.dump(out)?;
    }
}

pub async fn major_upgrade(
    options: Options,
    target: &str,
    out: &Path,
    terminal: Terminal,
) -> anyhow::Result<()> {
    let begun = Instant::now();
    let sandbox = create_orders(options, terminal).await?;
    let rows_before = orders::count_rows(&sandbox).await?;
    let probe = Probe::start(&orders::login(&sandbox).await?, "shop");
    let input = json!({ "cluster": orders::CLUSTER, "target": target });
    terminal.say(format!("\nStarting major-upgrade with {input}\n"));
    let execution = sandbox.start_execution("major-upgrade", "sandbox-major-upgrade", &input).await?;
    watch(&sandbox, &execution, out, terminal).await?;
    let seen = probe.seen();
    drop(probe);
    let rows_after = orders::count_rows(&sandbox).await?;
    terminal.say("\nDowntime, as a client that connects every 50 ms saw it:");
    let longest = seen.outages.iter().max().copied().unwrap_or_default();
    terminal.say(format!(
        "  {:.1} s in {} outages, the longest {:.1} s ({} tries)",
        seen.downtime().as_secs_f64(),
        seen.outages.len(),
        longest.as_secs_f64(),
        seen.tries
    ));
    terminal.say("\nWhat each state changed:");
    terminal.say(changes(&sandbox));
    terminal.say("\nRows, counted before and after:");
    terminal.say(compare(&rows_before, &rows_after));
    terminal.say(format!("\n{}", time_report::report_run(&sandbox, &execution).await?));
    terminal.say(format!("\nWhole: {:.0} s", begun.elapsed().as_secs_f64()));
    if rows_before != rows_after {
        bail!("rows differ before and after the upgrade");
    }
    Ok(())
}

/// What an application has asked lately, whose plans a rehearsal compares.
const QUERIES: [&str; 3] = [
    "SELECT count(*) FROM public.orders",
    "SELECT * FROM public.customers WHERE id = 7",
    "SELECT c.email, count(*) FROM public.customers c JOIN public.orders o ON o.customer_id = c.id \
     GROUP BY c.email ORDER BY 2 DESC LIMIT 10",
];

/// Rehearses an upgrade on a clone, which is gone at the end.
pub async fn rehearse(options: Options, target: &str, out: &Path, terminal: Terminal) -> anyhow::Result<()> {
    let begun = Instant::now();
    let sandbox = create_orders(options, terminal).await?;
    environments::create_quarantine(&sandbox).await?;
    let application = orders::connect(&orders::login(&sandbox).await?, "shop").await?;
    for query in QUERIES {
        application.simple_query(query).await?;
    }
    let input = json!({ "cluster": orders::CLUSTER, "target": target });
    terminal.say(format!("\nStarting rehearse-upgrade with {input}\n"));
    let execution = sandbox.start_execution("rehearse-upgrade", "sandbox-rehearsal", &input).await?;
    watch(&sandbox, &execution, out, terminal).await?;
    let report: Report = serde_json::from_value(sandbox.report(&execution).await?)?;
    let rehearsal = report.rehearsal.as_ref().context("the report has no rehearsal")?;
    terminal.say("\nHow long each state took on the clone, in seconds of the local AWS:");
    let mut phases = Table::new();
    phases.load_style(presets::NOTHING);
    for phase in &rehearsal.phases {
        phases.add_row([format!("  {}", phase.state), phase.seconds.to_string()]);
    }
    terminal.say(phases);
    if let Some(plans) = &report.plans {
        terminal.say(format!(
            "\nPlans: {} of {} queries have another one; {} queries cannot be planned.",
            plans.changed,
            plans.compared,
            plans.unexplained.values().sum::<usize>()
        ));
    }
    let clusters = sandbox.rds_client().describe_db_clusters().send().await?;
    let names: Vec<&str> =
        clusters.db_clusters().iter().filter_map(|one| one.db_cluster_identifier()).collect();
    terminal.say(format!("Clusters that stand now: {}", names.join(", ")));
    terminal.say(format!("\nWhole: {:.0} s", begun.elapsed().as_secs_f64()));
    Ok(())
}

/// Upgrades three clusters that have a tag, and not the fourth, which has none.
pub async fn fleet(options: Options, target: &str, out: &Path, terminal: Terminal) -> anyhow::Result<()> {
    let begun = Instant::now();
    let sandbox = create_orders(options, terminal).await?;
    let rows_before = orders::count_rows(&sandbox).await?;
    environments::create_quarantine(&sandbox).await?;
    let cx = orders::context(&sandbox);
    let orders = aurora::cluster(&cx, orders::CLUSTER).await?;
    let tags = sandbox.rds_client().add_tags_to_resource().resource_name(orders.arn.as_str());
    tags.tags(fleet::tag()).send().await?;
    for (name, tagged) in [("billing", true), ("orders-test", true), ("search", false)] {
        fleet::create(&sandbox, name, tagged).await?;
        orders::wait_available(&cx, name).await?;
    }
    let (key, value) = fleet::TAG;
    terminal
        .say(format!("So are billing, orders-test and search; all but search have the tag {key}={value}."));
    let input = json!({
        "tag": format!("{key}={value}"), "target": target, "canary": ["orders-test"], "atOnce": 2,
    });
    terminal.say(format!("\nStarting upgrade-fleet with {input}\n"));
    let execution = sandbox.start_execution("upgrade-fleet", "sandbox-fleet", &input).await?;
    watch(&sandbox, &execution, out, terminal).await?;
    let report: Report = serde_json::from_value(sandbox.report(&execution).await?)?;
    let fleet = report.fleet.as_ref().context("the report has no fleet")?;
    terminal.say("\nWhat each cluster has come to:");
    for one in &fleet.clusters {
        let wave = one.wave.map(|wave| format!("wave {wave}")).unwrap_or_default();
        terminal.say(format!("  {:12} {wave}", one.cluster));
        let runs = [("rehearsed", &one.rehearsal), ("upgraded", &one.upgrade)];
        for (what, run) in runs.into_iter().filter_map(|(what, run)| Some((what, run.as_ref()?))) {
            let said = run.said.as_deref().unwrap_or_default();
            terminal.say(format!("    {what:9} {:>7}  {said}", words::duration(run.seconds)));
        }
    }
    let clusters = aurora::clusters(&cx).await?;
    let versions: Vec<String> =
        clusters.iter().map(|cluster| format!("{} {}", cluster.id, cluster.version)).collect();
    terminal.say(format!("\nClusters that stand now: {}", versions.join(", ")));
    terminal.say(compare(&rows_before, &orders::count_rows(&sandbox).await?));
    terminal.say(format!("\nWhole: {:.0} s", begun.elapsed().as_secs_f64()));
    Ok(())
}

async fn create_two_accounts(options: Options, terminal: Terminal) -> anyhow::Result<Sandbox> {
    let step = spinner();
    step.set_message("Fetching PostgreSQL (once) and starting a local AWS with two accounts");
    let sandbox = Sandbox::start(options).await?;
    step.set_message(
        "Creating production: the cluster orders with a shop and live wires inside, and last \
    night's automated snapshot",
    );
    let resource_id = production::create(&sandbox).await?;
    let engine = sandbox.engine.clone().context("the console runs on real PostgreSQL")?;
    let planted = wires::wires();
    for wire in &planted {
        findings::apply(&engine, &resource_id, wire.plant).await?;
    }
    production::take_snapshot(&sandbox).await?;
    step.set_message("Creating the environments: yesterday's orders-dev and orders-support");
    environments::create(&sandbox, Some(&environments::policy_with_wires()?)).await?;
    environments::create_targets(&sandbox).await?;
    step.finish_and_clear();
    terminal.say(format!(
        "Production is available in account {PRODUCTION}, yesterday's targets in account {ACCOUNT}; {} live \
        wires are planted.",
        planted.len()
    ));
    Ok(sandbox)
}

async fn create_orders(options: Options, terminal: Terminal) -> anyhow::Result<Sandbox> {
    let step = spinner();
    step.set_message("Fetching PostgreSQL (once) and starting a local AWS");
    let sandbox = Sandbox::start(options).await?;
    step.set_message(
        "Creating the cluster orders: a writer and a reader on PostgreSQL 16, with a shop inside",
    );
    orders::create(&sandbox, orders::Shape::default()).await?;
    step.finish_and_clear();
    terminal.say(
        "The cluster orders is available: a writer and a reader on 16.14, parameter groups that differ, \
        maintenance pending.",
    );
    Ok(sandbox)
}

pub fn spinner() -> ProgressBar {
    let bar = ProgressBar::new_spinner().with_style(
        ProgressStyle::with_template("{spinner} {wide_msg}")
            .unwrap_or_else(|_| ProgressStyle::default_spinner()),
    );
    bar.enable_steady_tick(Duration::from_millis(120));
    bar
}

/// Shows the execution state by state, as its report has it: the present ones as a live line, the
/// past ones above it.
async fn follow(sandbox: &Sandbox, execution: &str, terminal: Terminal) -> anyhow::Result<()> {
    let sfn = sandbox.sfn();
    let line = spinner();
    let mut shown = BTreeSet::new();
    loop {
        let described = sfn.describe_execution().execution_arn(execution).send().await?;
        let pages = sfn
            .get_execution_history()
            .execution_arn(execution)
            .max_results(1000)
            .into_paginator()
            .items()
            .send();
        let history: Vec<_> = pages.collect::<Result<_, _>>().await.context("could not read the history")?;
        let report = Report::new(&described, &history, sandbox.clock.now());
        let ended = *described.status() != ExecutionStatus::Running;
        let mut present = Vec::new();
        for (index, step) in report.steps.iter().enumerate() {
            let said = visible(step.summary.as_deref().or(step.error.as_deref()).unwrap_or_default());
            let said = said.strip_prefix("NotReady: ").unwrap_or(&said);
            let failed = step.failed_at(ended);
            let took = took(step.entered, step.exited.or(failed).unwrap_or_else(|| sandbox.clock.now()));
            let first = said.lines().next().unwrap_or_default();
            let sign = match (step.exited, failed) {
                (_, Some(_)) => "✘",
                (Some(_), None) => "✔",
                (None, None) if ended => "✘",
                (None, None) => {
                    present.push(format!("{:<30} {took:>9}  {first}", step.label()));
                    continue;
                }
            };
            if shown.insert(index) {
                let told = format!("{sign} {:<30} {took:>9}  {first}", step.label());
                if line.is_hidden() { terminal.say(told) } else { line.println(told) }
            }
        }
        if ended {
            line.finish_and_clear();
            return Ok(());
        }
        line.set_message(present.join("  |  "));
        tokio::time::sleep(Duration::from_millis(150)).await;
    }
}

pub fn print_above(line: &ProgressBar, text: &str) {
    if line.is_hidden() { println!("{text}") } else { line.println(text) }
}

fn took(from: Timestamp, to: Timestamp) -> String {
    let seconds = to.duration_since(from).as_secs();
    format!("{}:{:02} min", seconds / 60, seconds % 60)
}

/// Every mutating call, by the state that made it.
fn changes(sandbox: &Sandbox) -> Table {
    let mut counts: Vec<(String, String, u32)> = Vec::new();
    for call in sandbox.gateway.calls() {
        let ours = functions::STATES
            .iter()
            .chain(workers::STATES)
            .find(|state| runbook::state::kebab(state) == call.principal);
        if let Some(state) = ours.filter(|_| call.mutates() && call.service == "rds" && call.status == 200) {
            match counts.iter_mut().find(|(name, action, _)| name == state && *action == call.action) {
                Some((.., count)) => *count += 1,
                None => counts.push(((*state).to_owned(), call.action, 1)),
            }
        }
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    for (state, action, count) in counts {
        table.add_row([format!("  {state}"), action, format!("{count} ×")]);
    }
    table
}

fn compare(before: &BTreeMap<String, i64>, after: &BTreeMap<String, i64>) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    for (name, rows) in before {
        let now = after.get(name).copied().unwrap_or_default();
        let verdict = if now == *rows { "same" } else { "DIFFERENT" };
        table.add_row([format!("  {name}"), rows.to_string(), now.to_string(), verdict.to_owned()]);
    }
    for column in [1, 2] {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}
