//! The quarantined copy, and the key that its values are masked with.

use policy::Masking;
use runbook::{
    Context, Error, Result, Run,
    aurora::{self, ResourceId},
    daily_sync::{secret, tags},
    error::Then,
    postgres::Login,
};

/// What a state is pointed at.
#[derive(Debug, Clone, Copy)]
pub struct Quarantined<'a> {
    pub cluster: &'a str,
    /// The sync, as the policy names it.
    pub sync: &'a str,
    /// Its DbClusterResourceId.
    pub resource_id: &'a ResourceId,
}

impl Quarantined<'_> {
    /// The master user's login, when the cluster is this run's quarantine and no other.
    pub async fn login(&self, cx: &Context, run: &Run) -> Result<Login> {
        let found = aurora::cluster(cx, self.cluster).await?;
        let ours = tags::is_of_run(&found.tags, self.sync, run)
            && tags::has_role(&found.tags, tags::Role::Quarantine);
        if !ours || found.resource_id != *self.resource_id {
            return Err(Error::refused(format!(
                "{} is not the quarantined copy {} of this run",
                self.cluster, self.resource_id
            ))
            .then(Then::StartAgain));
        }
        aurora::login(cx, &found, None).await
    }
}

pub async fn masking_key(cx: &Context, masking: &Masking) -> Result<String> {
    let secret = secret::get(cx, &masking.key_secret).await?;
    match secret.get("key").and_then(|key| key.as_str()) {
        Some(key) if key.len() >= 16 => Ok(key.to_owned()),
        _ => Err(Error::refused(format!(
            "the secret {} has no \"key\" of at least 16 characters",
            masking.key_secret
        ))
        .changed("nothing by this attempt")
        .fix("put one into it, such as 32 random bytes in base64")
        .then(Then::StartAgain)),
    }
}
