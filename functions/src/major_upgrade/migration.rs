//! Which values go into the parameter group of the new family: a three-way comparison of the
//! owner's values, the old family's defaults and the new family's.

use std::collections::BTreeMap;

use aws_sdk_rds::types::Parameter;
use runbook::aurora::Family;
use serde::Serialize;

use super::resolve_upgrade::ParameterOverride;

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", tag = "outcome")]
pub enum Outcome {
    /// The owner's value goes into the new group.
    Kept,
    Renamed {
        to: String,
    },
    /// The input of the run says another value.
    Overridden {
        reason: String,
    },
    /// The new family has no such parameter.
    Removed,
    /// The new family does not let it be set.
    NotModifiable,
    /// The new family does not allow the owner's value.
    OutOfRange {
        allowed: String,
    },
    /// The owner never set it, and the default differs in the new family.
    DefaultChanged,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Row {
    pub name: String,
    /// What the owner set.
    pub value: Option<String>,
    pub old_default: Option<String>,
    pub new_default: Option<String>,
    #[serde(flatten)]
    pub outcome: Outcome,
}

#[derive(Debug, Default)]
pub struct Migration {
    pub rows: Vec<Row>,
    /// Parameter → value, as they must stand in the new group.
    pub desired: BTreeMap<String, String>,
}

/// Parameters that live on under another name. PostgreSQL 18's release notes, "Migration":
/// `ssl_ecdh_curve` became `ssl_groups`.
const RENAMED: &[(&str, &str)] =
    &[("ssl_ecdh_curve", "ssl_groups"), ("force_parallel_mode", "debug_parallel_query")];

/// `set` are the owner's values, in a group of the old family.
pub fn migrate(
    set: &BTreeMap<String, String>,
    old: &Family,
    new: &Family,
    overrides: &[ParameterOverride],
) -> Migration {
    let mut migration = Migration::default();
    let overridden =
        |name: &str| overrides.iter().find(|change| change.name == name && new.contains_key(name));
    let names = set.keys().chain(
        overrides
            .iter()
            .map(|change| &change.name)
            .filter(|name| new.contains_key(*name) && !set.contains_key(*name)),
    );
    for name in names {
        let value = set.get(name);
        let to = RENAMED
            .iter()
            .find(|(from, to)| from == name && !new.contains_key(name) && new.contains_key(*to))
            .map_or(name.as_str(), |(_, to)| to);
        let (outcome, desired) = match (overridden(name), new.get(to), value) {
            (Some(change), ..) => {
                (Outcome::Overridden { reason: change.reason.clone() }, change.value.clone())
            }
            (None, None, _) => (Outcome::Removed, None),
            (None, Some(parameter), _) if parameter.is_modifiable() == Some(false) => {
                (Outcome::NotModifiable, None)
            }
            (None, Some(parameter), Some(value))
                if !allows(parameter.allowed_values().unwrap_or_default(), value) =>
            {
                (
                    Outcome::OutOfRange {
                        allowed: parameter.allowed_values().unwrap_or_default().to_owned(),
                    },
                    None,
                )
            }
            (None, Some(_), value) if to != name => (Outcome::Renamed { to: to.to_owned() }, value.cloned()),
            (None, Some(_), value) => (Outcome::Kept, value.cloned()),
        };
        if let Some(value) = desired {
            migration.desired.insert(to.to_owned(), value);
        }
        migration.rows.push(row(name, value.cloned(), old, new.get(to), outcome));
    }
    for (name, parameter) in new {
        let known = set.contains_key(name) || overridden(name).is_some();
        let changed =
            old.get(name).is_some_and(|before| before.parameter_value() != parameter.parameter_value());
        if changed && !known {
            migration.rows.push(row(name, None, old, Some(parameter), Outcome::DefaultChanged));
        }
    }
    migration
}

fn row(name: &str, value: Option<String>, old: &Family, new: Option<&Parameter>, outcome: Outcome) -> Row {
    let default = |parameter: Option<&Parameter>| {
        parameter.and_then(|parameter| parameter.parameter_value()).map(str::to_owned)
    };
    Row {
        name: name.to_owned(),
        value,
        old_default: default(old.get(name)),
        new_default: default(new),
        outcome,
    }
}

/// `AllowedValues` is a range (`0-1000`, `-1-100`, `0.0-1.0`) or a list (`on,off`); a formula such
/// as `{DBInstanceClassMemory/32768}` and what cannot be read is left to RDS.
fn allows(allowed: &str, value: &str) -> bool {
    if allowed.is_empty() || value.contains('{') {
        return true;
    }
    let one = |one: &str, value: &str| match (range(one), value.parse::<f64>()) {
        (Some((low, high)), Ok(number)) => (low..=high).contains(&number),
        // Units and words against a range are RDS's to judge.
        (Some(_), Err(_)) => true,
        (None, _) => one == value,
    };
    // A list of names may be set as a list (shared_preload_libraries), each of them from it.
    value.split(',').all(|value| allowed.split(',').any(|allowed| one(allowed.trim(), value.trim())))
}

fn range(allowed: &str) -> Option<(f64, f64)> {
    let middle = 1 + allowed.get(1..)?.find('-')?;
    Some((allowed[..middle].trim().parse().ok()?, allowed[middle + 1..].trim().parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn family(parameters: &[(&str, Option<&str>, &str, bool)]) -> Family {
        let build = |&(name, default, allowed, modifiable): &(&str, Option<&str>, &str, bool)| {
            let parameter = Parameter::builder()
                .parameter_name(name)
                .set_parameter_value(default.map(str::to_owned))
                .allowed_values(allowed);
            (name.to_owned(), parameter.is_modifiable(modifiable).build())
        };
        parameters.iter().map(build).collect()
    }

    fn outcome(
        name: &str,
        value: Option<&str>,
        overrides: &[ParameterOverride],
    ) -> (Outcome, Option<String>) {
        let old = family(&[
            ("work_mem", None, "64-1000", true),
            ("old_snapshot_threshold", None, "-1-86400", true),
            ("jit", Some("1"), "0,1", true),
        ]);
        let new = family(&[
            ("work_mem", None, "64-500", true),
            ("jit", Some("0"), "0,1", true),
            ("ssl_groups", None, "", true),
            ("fixed", None, "", false),
            ("preload", None, "auto_explain,pg_cron,pg_stat_statements", true),
        ]);
        let set = value.map(|value| (name.to_owned(), value.to_owned())).into_iter().collect();
        let migration = migrate(&set, &old, &new, overrides);
        let row = migration.rows.into_iter().find(|row| row.name == name).expect("a row");
        let desired = migration.desired.into_values().next();
        (row.outcome, desired)
    }

    #[test]
    fn the_owners_values_are_kept_where_the_new_family_takes_them() {
        assert_eq!(outcome("work_mem", Some("100"), &[]), (Outcome::Kept, Some("100".into())));
        assert_eq!(
            outcome("preload", Some("pg_cron,pg_stat_statements"), &[]),
            (Outcome::Kept, Some("pg_cron,pg_stat_statements".into()))
        );
    }

    #[test]
    fn what_cannot_be_kept_is_told() {
        assert_eq!(
            outcome("work_mem", Some("900"), &[]),
            (Outcome::OutOfRange { allowed: "64-500".into() }, None)
        );
        assert_eq!(outcome("old_snapshot_threshold", Some("60"), &[]), (Outcome::Removed, None));
        assert_eq!(outcome("fixed", Some("1"), &[]), (Outcome::NotModifiable, None));
        assert_eq!(
            outcome("ssl_ecdh_curve", Some("x25519"), &[]),
            (Outcome::Renamed { to: "ssl_groups".into() }, Some("x25519".into()))
        );
        assert_eq!(outcome("jit", None, &[]).0, Outcome::DefaultChanged);
    }

    #[test]
    fn the_input_of_the_run_wins() {
        let change = ParameterOverride {
            name: "work_mem".into(),
            value: Some("400".into()),
            reason: "measured".into(),
        };
        assert_eq!(
            outcome("work_mem", Some("900"), &[change]),
            (Outcome::Overridden { reason: "measured".into() }, Some("400".into()))
        );
    }

    #[test]
    fn ranges_may_begin_below_zero() {
        assert!(
            allows("-1-100", "-1")
                && allows("0.0-1.0", "0.5")
                && !allows("-1-100", "-2")
                && !allows("0-1", "2")
        );
        assert!(allows("-1,1-100", "50") && !allows("-1,1-100", "0"));
    }
}
