//! RDS's two kinds of parameter groups behind one set of verbs: their APIs are twins with other
//! names.

use std::{collections::BTreeMap, sync::Arc};

use aws_sdk_rds::{
    error::{ProvideErrorMetadata, SdkError},
    types::{ApplyMethod, Parameter, Tag},
};
use runbook::{
    Context, Error, Result, Run,
    aurora::{Family, Fault, Tags, is_denied, message},
    error::{Then, aws},
};
use serde::{Serialize, Serializer};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Cluster,
    Instance,
}

#[derive(Debug)]
pub struct Group {
    pub family: String,
    pub arn: String,
}

/// botocore rds 2014-10-31, ModifyDBClusterParameterGroup: "A maximum of 20 parameters can be
/// modified in a single request."
const MODIFY_AT_MOST: usize = 20;

impl Group {
    fn read(name: &str, family: Option<&str>, arn: Option<&str>) -> Result<Self> {
        match (family, arn) {
            (Some(family), Some(arn)) => Ok(Self { family: family.to_owned(), arn: arn.to_owned() }),
            _ => Err(Error::unexpected(format!("RDS shows no family or no ARN of parameter group {name}"))),
        }
    }
}

impl Serialize for Kind {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.serialize_str(self.words())
    }
}

impl Kind {
    /// As AWS's pages call it.
    pub fn words(self) -> &'static str {
        match self {
            Self::Cluster => "DB cluster parameter group",
            Self::Instance => "DB parameter group",
        }
    }

    pub async fn find(self, cx: &Context, name: &str) -> Result<Option<Group>> {
        match self {
            Self::Cluster => {
                let describe =
                    cx.rds.describe_db_cluster_parameter_groups().db_cluster_parameter_group_name(name);
                let found = known(describe.send().await, "rds:DescribeDBClusterParameterGroups")?;
                let groups = found.and_then(|answer| answer.db_cluster_parameter_groups).unwrap_or_default();
                let read = |group: &aws_sdk_rds::types::DbClusterParameterGroup| {
                    Group::read(
                        name,
                        group.db_parameter_group_family(),
                        group.db_cluster_parameter_group_arn(),
                    )
                };
                groups.first().map(read).transpose()
            }
            Self::Instance => {
                let describe = cx.rds.describe_db_parameter_groups().db_parameter_group_name(name);
                let found = known(describe.send().await, "rds:DescribeDBParameterGroups")?;
                let groups = found.and_then(|answer| answer.db_parameter_groups).unwrap_or_default();
                let read = |group: &aws_sdk_rds::types::DbParameterGroup| {
                    Group::read(name, group.db_parameter_group_family(), group.db_parameter_group_arn())
                };
                groups.first().map(read).transpose()
            }
        }
    }

    pub async fn create(self, cx: &Context, name: &str, family: &str, tags: Vec<Tag>) -> Result<()> {
        let description = "Values carried over by aurora-runbooks";
        match self {
            Self::Cluster => {
                let create = cx.rds.create_db_cluster_parameter_group().db_cluster_parameter_group_name(name);
                let create = create.db_parameter_group_family(family).description(description);
                let answer = create.set_tags(Some(tags)).send().await.map(drop);
                created(answer, "rds:CreateDBClusterParameterGroup", name)
            }
            Self::Instance => {
                let create = cx.rds.create_db_parameter_group().db_parameter_group_name(name);
                let create = create.db_parameter_group_family(family).description(description);
                let answer = create.set_tags(Some(tags)).send().await.map(drop);
                created(answer, "rds:CreateDBParameterGroup", name)
            }
        }
    }

    /// The values that a person or a tool set: `Source=user`.
    pub async fn user_values(self, cx: &Context, name: &str) -> Result<BTreeMap<String, String>> {
        let parameters = match self {
            Self::Cluster => {
                let request = cx.rds.describe_db_cluster_parameters().db_cluster_parameter_group_name(name);
                let pages = request.source("user").into_paginator().items().send();
                pages.try_collect().await.map_err(aws("rds:DescribeDBClusterParameters"))?
            }
            Self::Instance => {
                let request = cx.rds.describe_db_parameters().db_parameter_group_name(name);
                let pages = request.source("user").into_paginator().items().send();
                pages.try_collect().await.map_err(aws("rds:DescribeDBParameters"))?
            }
        };
        Ok(parameters
            .into_iter()
            .filter_map(|parameter| Some((parameter.parameter_name?, parameter.parameter_value?)))
            .collect())
    }

    /// Every parameter of a family, with its default; read once for all looks of a state.
    pub async fn family(self, cx: &Context, run: &Run, family: &str) -> Result<Arc<Family>> {
        match cx.families.get(run, self.words(), family) {
            Some(known) => Ok(known),
            None => Ok(cx.families.keep(run, self.words(), family, self.read_family(cx, family).await?)),
        }
    }

    async fn read_family(self, cx: &Context, family: &str) -> Result<Family> {
        let mut all = Family::new();
        // The cluster's call has no paginator in the SDK.
        let mut marker = None;
        loop {
            let defaults = match self {
                Self::Cluster => {
                    let request = cx.rds.describe_engine_default_cluster_parameters();
                    let request = request.db_parameter_group_family(family).set_marker(marker);
                    let answer = request.send().await;
                    answer.map_err(aws("rds:DescribeEngineDefaultClusterParameters"))?.engine_defaults
                }
                Self::Instance => {
                    let request = cx.rds.describe_engine_default_parameters();
                    let request = request.db_parameter_group_family(family).set_marker(marker);
                    let answer = request.send().await;
                    answer.map_err(aws("rds:DescribeEngineDefaultParameters"))?.engine_defaults
                }
            };
            let Some(defaults) = defaults else { return Ok(all) };
            for parameter in defaults.parameters.unwrap_or_default() {
                if let Some(name) = parameter.parameter_name.clone() {
                    all.insert(name, parameter);
                }
            }
            marker = defaults.marker.filter(|marker| !marker.is_empty());
            if marker.is_none() {
                return Ok(all);
            }
        }
    }

    /// Deletes a group of ours, unless it is gone. One that another run has deleted meanwhile has
    /// no tags, by which the call would be allowed.
    pub async fn delete(self, cx: &Context, name: &str) -> Result<()> {
        match self {
            Self::Cluster => {
                let delete = cx.rds.delete_db_cluster_parameter_group();
                match delete.db_cluster_parameter_group_name(name).send().await {
                    Err(error) if is_denied(&error) && self.find(cx, name).await?.is_none() => Ok(()),
                    answer => deleted(answer.map(drop), "rds:DeleteDBClusterParameterGroup", name),
                }
            }
            Self::Instance => {
                let delete = cx.rds.delete_db_parameter_group().db_parameter_group_name(name);
                match delete.send().await {
                    Err(error) if is_denied(&error) && self.find(cx, name).await?.is_none() => Ok(()),
                    answer => deleted(answer.map(drop), "rds:DeleteDBParameterGroup", name),
                }
            }
        }
    }

    /// The names and ARNs of all groups of this account whose name begins so.
    pub async fn named(self, cx: &Context, prefix: &str) -> Result<Vec<(String, String)>> {
        let all: Vec<(Option<String>, Option<String>)> = match self {
            Self::Cluster => {
                let pages = cx.rds.describe_db_cluster_parameter_groups().into_paginator().items().send();
                let groups = pages.try_collect().await;
                let groups = groups.map_err(aws("rds:DescribeDBClusterParameterGroups"))?.into_iter();
                groups
                    .map(|group| {
                        (group.db_cluster_parameter_group_name, group.db_cluster_parameter_group_arn)
                    })
                    .collect()
            }
            Self::Instance => {
                let pages = cx.rds.describe_db_parameter_groups().into_paginator().items().send();
                let groups = pages.try_collect().await.map_err(aws("rds:DescribeDBParameterGroups"))?;
                let groups = groups.into_iter();
                groups.map(|group| (group.db_parameter_group_name, group.db_parameter_group_arn)).collect()
            }
        };
        let known = all.into_iter().filter_map(|(name, arn)| Some((name?, arn?)));
        Ok(known.filter(|(name, _)| name.starts_with(prefix)).collect())
    }

    /// Sets as many of the values as one call takes.
    pub async fn set(
        self,
        cx: &Context,
        name: &str,
        values: &BTreeMap<String, String>,
        family: &Family,
    ) -> Result<usize> {
        let parameters: Vec<Parameter> = values
            .iter()
            .take(MODIFY_AT_MOST)
            .map(|(name, value)| {
                let dynamic =
                    family.get(name).is_some_and(|parameter| parameter.apply_type() == Some("dynamic"));
                let method = if dynamic { ApplyMethod::Immediate } else { ApplyMethod::PendingReboot };
                Parameter::builder().parameter_name(name).parameter_value(value).apply_method(method).build()
            })
            .collect();
        let count = parameters.len();
        match self {
            Self::Cluster => {
                let modify = cx.rds.modify_db_cluster_parameter_group().db_cluster_parameter_group_name(name);
                let answer = modify.set_parameters(Some(parameters)).send().await.map(drop);
                taken(answer, "rds:ModifyDBClusterParameterGroup", name)?;
            }
            Self::Instance => {
                let modify = cx.rds.modify_db_parameter_group().db_parameter_group_name(name);
                let answer = modify.set_parameters(Some(parameters)).send().await.map(drop);
                taken(answer, "rds:ModifyDBParameterGroup", name)?;
            }
        }
        Ok(count)
    }
}

