//! How long ReconcileExport takes, and how many requests, on an export of many files. The local
//! AWS's writing takes longer than that, so the files are copies of one that it has written.

use std::{collections::BTreeMap, time::Instant};

use anyhow::Context as _;
use futures::{StreamExt, TryStreamExt, stream};
use jiff::ToSpan;
use runbook::{Context, postgres::Tls};
use serde_json::{Value, json};

use crate::{
    Options,
    aws::ACCOUNT,
    export,
    exports::{self, BUCKET, EXPORT, FOLDER},
    sandbox::BUCKET as RUN_BUCKET,
    terminal::Terminal,
};

const WORKER: &str = "reconcile-export";
/// As many as the local AWS writes into one.
const TABLES_A_FILE: usize = 100;

pub async fn run(tables: usize, files: usize) -> anyhow::Result<()> {
    let sandbox = export::create(Options::real(), Terminal::new(false)).await?;
    let snapshot = exports::take_snapshot(&sandbox, sandbox.clock.now().checked_sub(1.minute())?).await?;
    let execution = exports::started(&sandbox).await?;
    sandbox.wait(&execution).await?;

    let keys = sandbox.s3.list(BUCKET, FOLDER);
    let part = keys.iter().find(|key| key.contains("/shop/public.customers/") && key.ends_with(".parquet"));
    let part = sandbox.s3.get(BUCKET, part.context("no file was exported")?).context("the file is gone")?;
    let task = keys.iter().find_map(|key| key[FOLDER.len()..].split_once("/export_info_"));
    let task = task.context("there is no export")?.0;
    let folder = format!("{FOLDER}{task}/");
    let store = Context::new(&sandbox.sdk("owner"), sandbox.clock, BUCKET.to_owned(), Tls::Disable).store;
    let info = keys.iter().filter(|key| key.contains("/export_tables_info_"));
    let mut last = 0;
    let mut known = None;
    for key in info {
        let all: Value = store.get_json(key).await?.context("the metadata is gone")?;
        let entries = all["perTableStatus"].as_array().context("the metadata has no tables")?;
        last += entries.len();
        known = known.or(entries.iter().find(|entry| entry["target"] == "shop.public.customers").cloned());
    }
    let known = known.context("the table is not in the metadata")?;
    let name = |number: usize| format!("bench.t{number:05}");
    let entries: Vec<Value> = (0..tables)
        .map(|number| {
            let mut entry = known.clone();
            entry["target"] = format!("shop.{}", name(number)).into();
            entry
        })
        .collect();
    for entries in entries.chunks(TABLES_A_FILE) {
        let (from, to) = (last + 1, last + entries.len());
        let key = format!("{folder}export_tables_info_{task}_from_{from}_to_{to}.json");
        store.put_json(&key, &json!({ "perTableStatus": entries })).await?;
        last = to;
    }
    let planted = (0..tables).flat_map(|table| (0..files).map(move |file| (table, file)));
    stream::iter(planted)
        .map(|(table, file)| {
            let key = format!("{folder}shop/{}/1/part-{file:05}-0-c000.gz.parquet", name(table));
            let (store, part) = (&store, part.clone());
            async move { store.put(&key, "application/octet-stream", part.to_vec()).await }
        })
        .buffer_unordered(64)
        .try_collect::<()>()
        .await?;

    // The worker alone, over a socket, as it comes to it for the first time.
    let cx =
        Context::new(&sandbox.sdk_in(ACCOUNT, WORKER), sandbox.clock, RUN_BUCKET.to_owned(), Tls::Disable);
    let before = sandbox.gateway.calls().len();
    let payload = json!({
        "run": { "execution": execution, "entered": sandbox.clock.now(), "deadline": "8h" },
        "input": { "export": EXPORT, "task": task, "snapshot": snapshot, "counted": null },
    });
    let began = Instant::now();
    let found = workers::call(WORKER, &cx, payload).await.context("the workers have lost a state")?;
    let took = began.elapsed().as_secs_f64();
    let found = found.map_err(|error| anyhow::anyhow!("{error}"))?;
    let mut requests: BTreeMap<String, usize> = BTreeMap::new();
    for call in &sandbox.gateway.calls()[before..] {
        if call.principal == WORKER {
            *requests.entry(call.action.clone()).or_default() += 1;
        }
    }
    println!("{}", found["summary"].as_str().unwrap_or_default());
    let requests: Vec<String> = requests.iter().map(|(action, count)| format!("{count} {action}")).collect();
    println!("{tables} tables of {files} files each beside the shop: {took:.1} s, {}", requests.join(", "));
    Ok(())
}
