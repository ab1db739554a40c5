//! The local AWS as a whole, with our deployment in it.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, Weak},
    time::Duration,
};

use anyhow::{Context as _, bail};
use aws_config::SdkConfig;
use aws_sdk_sfn::{
    operation::describe_execution::DescribeExecutionOutput,
    types::{ExecutionStatus, RoutingConfigurationListItem},
};
use runbook::{Context, clock::Clock, postgres::Tls};
use serde_json::{Value, json};
use tokio::{sync::mpsc, task::JoinHandle};

use local_aws::{
    autoscaling::AutoScaling,
    aws::{ACCOUNT, arn},
    ec2::Ec2,
    ecs::Ecs,
    events::{Events, Rule},
    gateway::Gateway,
    http::{Endpoint, access_key},
    iam::{
        self, Iam,
        policy::{Pattern, Policy},
    },
    lambda::{Functions, Lambda},
    postgres::PostgresEngine,
    rds::{Rds, engine::Engine},
    s3::S3,
    secretsmanager::SecretsManager,
    ssm::Ssm,
    states::StepFunctions,
    sts::Sts,
};

use crate::{
    deployment::{Deployment, Machine},
    gear::{self, Gear, Geared},
    in_process::config,
    outside::{self, Beside},
    permissions::Switches,
    statemachine::{ALIAS, PREFIX, RUNBOOKS},
};

pub const BUCKET: &str = "aurora-runbooks-runs";

pub struct Options {
    pub gear: Gear,
    pub seed: u64,
    /// The gateway's port; any free one when 0.
    pub port: u16,
    /// Another Step Functions, which runs our ASL instead of ours.
    pub stepfunctions: Option<String>,
    /// Whether the logs of functions and workers stay when all went well.
    pub keep_logs: bool,
    /// Whether the run bucket and every secret are encrypted with customers' KMS keys.
    pub customer_keys: bool,
    /// Whether the real gear has PostgreSQL 15 beside 16 and 18.
    pub postgres_15: bool,
    /// Whether upgrades of the real gear leave the planner's statistics behind.
    pub without_statistics: bool,
    /// Whether functions and workers run as the shipped executables in the real gear, which have to
    /// be built first; a scenario that calls none of them need not wait for it.
    pub executables: bool,
    /// Roles beside those of infra/iam.
    pub roles: Vec<iam::Role>,
    /// Rules beside those of infra/events, and policies of buses by their ARN.
    pub rules: Vec<Rule>,
    pub bus_policies: Vec<(String, Policy)>,
    /// What somebody has deployed, for the model gear; what `infra/` says when none.
    pub deployment: Option<Deployment>,
}

impl Options {
    pub fn real() -> Self {
        Self {
            gear: Gear::Real { speed: 60.0 },
            seed: 1,
            port: 0,
            stepfunctions: None,
            keep_logs: false,
            customer_keys: false,
            postgres_15: false,
            without_statistics: false,
            executables: true,
            roles: Vec::new(),
            rules: Vec::new(),
            bus_policies: Vec::new(),
            deployment: None,
        }
    }

    pub fn model(seed: u64) -> Self {
        Self { gear: Gear::Model, seed, ..Self::real() }
    }
}

pub struct Sandbox {
    pub clock: Clock,
    pub gateway: Arc<Gateway>,
    pub rds: Arc<Rds>,
    pub states: Arc<StepFunctions>,
    pub lambda: Arc<Lambda>,
    pub ecs: Arc<Ecs>,
    pub events: Arc<Events>,
    pub s3: Arc<S3>,
    pub secrets: Arc<SecretsManager>,
    pub ssm: Arc<Ssm>,
    pub scaling: Arc<AutoScaling>,
    pub iam: Arc<Iam>,
    /// Slack, Sentry, Datadog.
    pub beside: Beside,
    /// Real PostgreSQL, in the real gear.
    pub engine: Option<Arc<PostgresEngine>>,
    pub url: String,
    /// Another Step Functions, which runs our ASL.
    pub stepfunctions: Option<String>,
    /// Logs of functions and workers.
    pub logs: PathBuf,
    keep_logs: bool,
    tasks: Vec<JoinHandle<()>>,
}