/// What every operation's error is.
trait Refusal: std::error::Error + ProvideErrorMetadata + 'static {}
impl<E: std::error::Error + ProvideErrorMetadata + 'static> Refusal for E {}

type Answer<T, E> = std::result::Result<T, SdkError<E>>;

/// `None` when there is no such group.
fn known<T, E: Refusal>(answer: Answer<T, E>, action: &str) -> Result<Option<T>> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(error) if Fault::of(&error) == Some(Fault::DBParameterGroupNotFound) => Ok(None),
        Err(error) => Err(aws(action)(error)),
    }
}

fn created<E: Refusal>(answer: Answer<(), E>, action: &str, name: &str) -> Result<()> {
    let Err(error) = answer else { return Ok(()) };
    match Fault::of(&error) {
        // Created at this moment by an attempt whose answer was lost, or by someone else: the next
        // look tells whose it is.
        Some(Fault::DBParameterGroupAlreadyExists) => Ok(()),
        Some(Fault::DBParameterGroupQuotaExceeded) => {
            Err(Error::refused(format!("the account has no room for the parameter group {name}"))
                .changed("nothing that the cluster uses")
                .fix("delete groups that nobody uses, or raise the quota")
                .then(Then::Redrive))
        }
        _ => Err(aws(action)(error)),
    }
}

