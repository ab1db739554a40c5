//! The workers' own cut, masking and attestation on a PostgreSQL server that is no cluster of AWS:
//! a policy is tried on a laptop before a run meets it.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};
use policy::Masking;
use runbook::{
    Context, Result, Run,
    aurora::ResourceId,
    clock::Clock,
    postgres::{Login, Programs, Tls, random_password},
};
use workers::{
    daily_sync::{
        attest_sanitized::{self, Seen},
        sanitize_databases::{
            cut::{self, Wire},
            rebuild::names_again,
            record::{Record, Records},
            sanitize,
        },
    },
    shared::{
        seal::Seal,
        sessions::{Lanes, Sessions},
    },
};

use local_aws::{client::InProcess, gateway::Gateway, http::Endpoint, s3::S3};

use crate::postgres::Installs;

pub mod command;
mod policy_file;
mod server;

pub use server::MARK;

const BUCKET: &str = "a-trial";

/// A server, and what a run would keep in its bucket.
pub struct Trial {
    pub cx: Context,
    pub login: Login,
    /// As a worker spreads it when nothing is said.
    pub lanes: Option<Lanes>,
    bucket: Arc<S3>,
    /// The clients of `cx` do not keep it.
    _gateway: Arc<Gateway>,
    run: Run,
    resource_id: ResourceId,
}

impl Trial {
    pub fn new(login: Login, tls: Tls, programs: Programs) -> anyhow::Result<Self> {
        let gateway = Gateway::new(Clock::System);
        let s3 = S3::new(Clock::System);
        s3.create_bucket(BUCKET);
        gateway.connect(BTreeMap::from([("s3", s3.clone() as Arc<dyn Endpoint>)]), Box::new(|_| {}));
        let keys = Credentials::new("trial", "trial", None, None, "trial");
        let config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::new("eu-central-1"))
            .credentials_provider(SharedCredentialsProvider::new(keys))
            .endpoint_url("http://127.0.0.1")
            .http_client(InProcess(Arc::downgrade(&gateway)))
            .build();
        let cx = Context::new(&config, Clock::System, BUCKET.into(), tls).with_programs(programs);
        let execution =
            format!("arn:aws:states:eu-central-1:444455556666:execution:trial:{}", random_password());
        let resource_id = ResourceId::try_from("cluster-TRIAL".to_owned()).map_err(anyhow::Error::msg)?;
        let run = Run::of(&execution);
        Ok(Self { cx, login, lanes: None, bucket: s3, _gateway: gateway, run, resource_id })
    }

    pub fn sessions(&self) -> Sessions<'_> {
        Sessions { cx: &self.cx, login: &self.login }
    }

    /// How large what a run would keep is.
    pub fn kept_bytes(&self) -> usize {
        let keys = self.bucket.list(BUCKET, "");
        keys.iter().filter_map(|key| self.bucket.get(BUCKET, key)).map(|object| object.len()).sum()
    }

    async fn lanes(&self) -> Result<Lanes> {
        match self.lanes {
            Some(asked) => Ok(asked),
            None => self.sessions().lanes().await,
        }
    }

    pub fn seal(&self, key: &str) -> Seal {
        Seal::new(key, &self.run, &self.resource_id)
    }

    pub async fn cut(&self, masking: &Masking) -> Result<Vec<Wire>> {
        cut::cut(&self.sessions(), &masking.exceptions).await
    }

    /// After the cut, whose wires are given.
    pub async fn mask(&self, masking: &Masking, wires: &[Wire], key: &str) -> Result<Vec<Record>> {
        names_again(&self.sessions(), &self.seal(key)).await?;
        let records = Records { cx: &self.cx, run: &self.run, seal: &self.seal(key) };
        let unknown = cut::unknown(&masking.exceptions, wires);
        sanitize(&self.sessions(), masking, unknown, key, &records, self.lanes().await?).await
    }

    pub async fn attest(&self, masking: &Masking, key: &str) -> Result<Seen> {
        let records = Records { cx: &self.cx, run: &self.run, seal: &self.seal(key) };
        let lanes = self.lanes().await?;
        attest_sanitized::look(&self.cx, &self.login, masking, &records, key, lanes).await
    }
}

/// PostgreSQL's programs of the servers of the local AWS.
pub fn programs(installs: &Installs) -> Programs {
    Programs::at(bins(installs))
}

/// The same, as a worker's environment names them.
pub fn folders(installs: &Installs) -> impl Iterator<Item = (String, String)> {
    bins(installs).map(|(major, folder)| (format!("PG_BIN_{major}"), folder.display().to_string()))
}

fn bins(installs: &Installs) -> impl Iterator<Item = (u32, PathBuf)> {
    (15..=18).filter_map(|major| Some((major, installs.bin(major)?.to_owned())))
}
