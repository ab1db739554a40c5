//! Engine versions: what each can be upgraded to, and which instance classes it runs on.
//!
//! `sandbox/aws/data/engine_versions.json`: a target is never older than its source, and an old
//! source reaches only the nearer majors
//! (https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/USER_UpgradeDBInstance.Upgrading.html);
//! so 13.9 needs a hop to reach 18. The `-limitless` versions are a trap that RDS really sets in
//! the same list.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Deserialize;
use serde_json::{Value, json};

use super::error::Fault;
use super::families;
use super::model::{ENGINE, World};
use super::paging::{Filters, page};
use super::query::Input;
use super::{Answer, Rds};
use crate::aws;

static VERSIONS: LazyLock<Versions> = LazyLock::new(|| {
    serde_json::from_str(include_str!("../../data/engine_versions.json"))
        .expect("engine_versions.json is well-formed")
});

#[derive(Deserialize)]
struct Versions {
    default: String,
    /// Of a major version named alone.
    default_minor: BTreeMap<String, String>,
    /// A version and its valid targets.
    versions: BTreeMap<String, Vec<String>>,
    /// A class and the first and last major version it runs.
    classes: BTreeMap<String, (u32, u32)>,
}

/// The release calendar of Aurora PostgreSQL
/// (https://docs.aws.amazon.com/AmazonRDS/latest/AuroraPostgreSQLReleaseNotes/aurorapostgresql-release-calendar.html).
/// The end of 18 is assumed: it was not found said.
const STANDARD_SUPPORT_ENDS: [(&str, &str); 6] = [
    ("13", "2026-02-28"),
    ("14", "2027-02-28"),
    ("15", "2028-02-29"),
    ("16", "2029-02-28"),
    ("17", "2030-02-28"),
    ("18", "2031-02-28"),
];

pub fn major(version: &str) -> u32 {
    version.split('.').next().and_then(|major| major.parse().ok()).unwrap_or_default()
}

/// `16.14` comes after `16.8`.
fn order(version: &str) -> (u32, u32, bool) {
    let (number, limitless) =
        version.strip_suffix("-limitless").map_or((version, false), |number| (number, true));
    (
        major(number),
        number.split('.').nth(1).and_then(|minor| minor.parse().ok()).unwrap_or_default(),
        limitless,
    )
}

impl World {
    /// Whether a server can be had for it: what cannot run is not there.
    pub fn offers(&self, version: &str) -> bool {
        self.majors.as_ref().is_none_or(|majors| majors.contains(&major(version)))
    }

    /// The engine's default; where it has no server, that of the newest major before it that has.
    fn default_version(&self) -> Option<&'static String> {
        let before = VERSIONS.default_minor.values().filter(|minor| order(minor) <= order(&VERSIONS.default));
        std::iter::once(&VERSIONS.default)
            .chain(before)
            .filter(|version| self.offers(version))
            .max_by_key(|version| order(version))
    }

    /// The full version for a new cluster: as given, or the default of the engine or of a major
    /// version named alone.
    pub fn resolve(&self, version: Option<&str>) -> Result<String, Fault> {
        let found = match version {
            None => self.default_version(),
            Some(version) => VERSIONS.default_minor.get(version).or_else(|| known(version)),
        };
        found.filter(|version| self.offers(version)).cloned().ok_or_else(|| {
            let version = version.unwrap_or(&VERSIONS.default);
            Fault::combination(format!("Cannot find version {version} for {ENGINE}"))
        })
    }
}

fn known(version: &str) -> Option<&'static String> {
    VERSIONS.versions.get_key_value(version).map(|(version, _)| version)
}

pub fn is_newer_minor(from: &str, to: &str) -> bool {
    major(from) == major(to) && order(from) < order(to) && !to.contains('-')
}

pub fn targets(version: &str) -> &'static [String] {
    VERSIONS.versions.get(version).map_or(&[], Vec::as_slice)
}

/// The newest version that a major version named alone stands for in an upgrade.
pub fn newest_target(from: &str, target: &str) -> Option<&'static String> {
    targets(from)
        .iter()
        .filter(|version| !version.contains('-') && version.split('.').next() == Some(target))
        .max_by_key(|v| order(v))
}

