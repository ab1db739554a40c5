//! What `cargo sandbox blue-green` shows a person: the same shop under the same load, upgraded in
//! place and by Blue/Green, one after the other, and what its application saw of either.

use std::{collections::BTreeSet, path::Path, time::Duration, time::Instant};

use anyhow::{bail, ensure};
use comfy_table::{CellAlignment, Table, presets};
use runbook::{aurora, postgres::Login};
use serde_json::json;

use crate::{
    Options, Sandbox,
    console::{spinner, watch},
    load::{Load, Outage, Seen},
    orders::{self, Shape},
    terminal::Terminal,
};

/// A clone of the orders with the same groups, instances and rows.
const TWIN: &str = "orders-twin";
const DATABASE: &str = "shop";

/// Blue/Green needs logical replication, and a worker for each of the shop's databases.
const PARAMETERS: [(&str, &str); 2] =
    [("rds.logical_replication", "1"), ("max_logical_replication_workers", "6")];

/// An application of four sessions, each of which writes every 100 ms.
const SESSIONS: usize = 4;
const EVERY: Duration = Duration::from_millis(100);

pub async fn blue_green(
    options: Options,
    target: &str,
    out: &Path,
    terminal: Terminal,
) -> anyhow::Result<()> {
    let begun = Instant::now();
    let (sandbox, secret) = create(options, terminal).await?;
    let mut measured = Vec::new();
    for (cluster, method) in [(TWIN, "in-place"), (orders::CLUSTER, "blue-green")] {
        let input = json!({
            "cluster": cluster, "target": target, "method": method, "secretArn": secret,
        });
        let load = Load::start(&login(&sandbox, cluster, &secret).await?, DATABASE, SESSIONS, EVERY);
        terminal.say(format!("\nStarting major-upgrade with {input}\n"));
        let name = format!("sandbox-{method}");
        let execution = sandbox.start_execution("major-upgrade", &name, &input).await?;
        watch(&sandbox, &execution, out, terminal).await?;
        let seen = load.stop();
        let lost = lost(&sandbox, cluster, &secret, &seen).await?;
        measured.push((seen, lost));
    }
    terminal.say(format!(
        "\nWhat the same application saw of either: {SESSIONS} sessions, each writing every {} ms through \
         the cluster's endpoint, in real seconds:",
        EVERY.as_millis()
    ));
    terminal.say(compared(&measured));
    terminal.say(format!("\nClusters that stand now: {}", names(&sandbox).await?.join(", ")));
    terminal.say(format!("\nWhole: {:.0} s", begun.elapsed().as_secs_f64()));
    ensure!(measured.iter().all(|(_, lost)| *lost == 0), "acknowledged writes are lost");
    Ok(())
}

/// Both clusters, and the secret that opens them.
async fn create(options: Options, terminal: Terminal) -> anyhow::Result<(Sandbox, String)> {
    let step = spinner();
    step.set_message("Fetching PostgreSQL (once) and starting a local AWS");
    let sandbox = Sandbox::start(options).await?;
    step.set_message(
        "Creating the cluster orders: a writer and a reader on PostgreSQL 16, with a shop inside",
    );
    let shape = Shape { parameters: &PARAMETERS, maintenance: false, ..Shape::default() };
    orders::create(&sandbox, shape).await?;
    let secret = orders::own_password(&sandbox).await?;
    let login = login(&sandbox, orders::CLUSTER, &secret).await?;
    // The one table of the shop without a key.
    let billing = orders::connect(&login, "billing").await?;
    billing.batch_execute("ALTER TABLE ledger.rates REPLICA IDENTITY FULL").await?;
    Load::prepare(&login, DATABASE).await?;
    step.set_message("Creating its twin, for the upgrade in place");
    clone(&sandbox).await?;
    step.finish_and_clear();
    terminal.say(format!(
        "The cluster orders is available with logical replication on, and {TWIN}, a clone of it: a writer \
         and a reader each, on 16.14.",
    ));
    Ok((sandbox, secret))
}

