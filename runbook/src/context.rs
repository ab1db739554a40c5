//! Everything a state receives: the clients, the clock, the run bucket, and where to tell its
//! progress.
//!
//! - `RUN_BUCKET`: the bucket for findings, inspections, leases and reports. Required.
//! - What else report-run takes from the environment is looked up by [`Context::variable`].
//! - `RUNBOOK_CLOCK`: see [`crate::clock`]. Only the sandbox sets it.

use std::{collections::BTreeMap, sync::Arc};

use aws_config::{BehaviorVersion, SdkConfig, sts::AssumeRoleProvider};
use aws_sdk_rds::config::{
    SharedCredentialsProvider,
    retry::{RetryPartition, TokenBucket},
};
use aws_smithy_runtime_api::client::http::SharedHttpConnector;
use parking_lot::Mutex;

use crate::{
    aurora::Families,
    clock::Clock,
    lazy::Lazy,
    patience::Patience,
    postgres::{Connections, Programs, Tls},
    store::Store,
};

#[derive(Debug, Clone)]
pub struct Context {
    pub rds: Lazy<aws_sdk_rds::Client>,
    pub sfn: Lazy<aws_sdk_sfn::Client>,
    pub secrets: Lazy<aws_sdk_secretsmanager::Client>,
    pub scaling: Lazy<aws_sdk_applicationautoscaling::Client>,
    pub store: Store,
    pub clock: Clock,
    pub progress: Progress,
    pub patience: Patience,
    pub families: Families,
    /// Absent where nothing speaks to PostgreSQL: in the Lambda functions.
    pub tls: Option<Tls>,
    pub connections: Connections,
    pub programs: Programs,
    variables: Arc<BTreeMap<String, String>>,
    connector: Option<SharedHttpConnector>,
    config: SdkConfig,
}

impl Context {
    pub async fn from_environment() -> anyhow::Result<Self> {
        let bucket = std::env::var("RUN_BUCKET")
            .map_err(|_| anyhow::anyhow!("RUN_BUCKET must name the run bucket"))?;
        let defaults = aws_config::defaults(BehaviorVersion::v2026_01_12());
        let config = defaults.http_client(crate::https::client()?).load().await;
        let cx = Self::new(&config, Clock::from_environment()?, bucket, None);
        Ok(cx.with_variables(std::env::vars().collect()))
    }

    pub fn new(config: &SdkConfig, clock: Clock, bucket: String, tls: impl Into<Option<Tls>>) -> Self {
        let of_store = config.clone();
        let s3 = Lazy::new(move || {
            // Buckets as a path work with every endpoint, and an AWS bucket's name never has to
            // resolve.
            let s3 = aws_sdk_s3::config::Builder::from(&of_store).force_path_style(true);
            aws_sdk_s3::Client::from_conf(s3.retry_partition(quota()).build())
        });
        let Clients { rds, sfn, secrets, scaling } = Clients::of(config);
        Self {
            rds,
            sfn,
            secrets,
            scaling,
            store: Store::new(s3, bucket),
            clock,
            progress: Progress::default(),
            patience: Patience::default(),
            families: Families::default(),
            tls: tls.into(),
            connections: Connections::default(),
            programs: Programs::from_environment(),
            variables: Arc::default(),
            connector: None,
            config: config.clone(),
        }
    }

    /// What the clients are made of, for a call that none of them has.
    pub fn sdk_config(&self) -> &SdkConfig {
        &self.config
    }

    /// The same, for a process that speaks to PostgreSQL.
    pub fn with_tls(self, tls: Tls) -> Self {
        Self { tls: Some(tls), ..self }
    }

    /// A variable of the environment; none when it is empty, as Terraform writes what is not there.
    pub fn variable(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// The same, in that environment.
    pub fn with_variables(self, variables: BTreeMap<String, String>) -> Self {
        Self { variables: Arc::new(variables), ..self }
    }

    /// How a host beside AWS is reached; none where that is by HTTPS as everywhere.
    pub fn connector(&self) -> Option<SharedHttpConnector> {
        self.connector.clone()
    }

    /// The same, where hosts beside AWS are reached by that.
    pub fn with_connector(self, connector: SharedHttpConnector) -> Self {
        Self { connector: Some(connector), ..self }
    }

    /// The same, with PostgreSQL's programs elsewhere than the environment says.
    pub fn with_programs(self, programs: Programs) -> Self {
        Self { programs, ..self }
    }

    /// The same, in the account of that role. The run bucket stays ours.
    ///
    /// The role is assumed with the first call and again before it expires (AssumeRoleProvider,
    /// aws-config). `external_id` is what the role's trust policy asks for
    /// (https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_common-scenarios_third-party.html).
    pub async fn assume(&self, role_arn: &str, external_id: &str) -> Self {
        let provider = AssumeRoleProvider::builder(role_arn)
            .session_name("aurora-runbooks")
            .external_id(external_id)
            .configure(&self.config)
            .build()
            .await;
        let config =
            self.config.to_builder().credentials_provider(SharedCredentialsProvider::new(provider)).build();
        let Clients { rds, sfn, secrets, scaling } = Clients::of(&config);
        Self { rds, sfn, secrets, scaling, config, ..self.clone() }
    }
}

struct Clients {
    rds: Lazy<aws_sdk_rds::Client>,
    sfn: Lazy<aws_sdk_sfn::Client>,
    secrets: Lazy<aws_sdk_secretsmanager::Client>,
    scaling: Lazy<aws_sdk_applicationautoscaling::Client>,
}

macro_rules! client {
    ($sdk:ident of $config:ident) => {{
        let config = $config.clone();
        Lazy::new(move || {
            let config = $sdk::config::Builder::from(&config).retry_partition(quota());
            $sdk::Client::from_conf(config.build())
        })
    }};
}

impl Clients {
    fn of(config: &SdkConfig) -> Self {
        Self {
            rds: client!(aws_sdk_rds of config),
            sfn: client!(aws_sdk_sfn of config),
            secrets: client!(aws_sdk_secretsmanager of config),
            scaling: client!(aws_sdk_applicationautoscaling of config),
        }
    }
}

/// How often a client may try again: 500 tokens, five a retry, ten after a timeout. So the SDK has
/// it for all clients of a service and Region in a process (aws-smithy-runtime,
/// `client::retries::TokenBucket`); but the limits are an account's, and a role's is another one.
fn quota() -> RetryPartition {
    RetryPartition::custom("a client's own").token_bucket(TokenBucket::default()).build()
}

/// What a worker is doing, in one line: logged, and shown by whoever watches.
#[derive(Debug, Clone, Default)]
pub struct Progress(Arc<Mutex<String>>);

impl Progress {
    pub fn say(&self, text: impl Into<String>) {
        let text = text.into();
        tracing::info!("{text}");
        *self.0.lock() = text;
    }

    pub fn last(&self) -> String {
        self.0.lock().clone()
    }
}
