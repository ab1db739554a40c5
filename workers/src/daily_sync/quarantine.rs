//! The quarantined copy, and the key that its values are masked with.

use policy::Masking;
use runbook::{
    Context, Error, Result, Run, aurora,
    daily_sync::{secret, tags},
    postgres::Login,
};

/// What a state is pointed at.
#[derive(Debug, Clone, Copy)]
pub struct Quarantined<'a> {
    pub cluster: &'a str,
    /// The sync, as the policy names it.
    pub sync: &'a str,
    /// Its DbClusterResourceId.
    pub resource_id: &'a str,
}

impl Quarantined<'_> {
    /// The master user's login, when the cluster is this run's quarantine and no other.
    pub async fn login(&self, cx: &Context, run: &Run) -> Result<Login> {
        let found = aurora::cluster(cx, self.cluster).await?;
        let ours = tags::is_of_run(found.tag_list(), self.sync, run)
            && tags::has_role(found.tag_list(), tags::Role::Quarantine);
        if !ours || found.db_cluster_resource_id() != Some(self.resource_id) {
            return Err(Error::Refused(format!(
                "{} is not the quarantined copy {} of this run. Nothing was touched.",
                self.cluster, self.resource_id
            )));
        }
        aurora::login(cx, &found, None).await
    }
}

pub async fn masking_key(cx: &Context, masking: &Masking) -> Result<String> {
    let secret = secret::get(cx, &masking.key_secret).await?;
    match secret.get("key").and_then(|key| key.as_str()) {
        Some(key) if key.len() >= 16 => Ok(key.to_owned()),
        _ => Err(Error::Refused(format!(
            "the secret {} must be a JSON object with a \"key\" of at least 16 characters, such as 32 \
            random bytes in base64. Nothing was touched.",
            masking.key_secret
        ))),
    }
}
