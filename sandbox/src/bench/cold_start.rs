//! From a process's start to its first answer: the shipped `bootstrap` beside the same calls in
//! other languages, each behind a Lambda runtime API of its own, in front of one local AWS over
//! plain HTTP.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail, ensure};
use bytes::Bytes;
use local_aws::lambda::{Ended, Environment};
use serde_json::{Value, json};
use tokio::{process::Command, sync::Notify};

use super::{
    Spread, machine,
    peers::{self, Peer, said},
    shown, table,
};
use crate::{
    Gear, Options, Sandbox,
    aws::{REGION, arn},
    executables::root,
    orders,
    sandbox::BUCKET,
    statemachine::PREFIX,
};

const FUNCTIONS: [&str; 2] = ["take-snapshot", "resolve-upgrade"];
/// AWS's own time matters to nobody here.
const SPEED: f64 = 600.0;

/// What one start took.
#[derive(Debug, Clone)]
struct Start {
    milliseconds: f64,
    /// Of the CPU, where the system tells it.
    cpu: Option<f64>,
    megabytes: Option<f64>,
    calls: Vec<String>,
}

pub async fn run(runs: usize, bootstrap: Option<PathBuf>) -> anyhow::Result<()> {
    let bootstrap = match bootstrap {
        Some(bootstrap) => bootstrap,
        None => shipped().await?,
    };
    let size = std::fs::metadata(&bootstrap).with_context(|| bootstrap.display().to_string())?.len();
    let ours = Peer {
        name: format!("bootstrap, {:.1} MB", size as f64 / 1e6),
        program: bootstrap,
        arguments: Vec::new(),
        environment: Vec::new(),
        is_ours: true,
    };
    let (others, missing) = peers::all().await;
    let peers: Vec<Peer> = std::iter::once(ours).chain(others).collect();
    let options = Options { gear: Gear::Served { speed: SPEED }, ..Options::real() };
    let sandbox = Sandbox::start(options).await?;
    orders::create(&sandbox, orders::Shape::default()).await?;
    println!(
        "Cold start: process start to first answer, plain HTTP, {runs} alternating runs each, {}",
        machine()
    );
    for function in FUNCTIONS {
        let input = prepare(&sandbox, &peers[0], function).await?;
        let mut starts: Vec<Vec<Start>> = vec![Vec::new(); peers.len()];
        for _ in 0..runs {
            for (peer, starts) in peers.iter().zip(&mut starts) {
                starts.push(start(&sandbox, peer, function, &input).await?.0);
            }
        }
        same_calls(function, &peers, &starts)?;
        show(function, &peers, &starts);
    }
    for missing in missing {
        println!("  not measured: {missing}");
    }
    println!("  Not in it: the start of Lambda's microVM, TLS, the network.");
    Ok(())
}

/// What makes other calls does another work, and its time says nothing.
fn same_calls(function: &str, peers: &[Peer], starts: &[Vec<Start>]) -> anyhow::Result<()> {
    let ours = starts[0].first().map_or(&[][..], |start| &start.calls);
    println!("\n{function}: {}", ours.join(", "));
    for (peer, starts) in peers.iter().zip(starts) {
        for start in starts {
            ensure!(start.calls == ours, "{} calls {}", peer.name, start.calls.join(", "));
        }
    }
    Ok(())
}

fn show(function: &str, peers: &[Peer], starts: &[Vec<Start>]) {
    let mut shown_table = table(&[function, "ms", "÷ ours", "CPU ms", "MB", "calls"]);
    let column = |starts: &[Start], of: fn(&Start) -> Option<f64>| -> Vec<f64> {
        starts.iter().filter_map(of).collect()
    };
    let time: fn(&Start) -> Option<f64> = |start| Some(start.milliseconds);
    let ours = column(&starts[0], time);
    for (peer, starts) in peers.iter().zip(starts) {
        let times = column(starts, time);
        shown_table.add_row([
            format!("  {}", peer.name),
            shown(Spread::of(&times), 1),
            shown(Spread::ratio(&ours, &times), 1),
            shown(Spread::of(&column(starts, |start| start.cpu)), 1),
            shown(Spread::of(&column(starts, |start| start.megabytes)), 1),
            starts.last().map_or(0, |start| start.calls.len()).to_string(),
        ]);
    }
    println!("\n{shown_table}");
}

