//! What the evaluation of policies looks up: tags, keys, and what a cluster is made of.

use super::Rds;
use super::keys::default_key;
use super::model::Tags;
use crate::aws::account_of;

/// A cluster as far as a call on it touches other resources.
pub struct Seen {
    pub resource_id: String,
    pub engine_version: String,
    pub subnet_group: String,
    /// Identifiers of its instances.
    pub members: Vec<String>,
}

impl Rds {
    /// None when there is no such resource.
    pub fn tags_at(&self, arn: &str) -> Option<Tags> {
        let rds = self.in_account(account_of(arn)?)?;
        rds.world().tags_of(arn).ok().cloned()
    }

    /// Of the cluster that a blue/green deployment is of: all its members have them.
    pub fn tags_of_blue(&self, account: &str, deployment: &str) -> Option<Tags> {
        let rds = self.in_account(account)?;
        let world = rds.world();
        let id = deployment.rsplit(':').next()?.to_lowercase();
        let cluster = world.clusters.get(world.deployments.get(&id)?.blue())?;
        Some(cluster.tags.clone())
    }

    pub fn seen(&self, account: &str, cluster: &str) -> Option<Seen> {
        let rds = self.in_account(account)?;
        let world = rds.world();
        let cluster = world.cluster(cluster).ok()?;
        let members = world.instances.values().filter(|member| member.cluster == cluster.resource_id);
        Some(Seen {
            resource_id: cluster.resource_id.clone(),
            engine_version: cluster.engine_version.clone(),
            subnet_group: cluster.subnet_group.clone(),
            members: members.map(|member| member.id.clone()).collect(),
        })
    }

    /// The ARN of a key that a customer made, by any of its names; none for the account's default
    /// key and for what the account may not use.
    pub fn customer_key(&self, account: &str, id: &str) -> Option<String> {
        let key = self.in_account(account)?.usable_key(id).ok()?;
        (key != default_key(account)).then_some(key)
    }

    /// The same of what a snapshot is encrypted with.
    pub fn customer_key_of_snapshot(&self, account: &str, id: &str) -> Option<String> {
        let key = self.in_account(account)?.usable_snapshot(id).ok()?.kms_key?;
        self.customer_key(account, &key)
    }

    pub fn customer_key_of_cluster(&self, account: &str, id: &str) -> Option<String> {
        let key = self.in_account(account)?.world().cluster(id).ok()?.kms_key.clone()?;
        self.customer_key(account, &key)
    }

    /// `alias/…` of a customer's key.
    pub fn alias_of_key(&self, arn: &str) -> Option<String> {
        let keys = self.shared.keys.lock();
        keys.get(arn).map(|key| key.alias.clone())
    }
}
