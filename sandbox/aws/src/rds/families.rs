//! Parameter group families: which parameters a major version has, with defaults, ranges and how
//! they apply.
//!
//! `sandbox/aws/data/families.json` holds each parameter once; `since`, `until` and `changes` say
//! how the majors differ. Names and descriptions follow PostgreSQL's documentation, Aurora's
//! defaults and scopes its page
//! https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/AuroraPostgreSQL.Reference.ParameterGroups.html
//! (which lists both groups of aurora-postgresql14 whole); ranges and types follow pg_settings of
//! 16 and 18 and a published answer of describe-db-cluster-parameters for
//! default.aurora-postgresql14. `assumed` marks what none of them says: above all that Aurora lets
//! be set what 15 to 18 brought.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Deserialize;
use serde_json::{Value, json};

use super::error::Fault;
use super::model::{ENGINE, Setting};

const MAJORS: std::ops::RangeInclusive<u32> = 13..=18;

static PARAMETERS: LazyLock<Vec<Entry>> = LazyLock::new(|| {
    serde_json::from_str(include_str!("../../data/families.json")).expect("families.json is well-formed")
});

static FAMILIES: LazyLock<BTreeMap<u32, BTreeMap<&'static str, Parameter>>> = LazyLock::new(|| {
    MAJORS
        .map(|major| {
            (major, PARAMETERS.iter().filter_map(|entry| Some((&*entry.name, entry.of(major)?))).collect())
        })
        .collect()
});

#[derive(Debug, Deserialize)]
struct Entry {
    name: String,
    scope: Scope,
    #[serde(flatten)]
    parameter: Parameter,
    since: Option<u32>,
    /// The last major that has it.
    until: Option<u32>,
    #[serde(default)]
    changes: BTreeMap<String, Change>,
}

/// Which groups hold a parameter: an instance group holds fewer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    Cluster,
    Both,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Parameter {
    #[serde(rename = "type")]
    pub data_type: String,
    /// `static` or `dynamic`.
    pub apply: String,
    pub allowed: String,
    pub default: Option<String>,
    pub description: String,
    #[serde(default = "yes")]
    pub modifiable: bool,
    /// PostgreSQL does not know it.
    #[serde(default)]
    pub aurora: bool,
    #[serde(skip)]
    pub in_instance_groups: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    #[serde(rename = "type")]
    data_type: Option<String>,
    apply: Option<String>,
    allowed: Option<String>,
    default: Option<String>,
    modifiable: Option<bool>,
}

fn yes() -> bool {
    true
}

impl Entry {
    fn of(&self, major: u32) -> Option<Parameter> {
        if self.since.is_some_and(|since| major < since) || self.until.is_some_and(|until| major > until) {
            return None;
        }
        let mut parameter =
            Parameter { in_instance_groups: self.scope == Scope::Both, ..self.parameter.clone() };
        for change in self
            .changes
            .iter()
            .filter(|(from, _)| from.parse().is_ok_and(|from: u32| major >= from))
            .map(|(_, change)| change)
        {
            parameter.data_type = change.data_type.clone().unwrap_or(parameter.data_type);
            parameter.apply = change.apply.clone().unwrap_or(parameter.apply);
            parameter.allowed = change.allowed.clone().unwrap_or(parameter.allowed);
            parameter.default = change.default.clone().or(parameter.default);
            parameter.modifiable = change.modifiable.unwrap_or(parameter.modifiable);
        }
        Some(parameter)
    }
}

/// The parameters of a family, for cluster or instance groups.
pub fn parameters(family: &str, instance: bool) -> Result<Vec<(&'static str, &'static Parameter)>, Fault> {
    // The wording is AWS's (awslabs/rds-support-tools #703).
    let unknown =
        || Fault::value(format!("ParameterGroupFamily {family} is not a valid parameter group family"));
    let major = family.strip_prefix(ENGINE).and_then(|major| major.parse().ok()).ok_or_else(unknown)?;
    let family = FAMILIES.get(&major).ok_or_else(unknown)?;
    Ok(family
        .iter()
        .filter(|(_, parameter)| !instance || parameter.in_instance_groups)
        .map(|(name, parameter)| (*name, parameter))
        .collect())
}

pub fn parameter(family: &str, instance: bool, name: &str) -> Option<&'static Parameter> {
    parameters(family, instance)
        .ok()?
        .into_iter()
        .find(|(known, _)| *known == name)
        .map(|(_, parameter)| parameter)
}

pub fn family(major: u32) -> String {
    format!("{ENGINE}{major}")
}

pub fn all() -> impl Iterator<Item = String> {
    MAJORS.map(family)
}

impl Parameter {
    pub fn is_static(&self) -> bool {
        self.apply == "static"
    }

