//! Parameter groups of clusters and of instances: they differ in their names, not in their rules.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::error::Fault;
use super::families;
use super::model::{Group, World, identifier};
use super::paging::page_of;
use super::query::Input;
use super::{Answer, Rds, tags};
use crate::aws;

pub(super) const MOST: usize = 50;

/// Which of the two an action is about, and the names that its members carry then.
#[derive(Clone, Copy)]
pub struct Kind {
    pub instance: bool,
}

impl Kind {
    pub const CLUSTER: Self = Self { instance: false };
    pub const INSTANCE: Self = Self { instance: true };

    pub fn of(action: &str) -> Self {
        Self { instance: !action.contains("Cluster") }
    }

    pub fn noun(self) -> &'static str {
        if self.instance { "DBParameterGroup" } else { "DBClusterParameterGroup" }
    }

    pub fn name_member(self) -> &'static str {
        if self.instance { "DBParameterGroupName" } else { "DBClusterParameterGroupName" }
    }

    pub fn groups(self, world: &World) -> &BTreeMap<String, Group> {
        if self.instance { &world.instance_groups } else { &world.cluster_groups }
    }

    pub fn groups_mut(self, world: &mut World) -> &mut BTreeMap<String, Group> {
        if self.instance { &mut world.instance_groups } else { &mut world.cluster_groups }
    }

    fn describe(self, account: &str, group: &Group) -> Value {
        let resource = if self.instance { "pg" } else { "cluster-pg" };
        json!({
            self.name_member(): group.name,
            "DBParameterGroupFamily": group.family,
            "Description": group.description,
            format!("{}Arn", self.noun()): aws::arn_in(account, "rds", &format!("{resource}:{}", group.name)),
        })
    }
}

/// The group that RDS makes for a family. It can neither be changed nor copied.
pub fn default_name(family: &str) -> String {
    format!("default.{family}")
}

pub fn is_default(name: &str) -> bool {
    name.starts_with("default.")
}

fn default_group(kind: Kind, family: &str) -> Group {
    let what = if kind.instance { "parameter" } else { "cluster parameter" };
    Group {
        name: default_name(family),
        family: family.to_owned(),
        description: format!("Default {what} group for {family}"),
        values: BTreeMap::new(),
        tags: BTreeMap::new(),
    }
}

impl World {
    /// By name or ARN; a family's default group is always there.
    pub fn group(&self, kind: Kind, name: &str) -> Option<Group> {
        let name = name.rsplit(':').next().unwrap_or(name).to_lowercase();
        if let Some(family) = name.strip_prefix("default.") {
            return families::all().find(|known| known == family).map(|family| default_group(kind, &family));
        }
        kind.groups(self).get(&name).cloned()
    }

    /// For the actions on groups themselves: they know only one fault for both kinds (botocore rds
    /// 2014-10-31).
    pub fn known_group(&self, kind: Kind, name: &str) -> Result<Group, Fault> {
        self.group(kind, name).ok_or_else(|| {
            Fault::new("DBParameterGroupNotFound", format!("{} not found: {name}", kind.noun()))
        })
    }

    /// For the actions on clusters and instances: the group is there and of the version's family.
    pub fn fitting_group(&self, kind: Kind, name: &str, family: &str) -> Result<Group, Fault> {
        let code = if kind.instance { "DBParameterGroupNotFound" } else { "DBClusterParameterGroupNotFound" };
        let group = self
            .group(kind, name)
            .ok_or_else(|| Fault::new(code, format!("{} not found: {name}", kind.noun())))?;
        if group.family != family {
            // The wording is AWS's (cloudposse/terraform-aws-rds-cluster #227).
            return Err(Fault::combination(format!(
                "The Parameter Group {name} with DBParameterGroupFamily {} cannot be used for this \
                instance. Please use a Parameter Group \
                 with DBParameterGroupFamily {family}",
                group.family
            )));
        }
        Ok(group)
    }

