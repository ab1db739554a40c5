//! Clones the cluster copy-on-write into quarantine, with its own values but what would speak or
//! tell: no instance before production's master password is dead, no way in but the worker's.
//!
//! The clone is raw production. Changes, one a look: parameter groups with the cluster's values
//! made quiet (docs/policy.md, The quarantine), the clone, its master password, an instance of the
//! writer's class. Again is harmless: names follow from the execution and tags say whose they are.
//! Undo: DeleteClone. Errors: `NotReady`, `Refused` (an open quarantine, a key, a quota),
//! `Conflict` (a name is someone else's, the cluster is another one), `OperationFailed` (RDS could
//! not clone it, or cloned it otherwise than asked).

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use policy::{Capacity, LifecycleSupport};
use runbook::{
    Context, Error, Result, Run, State,
    aurora::{self, Cluster, Instance, ResourceId},
    daily_sync::{
        names,
        quarantine::settings,
        tags::{Maker, Role, tag},
    },
    error::Then,
};
use serde::{Deserialize, Serialize};

use crate::shared::{
    groups::{self, Kind},
    restore::{self, From, Wanted},
};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CloneCluster {
    cluster: String,
    /// That is meant, whatever has the name by now.
    resource_id: ResourceId,
    subnet_group: String,
    security_group: String,
    /// The security groups that the workers have, and nobody else.
    worker_security_groups: Vec<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Clone {
    summary: String,
    cluster: String,
    resource_id: ResourceId,
}

const CREATED: &str = "created";
/// "wait at least 5 minutes before creating your first DB cluster that uses that DB cluster
/// parameter group as the default" (botocore rds 2014-10-31, CreateDBClusterParameterGroup).
const SETTLE: SignedDuration = SignedDuration::from_mins(5);

impl State for CloneCluster {
    const NAME: &'static str = "CloneCluster";
    type Output = Clone;

    async fn reconcile(self, cx: &Context, run: &Run) -> Result<Clone> {
        let source = aurora::cluster(cx, &self.cluster).await?;
        if source.resource_id != self.resource_id {
            return Err(Error::conflict(format!("{} is another cluster than when this began", source.id))
                .then(Then::StartAgain));
        }
        let members = aurora::members(cx, &source).await?;
        let writer = members.iter().find(|member| Some(member.id.as_str()) == source.writer());
        let writer =
            writer.ok_or_else(|| Error::NotReady(format!("{} to have a writer again", source.id)))?;
        let name = names::quarantine(&source.id, run);
        let maker = Maker::Rehearsal(&source.id);
        let group = source.shown.db_cluster_parameter_group().ok_or_else(|| {
            Error::unexpected(format!("RDS shows no DBClusterParameterGroup of cluster {}", source.id))
        })?;
        // Of a default group there is nothing to copy.
        let of_instance = writer.parameter_group()?;
        let own = names::instance(&name);
        let own = (!of_instance.starts_with("default.")).then_some(own.as_str());
        let found = restore::find(cx, run, maker, &name).await?;
        // A clone is begun with groups that are whole.
        if found.is_none() {
            let copies = Copies { cx, run, maker };
            let mut usable = copies.group(Kind::Cluster, group, &name, settings::quiet).await?;
            if let Some(own) = own {
                usable = usable.max(copies.group(Kind::Instance, of_instance, own, quiet_where_set).await?);
            }
            if let Some(usable) = usable.filter(|usable| cx.clock.now() < *usable) {
                let waits = format!("the parameter groups of {name} to be usable, at {usable}");
                return Err(Error::NotReady(waits));
            }
        }
        let wanted = Wanted {
            cluster: name.clone(),
            from: From::Cluster(&source.id),
            engine_version: &source.version,
            subnet_group: &self.subnet_group,
            security_groups: std::slice::from_ref(&self.security_group),
            cluster_parameter_group: &name,
            only_for: Some(&self.worker_security_groups),
            parameter_group: own,
            kms_key: None,
            instance_class: class(writer)?,
            capacity: capacity(&source),
            storage_type: source.shown.storage_type(),
            lifecycle_support: lifecycle_support(&source),
            tags: maker.tags(run, Role::Quarantine),
        };
        let restored = restore::reconcile(cx, run, found, &wanted).await?;
        Ok(Clone {
            summary: format!(
                "{} is a clone of {} in quarantine; production's master password does not open it",
                restored.cluster, source.id
            ),
            cluster: restored.cluster,
            resource_id: restored.resource_id,
        })
    }
}

/// An instance's own value would outdo the cluster's.
fn quiet_where_set(values: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    settings::quiet(values).into_iter().filter(|(name, _)| values.contains_key(name)).collect()
}

struct Copies<'a> {
    cx: &'a Context,
    run: &'a Run,
    maker: Maker<'a>,
}

impl Copies<'_> {
    /// A group of the same family, with the values of `from` as `changed` has them; from when on it
    /// can be used.
    async fn group(
        &self,
        kind: Kind,
        from: &str,
        to: &str,
        changed: fn(&BTreeMap<String, String>) -> BTreeMap<String, String>,
    ) -> Result<Option<Timestamp>> {
        let Self { cx, run, maker } = *self;
        let words = kind.words();
        let Some(group) = kind.find(cx, to).await? else {
            let source = kind.find(cx, from).await?;
            let source = source.ok_or_else(|| Error::NotReady(format!("{words} {from} to be shown")))?;
            let mut tags = maker.tags(run, Role::Quarantine);
            tags.push(tag(CREATED, &cx.clock.now().to_string()));
            kind.create(cx, to, &source.family, tags).await?;
            return Err(Error::NotReady(format!("{words} {to}, which was created now")));
        };
        let tags = groups::tags(cx, &group.arn).await?;
        if !maker.made_in(&tags, run) {
            return Err(Error::conflict(format!("a {words} {to} exists and is not this run's"))
                .fix("rename or delete it")
                .then(Then::StartAgain));
        }
        let (mut missing, present) =
            (changed(&kind.user_values(cx, from).await?), kind.user_values(cx, to).await?);
        missing.retain(|name, value| present.get(name) != Some(value));
        if !missing.is_empty() {
            let family = kind.family(cx, run, &group.family).await?;
            kind.set(cx, to, &missing, &family).await?;
            return Err(Error::NotReady(format!("{words} {to} to hold {} values more", missing.len())));
        }
        let created = tags.get(CREATED).and_then(|at| at.parse::<Timestamp>().ok());
        Ok(created.map(|at| at + SETTLE))
    }
}

fn class(writer: &Instance) -> Result<&str> {
    let class = writer.shown.db_instance_class();
    class.ok_or_else(|| Error::unexpected(format!("RDS shows no DBInstanceClass of instance {}", writer.id)))
}

fn capacity(source: &Cluster) -> Option<Capacity> {
    let scaling = source.shown.serverless_v2_scaling_configuration()?;
    Some(Capacity { min: scaling.min_capacity()?, max: scaling.max_capacity()? })
}

fn lifecycle_support(source: &Cluster) -> LifecycleSupport {
    let disabled = LifecycleSupport::OpenSourceRdsExtendedSupportDisabled;
    match source.shown.engine_lifecycle_support() {
        Some(shown) if shown == disabled.as_str() => disabled,
        _ => LifecycleSupport::default(),
    }
}
