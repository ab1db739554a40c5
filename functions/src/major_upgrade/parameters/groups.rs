//! RDS's two kinds of parameter groups behind one set of verbs: their APIs are twins with other
//! names.

use std::collections::BTreeMap;

use aws_sdk_rds::error::ProvideErrorMetadata;
use aws_sdk_rds::types::{ApplyMethod, Parameter, Tag};
use runbook::{Context, Error, Result, error::aws, major_upgrade::MANAGED_BY};

use super::migration::Family;

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

impl Kind {
    pub async fn find(self, cx: &Context, name: &str) -> Result<Option<Group>> {
        let found = match self {
            Self::Cluster => match cx
                .rds
                .describe_db_cluster_parameter_groups()
                .db_cluster_parameter_group_name(name)
                .send()
                .await
            {
                Err(error) if error.code() == Some("DBParameterGroupNotFound") => None,
                answer => answer
                    .map_err(aws("rds:DescribeDBClusterParameterGroups"))?
                    .db_cluster_parameter_groups()
                    .first()
                    .map(|group| Group {
                        family: group.db_parameter_group_family().unwrap_or_default().to_owned(),
                        arn: group.db_cluster_parameter_group_arn().unwrap_or_default().to_owned(),
                    }),
            },
            Self::Instance => {
                match cx.rds.describe_db_parameter_groups().db_parameter_group_name(name).send().await {
                    Err(error) if error.code() == Some("DBParameterGroupNotFound") => None,
                    answer => answer
                        .map_err(aws("rds:DescribeDBParameterGroups"))?
                        .db_parameter_groups()
                        .first()
                        .map(|group| Group {
                            family: group.db_parameter_group_family().unwrap_or_default().to_owned(),
                            arn: group.db_parameter_group_arn().unwrap_or_default().to_owned(),
                        }),
                }
            }
        };
        Ok(found)
    }

    pub async fn create(self, cx: &Context, name: &str, family: &str, tags: Vec<Tag>) -> Result<()> {
        let description = "Values carried over by aurora-runbooks";
        let failed = match self {
            Self::Cluster => {
                let create = cx
                    .rds
                    .create_db_cluster_parameter_group()
                    .db_cluster_parameter_group_name(name)
                    .db_parameter_group_family(family);
                create
                    .description(description)
                    .set_tags(Some(tags))
                    .send()
                    .await
                    .err()
                    .map(|e| (e.code().map(str::to_owned), aws("rds:CreateDBClusterParameterGroup")(e)))
            }
            Self::Instance => {
                let create = cx
                    .rds
                    .create_db_parameter_group()
                    .db_parameter_group_name(name)
                    .db_parameter_group_family(family);
                create
                    .description(description)
                    .set_tags(Some(tags))
                    .send()
                    .await
                    .err()
                    .map(|e| (e.code().map(str::to_owned), aws("rds:CreateDBParameterGroup")(e)))
            }
        };
        match failed {
            // Created at this moment by an attempt whose answer was lost, or by someone else: the
            // next look tells whose it is.
            Some((Some(code), _)) if code == "DBParameterGroupAlreadyExists" => Ok(()),
            Some((Some(code), _)) if code == "DBParameterGroupQuotaExceeded" => Err(Error::Refused(format!(
                "the account has no room for the parameter group {name}. Delete unused groups or raise the \
                quota, then redrive. The cluster was not touched."
            ))),
            Some((_, error)) => Err(error),
            None => Ok(()),
        }
    }

