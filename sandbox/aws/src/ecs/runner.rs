//! What runs in a task's container.

use std::fs::OpenOptions;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use clock::Clock;
use futures::future::BoxFuture;
use tokio::process::{Child, Command};

use super::Environment;
use super::lifecycle::Signals;
use super::task::{Signal, Task};
use crate::aws::REGION;

/// A worker written in Rust: command and environment to exit code.
pub type Worker = Arc<dyn Fn(Vec<String>, Environment) -> BoxFuture<'static, i32> + Send + Sync>;

pub enum Runner {
    Processes(Processes),
    InProcess(Worker),
}

/// How to start the shipped executable.
pub struct Processes {
    pub executable: PathBuf,
    /// Where the workers find AWS.
    pub gateway_url: String,
    /// The task definition's environment.
    pub environment: Environment,
    /// Output is appended to `<folder>/<first word of the command>.log`.
    pub log_folder: PathBuf,
}

/// "a default 30-second timeout, after which the SIGKILL value is sent" (StopTask). However fast
/// the sandbox's clock runs, a process needs some time of this machine to end in good order.
const STOP_TIMEOUT: Duration = Duration::from_secs(30);
const SHORTEST_STOP: Duration = Duration::from_secs(2);

const SIGKILLED: i32 = 137;
const SIGTERMED: i32 = 143;

/// Runs until the container exits, and answers its exit code, or why it could not be started.
pub(super) async fn run(
    runner: &Runner,
    clock: Clock,
    task: &Task,
    mut signals: Signals,
) -> std::io::Result<i32> {
    match runner {
        Runner::InProcess(worker) => {
            let worker = worker(task.command.clone(), task.environment.clone());
            // There are no signals within a process: it just ends, as if it did not handle them.
            tokio::select! {
                code = worker => Ok(code),
                signal = signal(&mut signals) => {
                    Ok(if signal == Signal::Stop { SIGTERMED } else { SIGKILLED })
                }
            }
        }
        Runner::Processes(processes) => {
            let mut process = processes.start(clock, task)?;
            tokio::select! {
                status = process.wait() => return status.map(exit_code),
                signal = signal(&mut signals) => if signal == Signal::Stop {
                    terminate(&process).await;
                    let limit = clock.real(STOP_TIMEOUT).max(SHORTEST_STOP);
                    if let Ok(status) = tokio::time::timeout(limit, process.wait()).await {
                        return status.map(exit_code);
                    }
                }
            }
            process.kill().await?;
            process.wait().await.map(exit_code)
        }
    }
}

async fn signal(signals: &mut Signals) -> Signal {
    match signals.wait_for(Option::is_some).await.map(|signal| *signal) {
        Ok(Some(signal)) => signal,
        // The task is gone, and with it whoever could send a signal.
        _ => std::future::pending().await,
    }
}

/// The standard library sends nothing but SIGKILL; the shell has `kill` built in.
async fn terminate(process: &Child) {
    if let Some(id) = process.id() {
        let _ = Command::new("sh").args(["-c", "kill -TERM \"$0\"", &id.to_string()]).status().await;
    }
}

fn exit_code(status: std::process::ExitStatus) -> i32 {
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default())
}

impl Processes {
    fn start(&self, clock: Clock, task: &Task) -> std::io::Result<Child> {
        let name = task.command.first().map_or(task.family(), String::as_str);
        std::fs::create_dir_all(&self.log_folder)?;
        let log =
            OpenOptions::new().create(true).append(true).open(self.log_folder.join(format!("{name}.log")))?;
        Command::new(&self.executable)
            .args(&task.command)
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("AWS_REGION", REGION)
            .env("AWS_DEFAULT_REGION", REGION)
            // The access key is the principal that the gateway sees.
            .env("AWS_ACCESS_KEY_ID", name)
            .env("AWS_SECRET_ACCESS_KEY", "sandbox")
            .env("AWS_ENDPOINT_URL", &self.gateway_url)
            .envs(clock.to_variable().map(|value| (clock::VARIABLE, value)))
            .envs(&self.environment)
            .envs(&task.environment)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
    }
}
