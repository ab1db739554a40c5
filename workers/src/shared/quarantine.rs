//! The quarantined copy that a worker is pointed at.

use runbook::{
    Context, Error, Result, Run,
    aurora::{self, ResourceId},
    daily_sync::tags::{self, Maker},
    error::Then,
    postgres::Login,
};

/// What a state is pointed at.
#[derive(Debug, Clone, Copy)]
pub struct Quarantined<'a> {
    pub cluster: &'a str,
    /// Whose run restored it.
    pub maker: Maker<'a>,
    /// Its DbClusterResourceId.
    pub resource_id: &'a ResourceId,
}

impl Quarantined<'_> {
    /// The master user's login, when the cluster is this run's quarantine and no other.
    pub async fn login(&self, cx: &Context, run: &Run) -> Result<Login> {
        let found = aurora::cluster(cx, self.cluster).await?;
        let ours =
            self.maker.made_in(&found.tags, run) && tags::has_role(&found.tags, tags::Role::Quarantine);
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