/// The executable as CI packages it, but for the platform.
async fn shipped() -> anyhow::Result<PathBuf> {
    eprintln!("building bootstrap in release: some 20 minutes of CPU the first time");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(cargo);
    build.args(["build", "--quiet", "--release", "--bin", "bootstrap"]).current_dir(root());
    said(&mut build).await?;
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    Ok(target.join("release/bootstrap"))
}

/// Runs the function until it is done, so that every measured start makes the same calls; answers
/// the input for all.
async fn prepare(sandbox: &Sandbox, ours: &Peer, function: &str) -> anyhow::Result<Value> {
    let input = match function {
        "resolve-upgrade" => json!({ "cluster": orders::CLUSTER, "target": "16.14" }),
        _ => json!({ "cluster": orders::CLUSTER }),
    };
    for _ in 0..600 {
        if let (_, Ok(answer)) = start(sandbox, ours, function, &input).await? {
            let answer: Value = serde_json::from_slice(&answer)?;
            let mut input = input;
            if let Some(snapshot) = answer.get("snapshot") {
                // The others do not know how we name it.
                input["snapshot"] = snapshot.clone();
            }
            return Ok(input);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    bail!("{function} is never done")
}

async fn start(
    sandbox: &Sandbox,
    peer: &Peer,
    function: &str,
    input: &Value,
) -> anyhow::Result<(Start, Result<Bytes, Bytes>)> {
    let mut input = input.clone();
    if peer.is_ours
        && let Some(fields) = input.as_object_mut()
    {
        fields.remove("snapshot");
    }
    let execution = arn("states", &format!("execution:{PREFIX}-major-upgrade:cold-start"));
    let run = json!({ "execution": execution, "entered": "2026-01-01T00:00:00Z" });
    let payload = Bytes::from(json!({ "run": run, "input": input }).to_string());
    let mut command = Command::new(&peer.program);
    command
        .args(&peer.arguments)
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .env("LANG", "en_US.UTF-8")
        .env("_HANDLER", function)
        .env("AWS_LAMBDA_FUNCTION_NAME", format!("{PREFIX}-{function}"))
        .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
        .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256")
        .env("AWS_REGION", REGION)
        .env("AWS_DEFAULT_REGION", REGION)
        // The access key is the principal that the gateway sees.
        .env("AWS_ACCESS_KEY_ID", function)
        .env("AWS_SECRET_ACCESS_KEY", "sandbox")
        .env("AWS_ENDPOINT_URL", &sandbox.url)
        .env("RUN_BUCKET", BUCKET)
        .envs(sandbox.clock.to_variable().map(|value| (runbook::clock::VARIABLE, value)))
        .envs(peer.environment.iter().map(|(name, value)| (name, value)))
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null());
    let before = sandbox.gateway.calls().len();
    let began = Instant::now();
    let mut environment =
        Environment::start(command, arn("lambda", &format!("function:{PREFIX}-{function}"))).await?;
    let id = environment.id();
    let limit = Duration::from_secs(60);
    let answer = environment.invoke("cold", payload, limit, limit, &Notify::new()).await;
    let milliseconds = began.elapsed().as_secs_f64() * 1e3;
    let (cpu, megabytes) = id.map_or((None, None), |id| (cpu(id), megabytes(id)));
    let answer = match answer {
        Ended::Warm(answer) => answer,
        Ended::Dead(error) => bail!("{}: {}", peer.name, String::from_utf8_lossy(&error)),
    };
    ensure!(peer.is_ours || answer.is_ok(), "{}: {answer:?}", peer.name);
    let calls = sandbox.gateway.calls().split_off(before).into_iter().map(|call| call.action).collect();
    Ok((Start { milliseconds, cpu, megabytes, calls }, answer))
}

/// Milliseconds that its threads have had a core: the first number of schedstat
/// (https://docs.kernel.org/scheduler/sched-stats.html).
fn cpu(id: u32) -> Option<f64> {
    let mut nanoseconds = 0.0;
    for thread in std::fs::read_dir(format!("/proc/{id}/task")).ok()? {
        let text = std::fs::read_to_string(thread.ok()?.path().join("schedstat")).ok()?;
        nanoseconds += text.split(' ').next()?.parse::<f64>().ok()?;
    }
    Some(nanoseconds / 1e6)
}

/// The most that it had in memory (proc(5), VmHWM).
fn megabytes(id: u32) -> Option<f64> {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    Some(line.split_whitespace().nth(1)?.parse::<f64>().ok()? / 1e3)
}
