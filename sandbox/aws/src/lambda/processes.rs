//! The execution environments of every function: kept warm, one invocation at a time in each.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use clock::Clock;
use tokio::process::Command;
use tokio::sync::Notify;

use super::environment::{Ended, Environment};
use super::invoker::Outcome;
use super::{FunctionError, Functions};
use crate::aws::REGION;

/// How to start the shipped executable.
pub struct Processes {
    /// The `bootstrap` of every function.
    pub executable: PathBuf,
    /// Where the functions find AWS.
    pub gateway_url: String,
    /// Variables beside those that Lambda defines.
    pub environment: BTreeMap<String, String>,
    /// Output is appended to `<folder>/<function>.log`.
    pub log_folder: PathBuf,
}

pub(super) struct Pool {
    clock: Clock,
    functions: Arc<Functions>,
    processes: Processes,
    idle: Mutex<BTreeMap<String, Vec<Environment>>>,
}

impl Pool {
    pub fn new(clock: Clock, functions: Arc<Functions>, processes: Processes) -> Self {
        Self { clock, functions, processes, idle: Mutex::default() }
    }

    pub async fn invoke(
        &self,
        name: &str,
        id: &str,
        payload: Bytes,
        limit: Duration,
        kill: &Notify,
    ) -> Outcome {
        let mut environment = match self.take_idle(name) {
            Some(warm) => warm,
            None => self.start(name).await.map_err(|error| {
                let error_message = format!(
                    "RequestId: {id} Error: Couldn't start {}: {error}",
                    self.processes.executable.display()
                );
                FunctionError { error_type: "Runtime.InvalidEntrypoint".into(), error_message }
            })?,
        };
        match environment.invoke(id, payload, limit, self.functions.timeout, kill).await {
            Ended::Warm(outcome) => {
                self.idle.lock().unwrap().entry(name.into()).or_default().push(environment);
                outcome
            }
            Ended::Dead(error) => Err(error),
        }
    }

    pub fn kill_idle(&self, name: &str) -> bool {
        self.take_idle(name).is_some()
    }

    fn take_idle(&self, name: &str) -> Option<Environment> {
        let mut idle = self.idle.lock().unwrap();
        let environments = idle.get_mut(name)?;
        environments.retain_mut(Environment::is_alive);
        environments.pop()
    }

    async fn start(&self, name: &str) -> std::io::Result<Environment> {
        let Processes { executable, gateway_url, environment, log_folder } = &self.processes;
        std::fs::create_dir_all(log_folder)?;
        let log =
            OpenOptions::new().create(true).append(true).open(log_folder.join(format!("{name}.log")))?;
        let full_name = self.functions.full_name(name);
        let mut command = Command::new(executable);
        // https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html#configuration-envvars-runtime
        command
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin:/opt/bin")
            .env("LANG", "en_US.UTF-8")
            .env("TZ", ":UTC")
            .env("_HANDLER", name)
            .env("AWS_LAMBDA_FUNCTION_NAME", &full_name)
            .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", self.functions.memory_mb.to_string())
            .env("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand")
            .env("AWS_LAMBDA_LOG_GROUP_NAME", format!("/aws/lambda/{full_name}"))
            .env("AWS_LAMBDA_LOG_STREAM_NAME", format!("{name}/[$LATEST]"))
            .env("AWS_REGION", REGION)
            .env("AWS_DEFAULT_REGION", REGION)
            // The access key is the principal that the gateway sees.
            .env("AWS_ACCESS_KEY_ID", name)
            .env("AWS_SECRET_ACCESS_KEY", "sandbox")
            .env("AWS_ENDPOINT_URL", gateway_url)
            .envs(self.clock.to_variable().map(|value| (clock::VARIABLE, value)))
            .envs(environment)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        Environment::start(command, self.functions.arn(name)).await
    }
}