    /// The values that a person or a tool set: `Source=user`.
    pub async fn user_values(self, cx: &Context, name: &str) -> Result<BTreeMap<String, String>> {
        let parameters: Vec<Parameter> = match self {
            Self::Cluster => {
                let pages = cx
                    .rds
                    .describe_db_cluster_parameters()
                    .db_cluster_parameter_group_name(name)
                    .source("user")
                    .into_paginator()
                    .items()
                    .send();
                pages
                    .collect::<std::result::Result<_, _>>()
                    .await
                    .map_err(aws("rds:DescribeDBClusterParameters"))?
            }
            Self::Instance => {
                let pages = cx
                    .rds
                    .describe_db_parameters()
                    .db_parameter_group_name(name)
                    .source("user")
                    .into_paginator()
                    .items()
                    .send();
                pages.collect::<std::result::Result<_, _>>().await.map_err(aws("rds:DescribeDBParameters"))?
            }
        };
        Ok(parameters
            .into_iter()
            .filter_map(|parameter| Some((parameter.parameter_name?, parameter.parameter_value?)))
            .collect())
    }

    /// Every parameter of a family, with its default.
    pub async fn family(self, cx: &Context, family: &str) -> Result<Family> {
        let mut all = Family::new();
        let mut marker = None;
        loop {
            let defaults = match self {
                Self::Cluster => {
                    let request = cx
                        .rds
                        .describe_engine_default_cluster_parameters()
                        .db_parameter_group_family(family)
                        .set_marker(marker);
                    request
                        .send()
                        .await
                        .map_err(aws("rds:DescribeEngineDefaultClusterParameters"))?
                        .engine_defaults
                }
                Self::Instance => {
                    let request = cx
                        .rds
                        .describe_engine_default_parameters()
                        .db_parameter_group_family(family)
                        .set_marker(marker);
                    request.send().await.map_err(aws("rds:DescribeEngineDefaultParameters"))?.engine_defaults
                }
            };
            let Some(defaults) = defaults else { return Ok(all) };
            for parameter in defaults.parameters.unwrap_or_default() {
                all.insert(parameter.parameter_name().unwrap_or_default().to_owned(), parameter);
            }
            marker = defaults.marker.filter(|marker| !marker.is_empty());
            if marker.is_none() {
                return Ok(all);
            }
        }
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
        let refused = |message: Option<&str>| {
            Error::Refused(format!(
                "RDS does not take a value for {name}: {} Give another in the input (\"parameters\", with a \
                reason), then start a new execution. The cluster was not touched.",
                message.unwrap_or_default()
            ))
        };
        match self {
            Self::Cluster => {
                let request = cx
                    .rds
                    .modify_db_cluster_parameter_group()
                    .db_cluster_parameter_group_name(name)
                    .set_parameters(Some(parameters));
                match request.send().await {
                    Err(error)
                        if matches!(
                            error.code(),
                            Some("InvalidParameterValue" | "InvalidParameterCombination")
                        ) =>
                    {
                        return Err(refused(error.message()));
                    }
                    answer => answer.map(drop).map_err(aws("rds:ModifyDBClusterParameterGroup"))?,
                }
            }
            Self::Instance => {
                let request = cx
                    .rds
                    .modify_db_parameter_group()
                    .db_parameter_group_name(name)
                    .set_parameters(Some(parameters));
                match request.send().await {
                    Err(error)
                        if matches!(
                            error.code(),
                            Some("InvalidParameterValue" | "InvalidParameterCombination")
                        ) =>
                    {
                        return Err(refused(error.message()));
                    }
                    answer => answer.map(drop).map_err(aws("rds:ModifyDBParameterGroup"))?,
                }
            }
        }
        Ok(count)
    }
}

pub async fn tags(cx: &Context, arn: &str) -> Result<BTreeMap<String, String>> {
    let answer = cx
        .rds
        .list_tags_for_resource()
        .resource_name(arn)
        .send()
        .await
        .map_err(aws("rds:ListTagsForResource"))?;
    Ok(answer
        .tag_list
        .unwrap_or_default()
        .into_iter()
        .filter_map(|tag| Some((tag.key?, tag.value?)))
        .collect())
}

pub fn is_ours(tags: &BTreeMap<String, String>) -> bool {
    tags.get(MANAGED_BY.0).is_some_and(|value| value == MANAGED_BY.1)
}