impl Sandbox {
    pub async fn start(options: Options) -> anyhow::Result<Self> {
        let clock = options.gear.clock()?;
        let gateway = Gateway::new(clock);
        let (beside, outside) = Beside::new(clock);
        gateway.open(outside.clone());
        let weak: Weak<dyn Endpoint> = Arc::downgrade(&(gateway.clone() as Arc<dyn Endpoint>));
        let (events_sender, events_receiver) = mpsc::unbounded_channel();
        let logs = std::env::temp_dir().join(format!(
            "aurora-runbooks-logs-{}-{:x}",
            std::process::id(),
            Arc::as_ptr(&gateway) as usize
        ));
        let mut tasks = Vec::new();

        let Geared { url, engine, runtime, runner, served } =
            gear::start(&options, clock, &gateway, &logs).await?;
        tasks.extend(served);

        let ecs = Ecs::new(clock, runner, events_sender.clone());
        let rds = Rds::new(
            clock,
            engine.clone().map(|engine| engine as Arc<dyn Engine>),
            weak.clone(),
            events_sender.clone(),
            options.seed,
        );
        let states = StepFunctions::new(clock, weak.clone(), events_sender.clone(), options.seed);
        let switches = if options.customer_keys {
            Switches {
                run_bucket: Some(rds.plant_key(ACCOUNT, "alias/aurora-runbooks-runs", &[])),
                secrets: Some(rds.plant_key(ACCOUNT, "alias/aurora-runbooks-secrets", &[])),
                ..Switches::default()
            }
        } else {
            Switches::default()
        };
        let Deployment {
            machines,
            mut rules,
            destinations,
            functions,
            task_roles,
            iam: mut deployed,
            keys: customers,
            ..
        } = match options.deployment {
            Some(deployment) => deployment,
            None => Deployment::of_files(&switches)?,
        };
        rules.extend(options.rules);
        let lambda = Lambda::new(clock, Functions::new(PREFIX, functions), runtime);
        let events = Events::new(clock, weak, PREFIX, (rules, destinations), outside)?;
        tasks.push(tokio::spawn(events.clone().run(events_receiver)));
        let (s3, secrets, sts) = (S3::new(clock), SecretsManager::new(clock), Sts::new(clock));
        let (ssm, scaling) = (Ssm::new(clock), AutoScaling::new(clock));
        s3.create_bucket(BUCKET);
        if let Some(key) = &switches.run_bucket {
            s3.encrypt(BUCKET, key);
        }
        if let Some(key) = &switches.secrets {
            secrets.encrypt(key);
        }
        for key in customers {
            rds.plant_key_as(&key.arn, &key.alias);
            if key.of_run_bucket {
                s3.encrypt(BUCKET, &key.arn);
            }
        }
        let world = iam::World { rds: rds.clone(), s3: s3.clone(), secrets: secrets.clone(), task_roles };
        deployed.roles.extend(options.roles);
        let of_buses = options.bus_policies.into_iter();
        deployed.resource_policies.extend(of_buses.map(|(bus, policy)| (Pattern(bus), policy)));
        let iam = Arc::new(Iam::new(world, deployed));
        gateway.enforce(iam.clone());

        let services: BTreeMap<&'static str, Arc<dyn Endpoint>> = BTreeMap::from([
            ("rds", rds.clone() as Arc<dyn Endpoint>),
            ("ec2", Ec2::new(rds.clone())),
            ("states", states.clone()),
            ("lambda", lambda.clone()),
            ("ecs", ecs.clone()),
            ("events", events.clone()),
            ("s3", s3.clone()),
            ("secretsmanager", secrets.clone()),
            ("ssm", ssm.clone()),
            ("application-autoscaling", scaling.clone()),
            ("sts", sts),
        ]);
        let (functions, workers) = (Arc::downgrade(&lambda), Arc::downgrade(&ecs));
        gateway.connect(
            services,
            Box::new(move |principal| {
                let killed = functions.upgrade().is_some_and(|lambda| lambda.kill(principal))
                    || workers.upgrade().is_some_and(|ecs| ecs.kill(principal));
                tracing::debug!(principal, killed, "kill");
            }),
        );
        let sandbox = Self {
            clock,
            gateway,
            rds,
            states,
            lambda,
            ecs,
            events,
            s3,
            secrets,
            ssm,
            scaling,
            iam,
            beside,
            engine,
            url,
            stepfunctions: options.stepfunctions,
            logs,
            keep_logs: options.keep_logs,
            tasks,
        };
        sandbox.deploy(machines).await?;
        Ok(sandbox)
    }

    /// The SDK's configuration for a caller of that name in the home account.
    pub fn sdk(&self, principal: &'static str) -> SdkConfig {
        self.sdk_in(ACCOUNT, principal)
    }

    /// For a caller of that name in that account, as a test plays production's owner.
    pub fn sdk_in(&self, account: &str, principal: &str) -> SdkConfig {
        config(
            &access_key(principal, account),
            self.clock,
            &self.url,
            self.engine.is_none().then_some(&self.gateway),
        )
    }

    async fn deploy(&self, machines: Vec<Machine>) -> anyhow::Result<()> {
        let sfn = self.sfn();
        for Machine { name, definition, role_arn } in machines {
            let create = sfn.create_state_machine().name(&name).definition(definition).role_arn(role_arn);
            // Rules and schedules are the sandbox's, and start nothing elsewhere.
            let created = create.publish(self.stepfunctions.is_none()).send().await;
            let created = created.with_context(|| format!("could not deploy {name}"))?;
            if let Some(version) = created.state_machine_version_arn {
                let route = RoutingConfigurationListItem::builder();
                let route = route.state_machine_version_arn(version).weight(100).build()?;
                let alias = sfn.create_state_machine_alias().name(ALIAS).routing_configuration(route);
                alias.send().await.with_context(|| format!("could not make an alias of {name}"))?;
            }
        }
        Ok(())
    }

    pub fn sfn(&self) -> aws_sdk_sfn::Client {
        let mut config = aws_sdk_sfn::config::Builder::from(&self.sdk("owner"));
        config.set_endpoint_url(Some(self.stepfunctions.clone().unwrap_or_else(|| self.url.clone())));
        aws_sdk_sfn::Client::from_conf(config.build())
    }

    pub fn rds_client(&self) -> aws_sdk_rds::Client {
        self.rds_client_in(ACCOUNT)
    }

    pub fn rds_client_in(&self, account: &str) -> aws_sdk_rds::Client {
        aws_sdk_rds::Client::new(&self.sdk_in(account, "owner"))
    }

    /// Starts a runbook as its owner would; answers the execution's ARN.
    pub async fn start_execution(&self, runbook: &str, name: &str, input: &Value) -> anyhow::Result<String> {
        let machine = arn("states", &format!("stateMachine:{PREFIX}-{runbook}"));
        let started = self
            .sfn()
            .start_execution()
            .state_machine_arn(machine)
            .name(name)
            .input(input.to_string())
            .send()
            .await?;
        Ok(started.execution_arn)
    }

    pub async fn redrive(&self, execution: &str) -> anyhow::Result<()> {
        self.sfn().redrive_execution().execution_arn(execution).send().await?;
        Ok(())
    }

    /// Waits until the execution has ended.
    pub async fn wait(&self, execution: &str) -> anyhow::Result<DescribeExecutionOutput> {
        let sfn = self.sfn();
        loop {
            let described = sfn.describe_execution().execution_arn(execution).send().await?;
            if *described.status() != ExecutionStatus::Running {
                return Ok(described);
            }
            self.clock.sleep(Duration::from_secs(60)).await;
        }
    }

    /// Makes the reports of all that runs again, as the rule `runs-under-way` has it done every
    /// minute; answers how many there were.
    pub async fn renew_reports(&self) -> anyhow::Result<u64> {
        let machines = RUNBOOKS.map(|runbook| arn("states", &format!("stateMachine:{PREFIX}-{runbook}")));
        let renewed = self.by_rule(functions::REPORT_RUN, json!({ "stateMachines": machines })).await?;
        Ok(renewed["running"].as_u64().unwrap_or_default())
    }

    /// What watch-raw-copies says, as the rule `raw-copies` has it look every five minutes.
    pub async fn raw_copies(&self) -> runbook::Result<Value> {
        self.by_rule(functions::WATCH_RAW_COPIES, json!({})).await
    }

    /// A function that a rule with a schedule calls: schedules do not run by themselves here.
    async fn by_rule(&self, function: &str, input: Value) -> runbook::Result<Value> {
        let sdk = self.sdk_in(ACCOUNT, function);
        let cx = Context::new(&sdk, self.clock, BUCKET.to_owned(), Tls::Disable);
        let cx = cx.with_variables(outside::variables(outside::SENTRY));
        functions::handle(function, &cx, input).await
    }

    /// The run's report, once report-run has written it for the status that the execution has now.
    pub async fn report(&self, execution: &str) -> anyhow::Result<Value> {
        let name = execution.rsplit(':').next().unwrap_or_default();
        let status = self.wait(execution).await?.status().as_str().to_owned();
        for _ in 0..60 {
            let report = self
                .s3
                .get(BUCKET, &format!("runs/{name}/report.json"))
                .and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok());
            if let Some(report) = report.filter(|report| report["status"] == json!(status)) {
                return Ok(report);
            }
            self.clock.sleep(Duration::from_secs(10)).await;
        }
        bail!("no report of {execution} says {status}")
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
        if std::thread::panicking() {
            return;
        }
        if !self.keep_logs {
            // There are none in the model gear.
            let _ = std::fs::remove_dir_all(&self.logs);
        }
        // What was to be shown against them was not.
        let mut unfired = self.gateway.unfired();
        unfired.extend(self.ecs.unfired());
        assert!(unfired.is_empty(), "laid and never fired: {}", unfired.join(", "));
    }
}