async fn clone(sandbox: &Sandbox) -> anyhow::Result<()> {
    let rds = sandbox.rds_client();
    let group = format!("{TWIN}-pg16");
    let copy = rds.copy_db_cluster_parameter_group().target_db_cluster_parameter_group_identifier(&group);
    let copy = copy.target_db_cluster_parameter_group_description("the twin of orders");
    copy.source_db_cluster_parameter_group_identifier("orders-pg16").send().await?;
    let clone = rds.restore_db_cluster_to_point_in_time().db_cluster_identifier(TWIN);
    let clone = clone.source_db_cluster_identifier(orders::CLUSTER).restore_type("copy-on-write");
    let clone = clone.use_latest_restorable_time(true).db_cluster_parameter_group_name(group);
    clone.send().await?;
    let cx = orders::context(sandbox);
    for (number, twin) in [orders::WRITER, orders::READER].into_iter().enumerate() {
        let name = format!("{TWIN}-{}", number + 1);
        let copy = rds.copy_db_parameter_group().source_db_parameter_group_identifier(format!("{twin}-pg16"));
        let copy = copy.target_db_parameter_group_identifier(format!("{name}-pg16"));
        copy.target_db_parameter_group_description("the twin of orders").send().await?;
        let instance = rds.create_db_instance().db_instance_identifier(&name).db_cluster_identifier(TWIN);
        let instance = instance.engine("aurora-postgresql").db_instance_class("db.r6g.large");
        instance.db_parameter_group_name(format!("{name}-pg16")).send().await?;
        orders::wait_available(&cx, TWIN).await?;
    }
    Ok(())
}

async fn login(sandbox: &Sandbox, cluster: &str, secret: &str) -> anyhow::Result<Login> {
    let cx = orders::context(sandbox);
    let cluster = aurora::cluster(&cx, cluster).await?;
    Ok(aurora::read_login(&cx, &cluster, Some(secret)).await?)
}

/// How many acknowledged writes are not there, by the name that the application knows.
async fn lost(sandbox: &Sandbox, cluster: &str, secret: &str, seen: &Seen) -> anyhow::Result<usize> {
    let client = orders::connect(&login(sandbox, cluster, secret).await?, DATABASE).await?;
    let rows = client.query("SELECT number FROM writes", &[]).await?;
    let found: BTreeSet<i64> = rows.iter().map(|row| row.get(0)).collect();
    if seen.acknowledged.is_empty() {
        bail!("the application of {cluster} has written nothing");
    }
    Ok(seen.acknowledged.iter().filter(|number| !found.contains(number)).count())
}

fn compared(measured: &[(Seen, usize)]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.add_row(["", "in place", "Blue/Green"]);
    let mut row = |what: &str, show: &dyn Fn(&Seen, usize) -> String| {
        let shown = measured.iter().map(|(seen, lost)| show(seen, *lost));
        table.add_row([format!("  {what}")].into_iter().chain(shown));
    };
    let seconds = |time: Duration| format!("{:.1} s", time.as_secs_f64());
    let longest = |of: fn(&Outage) -> Duration| move |seen: &Seen, _: usize| seconds(of(&seen.longest()));
    row("longest time without a write", &longest(Outage::whole));
    row("  of it writes refused", &longest(|outage| outage.refused));
    row("  of it nobody reached", &longest(|outage| outage.unreachable));
    row("times that a session was cut off", &|seen, _| seen.outages.len().to_string());
    row("writes acknowledged", &|seen, _| seen.acknowledged.len().to_string());
    row("of them lost", &|_, lost| lost.to_string());
    for column in [1, 2] {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

async fn names(sandbox: &Sandbox) -> anyhow::Result<Vec<String>> {
    let clusters = sandbox.rds_client().describe_db_clusters().send().await?;
    let names = clusters.db_clusters().iter().filter_map(|one| one.db_cluster_identifier());
    Ok(names.map(str::to_owned).collect())
}