/// The wording is AWS's; terraform-provider-aws quotes it often.
pub fn check_class(class: &str, version: &str) -> Result<(), Fault> {
    let major = major(version);
    match VERSIONS.classes.get(class) {
        Some((first, last)) if (*first..=*last).contains(&major) => Ok(()),
        _ => Err(Fault::combination(format!(
            "RDS does not support creating a DB instance with the following combination: \
            DBInstanceClass={class}, Engine={ENGINE}, \
             EngineVersion={version}, LicenseModel=postgresql-license. For supported combinations of \
             instance class and database engine \
             version, see the documentation."
        ))),
    }
}

impl Rds {
    pub(super) fn describe_db_engine_versions(&self, input: &Input) -> Answer {
        let filters =
            Filters::read(input, &["engine-version", "status", "engine-mode", "db-parameter-group-family"])?;
        let wanted = |version: &str| {
            let family = families::family(major(version));
            input.text("Engine").is_none_or(|engine| engine == ENGINE)
                && input
                    .text("EngineVersion")
                    .is_none_or(|wanted| wanted == version || wanted == major(version).to_string())
                && input.text("DBParameterGroupFamily").is_none_or(|wanted| wanted == family)
                && filters.allow("engine-version", version)
                && filters.allow("status", "available")
                && filters.allow("engine-mode", "provisioned")
                && filters.allow("db-parameter-group-family", &family)
        };
        let world = self.world();
        let mut versions: Vec<&str> = VERSIONS
            .versions
            .keys()
            .map(String::as_str)
            .filter(|version| world.offers(version) && wanted(version))
            .collect();
        versions.sort_by_key(|version| order(version));
        if input.flag("DefaultOnly") == Some(true) {
            // Of each major version asked for, or of the engine.
            versions.retain(|version| {
                match input.has("EngineVersion") || input.has("DBParameterGroupFamily") {
                    true => {
                        VERSIONS.default_minor.values().any(|default| default == version)
                            || input.text("EngineVersion") == Some(version)
                    }
                    false => world.default_version().is_some_and(|default| default == version),
                }
            });
        }
        page(
            "DBEngineVersions",
            versions.into_iter().map(|version| describe(&world, version)).collect(),
            input,
        )
    }

    pub(super) fn describe_db_major_engine_versions(&self, input: &Input) -> Answer {
        let wanted = |major: &str| {
            input.text("Engine").is_none_or(|engine| engine == ENGINE)
                && input.text("MajorEngineVersion").is_none_or(|wanted| wanted == major)
        };
        let described =
            STANDARD_SUPPORT_ENDS.iter().filter(|(major, _)| wanted(major)).map(|(major, end)| {
                json!({
                    "Engine": ENGINE,
                    "MajorEngineVersion": major,
                    "SupportedEngineLifecycles": [{
                        "LifecycleSupportName": "open-source-rds-standard-support",
                        "LifecycleSupportEndDate": format!("{end}T23:59:59Z"),
                    }],
                })
            });
        page("DBMajorEngineVersions", described.collect(), input)
    }

    pub(super) fn describe_orderable_db_instance_options(&self, input: &Input) -> Answer {
        if input.required("Engine")? != ENGINE {
            return page("OrderableDBInstanceOptions", Vec::new(), input);
        }
        let world = self.world();
        let mut options = Vec::new();
        for version in VERSIONS
            .versions
            .keys()
            .filter(|version| world.offers(version))
            .filter(|version| input.text("EngineVersion").is_none_or(|wanted| wanted == *version))
        {
            for class in VERSIONS
                .classes
                .keys()
                .filter(|class| input.text("DBInstanceClass").is_none_or(|wanted| wanted == *class))
            {
                if check_class(class, version).is_ok() {
                    options.push(orderable(version, class));
                }
            }
        }
        page("OrderableDBInstanceOptions", options, input)
    }
}