    /// Whether the group may hold this value. Formulas are taken as they are, as RDS does.
    pub fn allows(&self, value: &str) -> bool {
        if self.allowed.is_empty() || value.contains('{') {
            return true;
        }
        if let Some((low, high)) = range(&self.allowed) {
            return value.parse::<f64>().is_ok_and(|number| {
                (low..=high).contains(&number) && (self.data_type != "integer" || number.fract() == 0.0)
            });
        }
        let allowed: Vec<&str> = self.allowed.split(',').collect();
        match &*self.data_type {
            "list" => value.split(',').map(str::trim).all(|item| item.is_empty() || allowed.contains(&item)),
            _ => allowed.contains(&value),
        }
    }

    pub fn source(&self, set: Option<&Setting>) -> &'static str {
        match (set, &self.default) {
            (Some(_), _) => "user",
            (None, Some(_)) if !self.modifiable || self.aurora => "system",
            (None, _) => "engine-default",
        }
    }

    pub fn describe(&self, name: &str, set: Option<&Setting>) -> Value {
        let value = set.map(|setting| &setting.value).or(self.default.as_ref());
        json!({
            "ParameterName": name,
            "ParameterValue": value,
            "Description": self.description,
            "Source": self.source(set),
            "ApplyType": self.apply,
            "DataType": self.data_type,
            "AllowedValues": Some(&self.allowed).filter(|allowed| !allowed.is_empty()),
            "IsModifiable": self.modifiable,
            "ApplyMethod": set.map_or("pending-reboot", |setting| &setting.apply),
            "SupportedEngineModes": ["provisioned"],
        })
    }
}

/// `-1-2147483647`, `0-100`, `0-1.79769e+308`.
fn range(allowed: &str) -> Option<(f64, f64)> {
    let dash = allowed.char_indices().skip(1).find(|(_, c)| *c == '-')?.0;
    Some((allowed[..dash].parse().ok()?, allowed[dash + 1..].parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(major: u32, name: &str) -> Option<&'static Parameter> {
        parameter(&family(major), false, name)
    }

    #[test]
    fn families_differ_in_every_way_that_a_migration_meets() {
        assert!(
            of(16, "old_snapshot_threshold").is_some() && of(17, "old_snapshot_threshold").is_none(),
            "removed"
        );
        assert!(
            of(17, "ssl_ecdh_curve").is_some()
                && of(18, "ssl_ecdh_curve").is_none()
                && of(18, "ssl_groups").is_some(),
            "renamed"
        );
        assert_ne!(
            of(16, "rds.force_ssl").unwrap().default,
            of(17, "rds.force_ssl").unwrap().default,
            "default changed"
        );
        let preload = "shared_preload_libraries";
        assert!(
            of(16, preload).unwrap().allows("plrust") && !of(18, preload).unwrap().allows("plrust"),
            "narrowed"
        );
        assert!(
            of(16, "huge_pages").unwrap().modifiable && !of(17, "huge_pages").unwrap().modifiable,
            "no longer modifiable"
        );
    }

    #[test]
    fn values_are_held_against_the_allowed_ones() {
        let work_mem = of(16, "work_mem").unwrap();
        assert!(
            work_mem.allows("65536")
                && !work_mem.allows("63")
                && !work_mem.allows("64.5")
                && !work_mem.allows("64MB")
        );
        assert!(of(16, "log_temp_files").unwrap().allows("-1"));
        assert!(of(16, "autovacuum_vacuum_scale_factor").unwrap().allows("0.02"));
        assert!(of(16, "max_connections").unwrap().allows("{DBInstanceClassMemory/12000000}"));
        assert!(!of(16, "log_statement").unwrap().allows("dll"));
    }

    #[test]
    fn some_parameters_are_only_in_cluster_groups() {
        assert!(parameter("aurora-postgresql16", true, "rds.logical_replication").is_none());
        assert!(parameter("aurora-postgresql16", true, "work_mem").is_some());
    }

    /// The page lists 360 of a cluster's and 261 of an instance's aurora-postgresql14.
    #[test]
    fn families_are_as_large_as_auroras() {
        for major in [14, 16, 18] {
            let all = parameters(&family(major), false).unwrap();
            assert!(all.len() > 340, "{major}: {}", all.len());
            for name in ["log_duration", "temp_file_limit", "wal_buffers", "geqo", "rds.allowed_extensions"] {
                assert!(of(major, name).is_some_and(|known| known.modifiable), "{major}: {name}");
            }
            assert!(parameters(&family(major), true).unwrap().len() > 240, "{major}");
        }
        assert!(
            !of(14, "log_line_prefix").unwrap().modifiable && of(16, "log_line_prefix").unwrap().modifiable
        );
        assert!(of(16, "ssl_key_file").is_some_and(|known| !known.modifiable));
    }

    #[test]
    fn an_unknown_family_is_refused_in_the_words_of_rds() {
        let message = parameters("aurora-postgresql99", false).unwrap_err().message;
        assert_eq!(message, "ParameterGroupFamily aurora-postgresql99 is not a valid parameter group family");
    }
}
