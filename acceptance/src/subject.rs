//! What is asked about: one throw-away cluster, and what the checks make beside it.

use std::{sync::Mutex, time::Duration};

use anyhow::{Context as _, Result, bail, ensure};
use aws_config::SdkConfig;
use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};
use aws_sdk_rds::{
    Client,
    types::{DbInstance, Tag},
};
use runbook::{
    Context,
    aurora::{self, Cluster, ResourceId, Status},
    clock::Clock,
    postgres::{Login, Tls},
};
use serde_json::Value;
use tokio::sync::OnceCell;

use crate::checks::Watched;

/// On the cluster that may be asked about it says [`SUBJECT`]; on what the checks make, which
/// cluster they were made for.
pub const TAG: &str = "aurora-runbooks-acceptance";
pub const SUBJECT: &str = "subject";

pub const ENGINE: &str = "aurora-postgresql";
pub const CLASS: &str = "db.t4g.medium";

/// As the command line names it.
#[derive(Debug, Clone)]
pub struct Named {
    pub account: String,
    pub region: String,
    pub cluster: String,
    /// A role with whose rights, cut down by policies of the checks, permissions are asked about.
    pub role: Option<String>,
    /// A snapshot that another account shares with this one.
    pub shared_snapshot: Option<String>,
    /// Whether the cluster is upgraded, too.
    pub upgrade: bool,
}

pub struct Subject {
    pub cx: Context,
    pub named: Named,
    config: SdkConfig,
    secrets: Mutex<Vec<String>>,
    snapshot: OnceCell<()>,
    copy: OnceCell<ResourceId>,
    copys_instance: OnceCell<()>,
    pub watched: OnceCell<Watched>,
}

impl Subject {
    /// Refuses another account, another Region, and a cluster that is not marked as the one to ask
    /// about.
    pub async fn new(config: &SdkConfig, clock: Clock, tls: Option<Tls>, named: Named) -> Result<Self> {
        let region = config.region().map(ToString::to_string);
        ensure!(
            region.as_deref() == Some(&*named.region),
            "the Region named is {}, the client's is {region:?}",
            named.region
        );
        let identity = aws_sdk_sts::Client::new(config).get_caller_identity().send().await;
        let identity = identity.context("ask who the credentials belong to (sts:GetCallerIdentity)")?;
        ensure!(
            identity.account() == Some(&*named.account),
            "the credentials are not of the account that was named: nothing was looked at"
        );
        ensure!(
            // Names of what is made begin with it, and the longest has 63 characters.
            named.cluster.len() <= 30,
            "the cluster's identifier may have 30 characters, for names are made of it"
        );
        // The run bucket is not used.
        let cx = Context::new(config, clock, String::new(), tls);
        let subject = Self {
            cx,
            named,
            config: config.clone(),
            secrets: Mutex::default(),
            snapshot: OnceCell::new(),
            copy: OnceCell::new(),
            copys_instance: OnceCell::new(),
            watched: OnceCell::new(),
        };
        let cluster = subject.cluster().await?;
        ensure!(
            cluster.tags.is(TAG, SUBJECT),
            "{} is not tagged {TAG}={SUBJECT}: it is not one to try things on, and nothing was touched",
            cluster.id
        );
        Ok(subject)
    }

    pub fn rds(&self) -> &Client {
        &self.cx.rds
    }

    pub async fn cluster(&self) -> Result<Cluster> {
        Ok(aurora::cluster(&self.cx, &self.named.cluster).await?)
    }

    pub async fn writer(&self) -> Result<DbInstance> {
        let cluster = self.cluster().await?;
        let members = aurora::members(&self.cx, &cluster).await?;
        Ok(members.into_iter().next_back().context("the cluster has no instance")?.shown)
    }

    /// What everything that a check makes is called by.
    pub fn prefix(&self) -> String {
        format!("{}-check-", self.named.cluster)
    }

    pub fn name(&self, end: &str) -> String {
        format!("{}{end}", self.prefix())
    }

    /// Marks what a check makes.
    pub fn tag(&self) -> Tag {
        Tag::builder().key(TAG).value(&self.named.cluster).build()
    }

    /// With the rights that the role and this policy both give.
    pub async fn with_policy(&self, policy: &Value) -> Result<Client> {
        let role = self.named.role.as_deref().context("no role was named (--role)")?;
        let assume = aws_sdk_sts::Client::new(&self.config).assume_role().role_arn(role);
        let assumed = assume.role_session_name("acceptance").policy(policy.to_string()).send().await;
        let keys = assumed.context("assume the role")?.credentials.context("no keys in the answer")?;
        let (id, secret) = (keys.access_key_id(), keys.secret_access_key());
        self.hide(secret);
        let token = keys.session_token().to_owned();
        let credentials = Credentials::new(id, secret, Some(token), None, "acceptance");
        let provider = SharedCredentialsProvider::new(credentials);
        Ok(Client::new(&self.config.to_builder().credentials_provider(provider).build()))
    }

    fn hide(&self, secret: &str) {
        let mut secrets = self.secrets.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        secrets.push(secret.to_owned());
    }

    pub fn redact(&self, text: &str) -> String {
        let secrets = self.secrets.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        crate::redact::redact(text, &secrets)
    }