fn describe(world: &World, version: &str) -> Value {
    let limitless = version.contains('-');
    let targets: Vec<Value> = targets(version)
        .iter()
        .filter(|target| world.offers(target))
        .map(|target| {
            json!({
                "Engine": ENGINE,
                "EngineVersion": target,
                "Description": format!("Aurora PostgreSQL (Compatible with PostgreSQL {target})"),
                "AutoUpgrade": false,
                "IsMajorVersionUpgrade": major(target) != major(version),
                "SupportedEngineModes": ["provisioned"],
                "SupportsParallelQuery": false,
                "SupportsGlobalDatabases": !target.contains('-'),
                "SupportsBabelfish": !target.contains('-'),
                "SupportsLimitlessDatabase": target.contains('-'),
                "SupportsLocalWriteForwarding": false,
                "SupportsIntegrations": major(target) >= 16,
            })
        })
        .collect();
    json!({
        "Engine": ENGINE,
        "MajorEngineVersion": major(version).to_string(),
        "EngineVersion": version,
        "DBParameterGroupFamily": families::family(major(version)),
        "DBEngineDescription": "Aurora (PostgreSQL)",
        "DBEngineVersionDescription": format!("Aurora PostgreSQL (Compatible with PostgreSQL {version})"),
        "ValidUpgradeTarget": targets,
        "ExportableLogTypes": ["instance", "postgresql"],
        "SupportsLogExportsToCloudwatchLogs": true,
        "SupportsReadReplica": false,
        "SupportedEngineModes": ["provisioned"],
        "SupportedFeatureNames": ["Bedrock", "Lambda", "S3Export", "S3Import"],
        "Status": "available",
        "SupportsParallelQuery": false,
        "SupportsGlobalDatabases": !limitless,
        "SupportsBabelfish": !limitless,
        "SupportsLimitlessDatabase": limitless,
        "SupportsCertificateRotationWithoutRestart": true,
        "SupportedCACertificateIdentifiers": ["rds-ca-ecc384-g1", "rds-ca-rsa4096-g1", "rds-ca-rsa2048-g1"],
        "SupportsIntegrations": major(version) >= 16,
    })
}

fn orderable(version: &str, class: &str) -> Value {
    json!({
        "Engine": ENGINE,
        "EngineVersion": version,
        "DBInstanceClass": class,
        "LicenseModel": "postgresql-license",
        "AvailabilityZones": zones().map(|zone| json!({"Name": zone})).collect::<Vec<_>>(),
        "MultiAZCapable": false,
        "ReadReplicaCapable": false,
        "Vpc": true,
        "SupportsStorageEncryption": true,
        "StorageType": "aurora",
        "SupportsIops": false,
        "SupportsEnhancedMonitoring": true,
        "SupportsIAMDatabaseAuthentication": true,
        "SupportsPerformanceInsights": true,
        "SupportedEngineModes": ["provisioned"],
        "SupportsStorageAutoscaling": false,
        "SupportsKerberosAuthentication": true,
        "OutpostCapable": false,
        "SupportsGlobalDatabases": true,
        "SupportsClusters": true,
        "SupportedNetworkTypes": ["IPV4", "DUAL"],
    })
}

pub fn zones() -> impl Iterator<Item = String> + Clone {
    ["a", "b", "c"].into_iter().map(|letter| format!("{}{letter}", aws::REGION))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_minor_needs_a_hop_and_a_new_one_does_not() {
        assert!(!targets("13.9").iter().any(|target| major(target) == 18));
        let hop = newest_target("13.9", "16").unwrap();
        assert!(targets(hop).contains(&"18.4".to_owned()) || newest_target(hop, "18").is_some());
        assert_eq!(newest_target("16.14", "18").unwrap(), "18.4");
    }

    #[test]
    fn only_what_can_run_is_offered_and_the_default_is_one_of_it() {
        let mut world = World::new(aws::ACCOUNT, 1);
        assert_eq!(world.resolve(None).unwrap(), "17.7");
        world.majors = Some([16, 18].into());
        assert_eq!(world.resolve(None).unwrap(), "16.11");
        assert_eq!(world.resolve(Some("18")).unwrap(), "18.3");
        let message = "Cannot find version 17.7 for aurora-postgresql";
        assert_eq!(world.resolve(Some("17.7")).unwrap_err().message, message);
        let targets = describe(&world, "16.11")["ValidUpgradeTarget"].clone();
        let versions =
            targets.as_array().unwrap().iter().map(|target| target["EngineVersion"].as_str().unwrap());
        assert_eq!(versions.collect::<Vec<_>>(), ["16.14", "18.1", "18.3", "18.4"]);
    }

    #[test]
    fn every_target_is_a_version() {
        for (version, targets) in &VERSIONS.versions {
            for target in targets {
                assert!(VERSIONS.versions.contains_key(target), "{version} -> {target}");
            }
        }
    }

    #[test]
    fn an_old_class_is_not_orderable_on_18() {
        assert!(check_class("db.r4.large", "16.14").is_ok());
        assert!(check_class("db.r4.large", "18.4").is_err());
        assert!(check_class("db.r6g.large", "18.4").is_ok());
    }
}
