//! In which gear the local AWS runs: what is behind it, and how its time goes.

use std::{collections::BTreeMap, net::SocketAddr, path::Path, sync::Arc};

use anyhow::Context as _;
use local_aws::{
    ecs,
    gateway::Gateway,
    lambda,
    postgres::{self, PostgresEngine},
    server,
};
use runbook::clock::Clock;
use tokio::{net::TcpListener, task::JoinHandle};

use crate::{
    executables::{self, Executables},
    in_process::in_process,
    outside,
    sandbox::{BUCKET, Options},
    trial,
};

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Gear {
    /// Real PostgreSQL, the shipped executables, time this much faster.
    Real { speed: f64 },
    /// No PostgreSQL, our code in this process, a socket for others, time this much faster.
    Served { speed: f64 },
    /// No PostgreSQL, our code in this process, virtual time. Needs a paused current-thread
    /// runtime.
    Model,
}

impl Gear {
    pub fn clock(self) -> anyhow::Result<Clock> {
        Ok(match self {
            // Another Step Functions can only keep our time when it was given the clock, too.
            Self::Real { speed } => match Clock::from_environment()? {
                Clock::System => Clock::scaled(speed),
                given => given,
            },
            Self::Served { speed } => Clock::scaled(speed),
            Self::Model => Clock::virtual_time("2026-11-25T02:00:00Z".parse()?),
        })
    }
}

/// What the gear gives the local AWS.
pub struct Geared {
    pub url: String,
    /// Real PostgreSQL, in the real gear.
    pub engine: Option<Arc<PostgresEngine>>,
    pub runtime: lambda::Runtime,
    pub runner: ecs::Runner,
    /// The gateway's socket, where there is one.
    pub served: Option<JoinHandle<()>>,
}

pub async fn start(
    options: &Options,
    clock: Clock,
    gateway: &Arc<Gateway>,
    logs: &Path,
) -> anyhow::Result<Geared> {
    let ours = || {
        let deployed = options.deployment.as_ref();
        let run_buckets = deployed.map(|deployed| deployed.run_buckets.clone()).unwrap_or_default();
        let (functions, workers) = in_process(clock, gateway, run_buckets);
        (lambda::Runtime::InProcess(functions), ecs::Runner::InProcess(workers))
    };
    if let Gear::Model = options.gear {
        let (runtime, runner) = ours();
        let url = "http://sandbox.invalid".to_owned();
        return Ok(Geared { url, engine: None, runtime, runner, served: None });
    }
    if let Gear::Served { .. } = options.gear {
        let (address, served) = listen(options.port, gateway).await?;
        let (runtime, runner) = ours();
        let url = format!("http://{address}");
        return Ok(Geared { url, engine: None, runtime, runner, served: Some(served) });
    }
    let executables = if options.executables { Some(executables::build().await?) } else { None };
    let installs = postgres::install().await?;
    let installs = if options.postgres_15 { installs.with_15().await? } else { installs };
    let installs = if options.without_statistics { installs.without_statistics() } else { installs };
    let mut environment = environment(clock, options.stepfunctions.as_deref());
    environment.extend(trial::folders(&installs));
    let engine = PostgresEngine::new(installs, clock)?;
    let (address, served) = listen(options.port, gateway).await?;
    let url = format!("http://{address}");
    environment.extend(outside::variables(&format!("http://sandbox@{address}/1")));
    std::fs::create_dir_all(logs)?;
    let (runtime, runner) = match executables {
        Some(executables) => processes(executables, &url, environment, logs),
        None => ours(),
    };
    Ok(Geared { url, engine: Some(engine), runtime, runner, served: Some(served) })
}

fn processes(
    executables: Executables,
    url: &str,
    environment: BTreeMap<String, String>,
    logs: &Path,
) -> (lambda::Runtime, ecs::Runner) {
    let functions = lambda::Processes {
        executable: executables.bootstrap,
        gateway_url: url.to_owned(),
        environment: environment.clone(),
        log_folder: logs.to_owned(),
    };
    let workers = ecs::Processes {
        executable: executables.worker,
        gateway_url: url.to_owned(),
        environment,
        log_folder: logs.to_owned(),
    };
    (lambda::Runtime::Processes(functions), ecs::Runner::Processes(workers))
}

fn environment(clock: Clock, stepfunctions: Option<&str>) -> BTreeMap<String, String> {
    let mut environment = BTreeMap::from([
        ("RUN_BUCKET".to_owned(), BUCKET.to_owned()),
        ("PGSSLMODE".to_owned(), "disable".to_owned()),
    ]);
    if let Some(value) = clock.to_variable() {
        environment.insert(runbook::clock::VARIABLE.to_owned(), value);
    }
    if let Some(url) = stepfunctions {
        environment.insert("AWS_ENDPOINT_URL_SFN".to_owned(), url.to_owned());
    }
    environment
}

async fn listen(port: u16, gateway: &Arc<Gateway>) -> anyhow::Result<(SocketAddr, JoinHandle<()>)> {
    let listener =
        TcpListener::bind(("127.0.0.1", port)).await.context("could not listen for the gateway")?;
    Ok((listener.local_addr()?, server::serve(listener, gateway.clone())))
}
