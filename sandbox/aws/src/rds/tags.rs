//! Tags of any resource, found by its ARN.

use serde_json::{Value, json};

use super::error::Fault;
use super::model::{Tags, World};
use super::query::Input;
use super::{Answer, Rds};

pub fn read(input: &Input) -> Result<Tags, Fault> {
    let mut tags = Tags::new();
    for tag in input.list("Tags") {
        let key = tag["Key"].as_str().unwrap_or_default();
        if key.is_empty() || key.len() > 128 || key.starts_with("aws:") {
            return Err(Fault::value(format!("Invalid tag key: {key:?}")));
        }
        tags.insert(key.to_owned(), tag["Value"].as_str().unwrap_or_default().to_owned());
    }
    Ok(tags)
}

pub fn describe(tags: &Tags) -> Vec<Value> {
    tags.iter().map(|(key, value)| json!({"Key": key, "Value": value})).collect()
}

impl Rds {
    pub(super) fn add_tags_to_resource(&self, input: &Input) -> Answer {
        let tags = read(input)?;
        self.world().tags_of(input.required("ResourceName")?)?.extend(tags);
        Ok(json!({}))
    }

    pub(super) fn remove_tags_from_resource(&self, input: &Input) -> Answer {
        let keys = input.texts("TagKeys");
        self.world().tags_of(input.required("ResourceName")?)?.retain(|key, _| !keys.contains(key));
        Ok(json!({}))
    }

    pub(super) fn list_tags_for_resource(&self, input: &Input) -> Answer {
        Ok(json!({"TagList": describe(self.world().tags_of(input.required("ResourceName")?)?)}))
    }
}

impl World {
    pub(super) fn tags_of(&mut self, arn: &str) -> Result<&mut Tags, Fault> {
        let invalid = || Fault::value(format!("Invalid resource name: {arn}"));
        let resource = arn.strip_prefix(&crate::aws::arn_in(self.account, "rds", "")).ok_or_else(invalid)?;
        let (kind, name) = resource.split_once(':').ok_or_else(invalid)?;
        match kind {
            "cluster" => Ok(&mut self.cluster_mut(name)?.tags),
            "db" => Ok(&mut self.instance_mut(name)?.tags),
            // These three actions know no fault for the other kinds (botocore rds 2014-10-31).
            "cluster-snapshot" => {
                self.snapshots.get_mut(name).map(|snapshot| &mut snapshot.tags).ok_or_else(invalid)
            }
            "cluster-pg" => {
                self.cluster_groups.get_mut(name).map(|group| &mut group.tags).ok_or_else(invalid)
            }
            "pg" => self.instance_groups.get_mut(name).map(|group| &mut group.tags).ok_or_else(invalid),
            "deployment" => {
                self.deployments.get_mut(name).map(|deployment| &mut deployment.tags).ok_or_else(invalid)
            }
            "subgrp" => self.subnet_groups.get_mut(name).map(|group| &mut group.tags).ok_or_else(invalid),
            _ => Err(invalid()),
        }
    }
}