    /// What the cluster's managed secret says now.
    pub async fn read_login(&self, cluster: &Cluster) -> Result<Login> {
        let login = aurora::read_login(&self.cx, cluster, None).await?;
        self.hide(&login.password);
        Ok(login)
    }

    /// A session of the master user on the cluster that is asked about, and the notices that come.
    pub async fn session(&self) -> Result<Session> {
        self.session_in("postgres").await
    }

    pub async fn session_in(&self, database: &str) -> Result<Session> {
        let cluster = self.cluster().await?;
        aurora::login(&self.cx, &cluster, None).await?;
        let login = self.read_login(&cluster).await?;
        let (client, notices) = runbook::postgres::connect_with_notices(&self.cx, &login, database).await?;
        Ok(Session { client, notices })
    }

    /// A snapshot of the cluster, available.
    pub async fn snapshot(&self) -> Result<String> {
        let name = self.name("snapshot");
        self.snapshot
            .get_or_try_init(async || {
                let create =
                    self.rds().create_db_cluster_snapshot().db_cluster_identifier(&self.named.cluster);
                let create = create.db_cluster_snapshot_identifier(&name).tags(self.tag());
                create.send().await.context("take a snapshot")?;
                self.snapshot_available(&name).await
            })
            .await?;
        Ok(name)
    }

    pub async fn snapshot_available(&self, name: &str) -> Result<()> {
        self.until(&format!("snapshot {name} to be available"), async || {
            let found = aurora::find_snapshot(&self.cx, name).await?;
            Ok(found.is_some_and(|snapshot| snapshot.status == Status::Available))
        })
        .await
    }

    /// A cluster restored from the snapshot beside the first one, with no instance.
    pub async fn copy(&self) -> Result<Cluster> {
        let id = self
            .copy
            .get_or_try_init(async || {
                let (snapshot, cluster) = (self.snapshot().await?, self.cluster().await?);
                let restore = self.rds().restore_db_cluster_from_snapshot().snapshot_identifier(snapshot);
                let restore = restore.db_cluster_identifier(self.name("copy")).engine(ENGINE);
                let restore = restore.engine_version(cluster.version.to_string()).tags(self.tag());
                let restore = restore
                    .set_db_subnet_group_name(cluster.shown.db_subnet_group().map(str::to_owned))
                    .set_vpc_security_group_ids(Some(security_groups(&cluster)));
                let restored = restore.send().await.context("restore the snapshot")?;
                let restored = Cluster::parse(restored.db_cluster.context("no cluster in the answer")?)?;
                self.available(&restored.resource_id).await?;
                anyhow::Ok(restored.resource_id)
            })
            .await?;
        self.by_id(id).await
    }

    /// The copy with an instance. Whoever asks for its password to be replaced asks before.
    pub async fn copy_with_instance(&self) -> Result<Cluster> {
        let copy = self.copy().await?;
        self.copys_instance
            .get_or_try_init(async || {
                let writer = self.writer().await?;
                let create = self.rds().create_db_instance().db_cluster_identifier(&copy.id);
                let create = create.db_instance_identifier(self.name("copy-1")).engine(ENGINE);
                let create = create.db_instance_class(CLASS).tags(self.tag());
                let create = create.set_publicly_accessible(writer.publicly_accessible());
                create.send().await.context("create the copy's instance")?;
                self.available(&copy.resource_id).await
            })
            .await?;
        self.by_id(&copy.resource_id).await
    }

    /// By the id that a rename keeps.
    pub async fn by_id(&self, id: &ResourceId) -> Result<Cluster> {
        let all = aurora::clusters(&self.cx).await?;
        aurora::by_resource_id(&all, id).cloned().context("the copy is gone")
    }

    /// The cluster and its instances, and nothing is pending.
    pub async fn available(&self, id: &ResourceId) -> Result<()> {
        self.until("the cluster to be available", async || {
            let all = aurora::clusters(&self.cx).await?;
            // Between two names neither is found.
            let Some(cluster) = aurora::by_resource_id(&all, id) else { return Ok(false) };
            let members = aurora::members(&self.cx, cluster).await?;
            let pending = cluster.shown.pending_modified_values().is_some_and(|pending| {
                pending.master_user_password().is_some() || pending.db_cluster_identifier().is_some()
            });
            let secret = cluster.shown.master_user_secret().and_then(|secret| secret.secret_status());
            Ok(aurora::ready(cluster, &members).is_ok()
                && !pending
                && secret.is_none_or(|status| status == "active"))
        })
        .await
    }

    /// Looks every 10 s, for two hours.
    pub async fn until(&self, what: &str, look: impl AsyncFn() -> Result<bool>) -> Result<()> {
        for _ in 0..720 {
            if look().await? {
                return Ok(());
            }
            self.sleep(10).await;
        }
        bail!("two hours of waiting for {what}")
    }

    pub async fn sleep(&self, seconds: u64) {
        self.cx.clock.sleep(Duration::from_secs(seconds)).await;
    }
}

pub struct Session {
    pub client: tokio_postgres::Client,
    pub notices: tokio::sync::mpsc::UnboundedReceiver<tokio_postgres::error::DbError>,
}

pub fn security_groups(cluster: &Cluster) -> Vec<String> {
    let groups = cluster.shown.vpc_security_groups().iter();
    groups.filter_map(|group| group.vpc_security_group_id().map(str::to_owned)).collect()
}