    pub fn group_in_use(&self, kind: Kind, name: &str) -> bool {
        match kind.instance {
            true => self.instances.values().any(|instance| instance.group == name),
            false => self.clusters.values().any(|cluster| cluster.group == name),
        }
    }

    fn add_group(&mut self, kind: Kind, group: Group) -> Answer {
        let (account, most) = (self.account, MOST * self.quotas);
        let groups = kind.groups_mut(self);
        if groups.contains_key(&group.name) {
            return Err(Fault::new(
                "DBParameterGroupAlreadyExists",
                format!("Parameter group {} already exists", group.name),
            ));
        }
        if groups.len() >= most {
            return Err(Fault::new(
                "DBParameterGroupQuotaExceeded",
                format!("Cannot create more than {most} parameter groups"),
            ));
        }
        let answer = json!({kind.noun(): kind.describe(account, &group)});
        groups.insert(group.name.clone(), group);
        Ok(answer)
    }
}

impl Rds {
    pub(super) fn create_parameter_group(&self, action: &str, input: &Input) -> Answer {
        let kind = Kind::of(action);
        let family = input.required("DBParameterGroupFamily")?.to_lowercase();
        families::parameters(&family, kind.instance)?;
        let group = Group {
            name: identifier(kind.name_member(), input.required(kind.name_member())?, 255)?,
            family,
            description: input.required("Description")?.to_owned(),
            values: BTreeMap::new(),
            tags: tags::read(input)?,
        };
        self.world().add_group(kind, group)
    }

    /// A copy stays in the family of its source: RDS has no member to ask for another.
    pub(super) fn copy_parameter_group(&self, action: &str, input: &Input) -> Answer {
        let kind = Kind::of(action);
        let member = |end: &str, what: &str| format!("{end}{}{what}", kind.noun());
        let mut world = self.world();
        let source = input.required(&member("Source", "Identifier"))?;
        if is_default(source.rsplit(':').next().unwrap_or(source)) {
            return Err(Fault::value(format!("Default parameter groups can't be copied: {source}")));
        }
        let source = world.known_group(kind, source)?;
        let target = member("Target", "Identifier");
        let group = Group {
            name: identifier(&target, input.required(&target)?, 255)?,
            description: input.required(&member("Target", "Description"))?.to_owned(),
            tags: tags::read(input)?,
            ..source
        };
        world.add_group(kind, group)
    }

    pub(super) fn describe_parameter_groups(&self, action: &str, input: &Input) -> Answer {
        let kind = Kind::of(action);
        let world = self.world();
        let groups = match input.text(kind.name_member()) {
            Some(name) => vec![world.known_group(kind, name)?],
            None => families::all()
                .map(|family| default_group(kind, &family))
                .chain(kind.groups(&world).values().cloned())
                .collect(),
        };
        page_of(&format!("{}s", kind.noun()), groups, input, |group| kind.describe(self.account, &group))
    }

    pub(super) fn delete_parameter_group(&self, action: &str, input: &Input) -> Answer {
        let kind = Kind::of(action);
        let mut world = self.world();
        let name = changeable(&world, kind, input)?;
        if world.group_in_use(kind, &name) {
            let what = if kind.instance { "instances" } else { "clusters" };
            return Err(Fault::new(
                "InvalidDBParameterGroupState",
                format!(
                    "One or more database {what} are still members of this parameter group {name}, so the \
                    group cannot be deleted"
                ),
            ));
        }
        kind.groups_mut(&mut world).remove(&name);
        Ok(json!({}))
    }
}

/// The name of a group that the user made.
pub fn changeable(world: &World, kind: Kind, input: &Input) -> Result<String, Fault> {
    let name = input.required(kind.name_member())?;
    let group = world.known_group(kind, name)?;
    if is_default(&group.name) {
        let message = format!("The default parameter group {} can't be modified or deleted", group.name);
        return Err(Fault::new("InvalidDBParameterGroupState", message));
    }
    Ok(group.name)
}