fn deleted<E: Refusal>(answer: Answer<(), E>, action: &str, name: &str) -> Result<()> {
    let Err(error) = answer else { return Ok(()) };
    match Fault::of(&error) {
        Some(Fault::DBParameterGroupNotFound | Fault::DBClusterParameterGroupNotFound) => Ok(()),
        Some(Fault::InvalidDBParameterGroupState) => {
            Err(Error::NotReady(format!("parameter group {name} to be used by nobody ({})", message(&error))))
        }
        _ => Err(aws(action)(error)),
    }
}

fn taken<E: Refusal>(answer: Answer<(), E>, action: &str, name: &str) -> Result<()> {
    let Err(error) = answer else { return Ok(()) };
    match Fault::of(&error) {
        Some(Fault::InvalidParameterValue | Fault::InvalidParameterCombination) => {
            Err(Error::refused(format!("RDS does not take a value for {name}: {}", message(&error)))
                .changed("nothing that the cluster uses")
                .fix("give another value in the input (\"parameters\", with a reason)")
                .then(Then::StartAgain))
        }
        _ => Err(aws(action)(error)),
    }
}

pub async fn tags(cx: &Context, arn: &str) -> Result<Tags> {
    match cx.rds.list_tags_for_resource().resource_name(arn).send().await {
        Ok(answer) => Ok(answer.tag_list().into()),
        // A describe may still show what is gone, or not yet show it everywhere.
        Err(error) => Err(match Fault::of(&error) {
            Some(
                Fault::DBParameterGroupNotFound
                | Fault::DBClusterParameterGroupNotFound
                | Fault::InvalidParameterValue,
            ) => Error::NotReady(format!("RDS to know of {arn} what it shows ({})", message(&error))),
            _ => aws("rds:ListTagsForResource")(error),
        }),
    }
}
