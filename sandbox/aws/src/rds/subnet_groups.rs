//! Subnet groups: names that a cluster may be given. `default` is always there.

use serde_json::{Value, json};

use super::error::Fault;
use super::model::{SubnetGroup, World};
use super::paging::page;
use super::query::Input;
use super::versions::zones;
use super::{Answer, Rds, tags};
use crate::aws;

pub const DEFAULT: &str = "default";

impl Rds {
    pub(super) fn create_db_subnet_group(&self, input: &Input) -> Answer {
        let name = input.required("DBSubnetGroupName")?.to_lowercase();
        let legal = name.chars().all(|c| c.is_ascii_alphanumeric() || "-_. ".contains(c))
            && name.len() <= 255
            && name != DEFAULT;
        if !legal {
            return Err(Fault::value(format!("Invalid DBSubnetGroupName: {name}")));
        }
        let subnets = input.texts("SubnetIds");
        if subnets.len() < 2 {
            return Err(Fault::new(
                "DBSubnetGroupDoesNotCoverEnoughAZs",
                "The DB subnet group doesn't meet Availability Zone (AZ) coverage requirement. Please add \
                subnets to cover at least 2 AZs.",
            ));
        }
        let mut world = self.world();
        if world.subnet_groups.contains_key(&name) {
            return Err(Fault::new(
                "DBSubnetGroupAlreadyExists",
                format!("The DB subnet group '{name}' already exists."),
            ));
        }
        let description = input.required("DBSubnetGroupDescription")?.to_owned();
        let group = SubnetGroup { name: name.clone(), description, subnets, tags: tags::read(input)? };
        let answer = describe(self.account, &group);
        world.subnet_groups.insert(name, group);
        Ok(json!({"DBSubnetGroup": answer}))
    }

    pub(super) fn describe_db_subnet_groups(&self, input: &Input) -> Answer {
        let world = self.world();
        let groups = match input.text("DBSubnetGroupName") {
            Some(name) => vec![world.subnet_group(name)?],
            None => std::iter::once(default_group()).chain(world.subnet_groups.values().cloned()).collect(),
        };
        page("DBSubnetGroups", groups.iter().map(|group| describe(self.account, group)).collect(), input)
    }
}

impl World {
    pub fn subnet_group(&self, name: &str) -> Result<SubnetGroup, Fault> {
        let name = name.to_lowercase();
        if name == DEFAULT {
            return Ok(default_group());
        }
        let missing =
            || Fault::new("DBSubnetGroupNotFoundFault", format!("DB subnet group '{name}' does not exist."));
        self.subnet_groups.get(&name).cloned().ok_or_else(missing)
    }
}

fn default_group() -> SubnetGroup {
    let subnets = (1..=3).map(|n| format!("subnet-0000000000000000{n}")).collect();
    SubnetGroup { name: DEFAULT.into(), description: DEFAULT.into(), subnets, tags: Default::default() }
}

pub fn describe(account: &str, group: &SubnetGroup) -> Value {
    let subnets: Vec<Value> = group
        .subnets
        .iter()
        .zip(zones().cycle())
        .map(|(id, zone)| {
            let zone = json!({"Name": zone});
            json!({"SubnetIdentifier": id, "SubnetAvailabilityZone": zone, "SubnetStatus": "Active"})
        })
        .collect();
    json!({
        "DBSubnetGroupName": group.name,
        "DBSubnetGroupDescription": group.description,
        "VpcId": "vpc-00000000000000001",
        "SubnetGroupStatus": "Complete",
        "Subnets": subnets,
        "DBSubnetGroupArn": aws::arn_in(account, "rds", &format!("subgrp:{}", group.name)),
        "SupportedNetworkTypes": ["IPV4"],
    })
}
