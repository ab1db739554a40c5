//! Makes the parameter groups of the target family, with the owner's values carried over, for the
//! cluster and for every member.
//!
//! Changes: creates a group or sets up to 20 of its values, one call at a time. Nothing that the
//! cluster uses yet. Again is harmless: what stands in RDS is compared with what must stand there.
//! A group that someone else made (a person, Terraform) is used as it is. Undo: delete the groups.
//! Errors: `NotReady`, `Blocked` (a value does not fit the new family), `Conflict` (a group of that
//! name has another family), `Refused` (RDS does not take a value).

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_rds::types::Tag;
use jiff::{SignedDuration, Timestamp};
use runbook::{
    Context, Error, Finding, Level, Result, Run, State,
    aurora::{self, Cluster, EngineVersion, Family},
    error::{Then, aws},
    major_upgrade::{self, MANAGED_BY, ParameterGroups},
};
use serde::{Deserialize, Serialize};

use super::{
    migration::{Outcome, Row, migrate},
    resolve_upgrade::ParameterOverride,
};
use crate::shared::groups::{Kind, tags};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PrepareParameterGroups {
    cluster: String,
    /// The next version of the path.
    version: EngineVersion,
    parameters: Vec<ParameterOverride>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Prepared {
    summary: String,
    cluster_parameter_group: String,
    instance_parameter_groups: BTreeMap<String, String>,
    /// The key of the whole report in the run bucket.
    report: String,
}

/// One group and what became of its values, for the report.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    kind: Kind,
    from: String,
    to: String,
    /// False when someone else made it: then it is used as it is.
    made_by_us: bool,
    rows: Vec<Row>,
    /// Values of a group that someone else made which differ from what we would carry over: name →
    /// (theirs, ours).
    differs: BTreeMap<String, (Option<String>, String)>,
    #[serde(skip)]
    created: Option<Timestamp>,
    /// What the owner has set, and what the input changes of it.
    #[serde(skip)]
    set: BTreeMap<String, String>,
    #[serde(skip)]
    overrides: Vec<ParameterOverride>,
}

/// "wait at least 5 minutes before creating your first DB cluster that uses that DB cluster
/// parameter group as the default" (botocore rds 2014-10-31, CreateDBClusterParameterGroup).
/// Maintenance and a snapshot come before the first use, so it is only there that what is left of
/// them is waited for.
const SETTLE: SignedDuration = SignedDuration::from_mins(5);
const CREATED: &str = "created";

impl State for PrepareParameterGroups {
    const NAME: &'static str = "PrepareParameterGroups";
    type Output = Prepared;

    async fn reconcile(self, cx: &Context, run: &Run) -> Result<Prepared> {
        let cluster = aurora::cluster(cx, &self.cluster).await?;
        let members = aurora::members(cx, &cluster).await?;
        let family = family_of(cx, &self.version).await?;

        let cluster_group =
            cluster.shown.db_cluster_parameter_group().map(str::to_owned).ok_or_else(|| {
                Error::unexpected(format!("RDS shows no DBClusterParameterGroup of cluster {}", cluster.id))
            })?;
        let instance_groups = members
            .iter()
            .map(|member| Ok((member.id.clone(), member.parameter_group()?.to_owned())))
            .collect::<Result<BTreeMap<_, _>>>()?;
        if cluster.version.major() == self.version.major() {
            return self.keep(cx, run, cluster, instance_groups, &cluster_group).await;
        }
        let distinct: BTreeSet<&String> = instance_groups.values().collect();
        let groups = [(Kind::Cluster, &cluster_group)]
            .into_iter()
            .chain(distinct.into_iter().map(|group| (Kind::Instance, group)));

        let mut reports = Vec::new();
        let mut new_names = BTreeMap::new();
        for (kind, group) in groups {
            let new = &kind.family(cx, run, &family).await?;
            let carry = Carry { kind, from: group, new, family: &family, overrides: &self.parameters };
            let report = carry.reconcile(cx, run, cluster.version.major(), self.version.major()).await?;
            new_names.insert((kind, group.clone()), report.to.clone());
            reports.push(report);
        }
        let unknown = self.unknown_overrides(&reports);
        if !unknown.is_empty() {
            return Err(Error::refused(format!("no parameter of {family} is named {}", unknown.join(", ")))
                .changed("nothing that the cluster uses")
                .fix("correct \"parameters\" in the input")
                .then(Then::StartAgain));
        }

        self.compare_defaults(cx, run, (&family_of(cx, &cluster.version).await?, &family), &mut reports)
            .await?;
        let chosen = ParameterGroups {
            cluster: new_names[&(Kind::Cluster, cluster_group)].clone(),
            instances: instance_groups
                .into_iter()
                .map(|(instance, group)| (instance, new_names[&(Kind::Instance, group)].clone()))
                .collect(),
            usable: reports.iter().filter_map(|report| report.created).max().map(|at| at + SETTLE),
            made: reports.iter().filter(|report| report.made_by_us).map(|report| report.to.clone()).collect(),
            ..self.unchosen(&cluster)
        };
        let report = self.report(run);
        cx.store.put_json(&report, &reports).await?;
        cx.store.put_json(&major_upgrade::parameter_groups_key(&cluster.resource_id), &chosen).await?;
        Ok(Prepared {
            summary: summary(&reports),
            cluster_parameter_group: chosen.cluster,
            instance_parameter_groups: chosen.instances,
            report,
        })
    }
}

impl PrepareParameterGroups {
    fn report(&self, run: &Run) -> String {
        format!("{}/parameters-{}.json", run.prefix(), self.version)
    }

    fn unchosen(&self, cluster: &Cluster) -> ParameterGroups {
        ParameterGroups {
            from: cluster.version.clone(),
            version: self.version.clone(),
            cluster: String::new(),
            instances: BTreeMap::new(),
            usable: None,
            made: Vec::new(),
            rebooted: BTreeMap::new(),
            synced: None,
        }
    }

    /// A minor version has the same family: the groups stay, and values of the input wait for the
    /// hop that changes the major version.
    async fn keep(
        self,
        cx: &Context,
        run: &Run,
        cluster: Cluster,
        instances: BTreeMap<String, String>,
        group: &str,
    ) -> Result<Prepared> {
        let chosen = ParameterGroups { cluster: group.to_owned(), instances, ..self.unchosen(&cluster) };
        let report = self.report(run);
        cx.store.put_json(&report, &Vec::<Report>::new()).await?;
        cx.store.put_json(&major_upgrade::parameter_groups_key(&cluster.resource_id), &chosen).await?;
        Ok(Prepared {
            summary: format!(
                "{} is of the same family as {}: the parameter groups stay",
                self.version, cluster.version
            ),
            cluster_parameter_group: chosen.cluster,
            instance_parameter_groups: chosen.instances,
            report,
        })
    }

    /// What the owner never set may be another default now. The old family is for that alone, and
    /// is read when nothing is left to write.
    async fn compare_defaults(
        &self,
        cx: &Context,
        run: &Run,
        (old, new): (&str, &str),
        reports: &mut [Report],
    ) -> Result<()> {
        for report in reports {
            let (old, new) =
                (report.kind.family(cx, run, old).await?, report.kind.family(cx, run, new).await?);
            report.rows = migrate(&report.set, &old, &new, &report.overrides).rows;
        }
        Ok(())
    }

    fn unknown_overrides<'a>(&'a self, reports: &[Report]) -> Vec<&'a str> {
        let known = |name: &str| {
            reports.iter().any(|report| {
                report
                    .rows
                    .iter()
                    .any(|row| row.name == name && matches!(row.outcome, Outcome::Overridden { .. }))
            })
        };
        // With default groups there is nothing of ours to set a value in.
        let names = self.parameters.iter().map(|change| change.name.as_str());
        names.filter(|name| !known(name)).collect()
    }
}

/// One group of the old family, carried to the new one.
struct Carry<'a> {
    kind: Kind,
    from: &'a str,
    /// The parameters of the new family, with their defaults.
    new: &'a Family,
    family: &'a str,
    overrides: &'a [ParameterOverride],
}

impl Carry<'_> {
    async fn reconcile(&self, cx: &Context, run: &Run, old_major: u32, new_major: u32) -> Result<Report> {
        let (kind, words) = (self.kind, self.kind.words());
        let report = |to: String, made_by_us, rows, set: &BTreeMap<String, String>, overrides: &[_]| Report {
            kind,
            from: self.from.to_owned(),
            to,
            made_by_us,
            rows,
            differs: BTreeMap::new(),
            created: None,
            set: set.clone(),
            overrides: overrides.to_vec(),
        };
        let new = self.new;
        if self.from.starts_with("default.")
            && !self.overrides.iter().any(|change| new.contains_key(&change.name))
        {
            return Ok(report(format!("default.{}", self.family), false, Vec::new(), &BTreeMap::new(), &[]));
        }
        let set = self.kind.user_values(cx, self.from).await?;
        // Which values go over does not depend on what they were by default.
        let migration = migrate(&set, &Family::new(), new, self.overrides);
        self.check(&migration.rows)?;

        let to = new_name(self.from, old_major, new_major);
        let Some(group) = self.kind.find(cx, &to).await? else {
            let mut tags = major_upgrade::tags(run);
            tags.push(Tag::builder().key(CREATED).value(cx.clock.now().to_string()).build());
            self.kind.create(cx, &to, self.family, tags).await?;
            return Err(Error::NotReady(format!("{words} {to}, which was created now")));
        };
        if group.family != self.family {
            return Err(Error::conflict(format!(
                "a {words} {to} exists for {}, not for {}, and its name is needed",
                group.family, self.family
            ))
            .fix("rename or delete it")
            .then(Then::Redrive));
        }
        let present = self.kind.user_values(cx, &to).await?;
        let missing: BTreeMap<String, String> = migration
            .desired
            .iter()
            .filter(|(name, value)| present.get(*name) != Some(value))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        let tags = tags(cx, &group.arn).await?;
        if !tags.is(MANAGED_BY.0, MANAGED_BY.1) {
            let mut report = report(to, false, migration.rows, &set, self.overrides);
            report.differs = missing
                .into_iter()
                .map(|(name, value)| (name.clone(), (present.get(&name).cloned(), value)))
                .collect();
            return Ok(report);
        }
        if !missing.is_empty() {
            let count = self.kind.set(cx, &to, &missing, new).await?;
            return Err(Error::NotReady(format!(
                "{words} {to} to hold its {} values ({count} were set now)",
                migration.desired.len()
            )));
        }
        Ok(Report {
            created: tags.get(CREATED).and_then(|at| at.parse().ok()),
            ..report(to, true, migration.rows, &set, self.overrides)
        })
    }

    /// The owner's will cannot be kept: a person decides.
    fn check(&self, rows: &[Row]) -> Result<()> {
        let findings: Vec<Finding> = rows
            .iter()
            .filter_map(|row| {
                let Outcome::OutOfRange { allowed } = &row.outcome else { return None };
                Some(Finding {
                    check: "parameter-out-of-range".into(),
                    level: Level::Block,
                    database: None,
                    object: format!(
                        "{} = {} in {}",
                        row.name,
                        row.value.as_deref().unwrap_or_default(),
                        self.from
                    ),
                    reason: format!("{} allows {allowed}", self.family),
                    remedy: format!(
                        "say another value in the input: \"parameters\": [{{\"name\": \"{}\", \"value\": \
                        \"…\", \"reason\": \"…\"}}]",
                        row.name
                    ),
                })
            })
            .collect();
        if findings.is_empty() { Ok(()) } else { Err(Error::Blocked(findings)) }
    }
}

/// The family is RDS's to name: DBParameterGroupFamily of DescribeDBEngineVersions.
async fn family_of(cx: &Context, version: &EngineVersion) -> Result<String> {
    let request = cx.rds.describe_db_engine_versions().engine("aurora-postgresql").include_all(true);
    let answer = request.engine_version(version.to_string()).send().await;
    let answer = answer.map_err(aws("rds:DescribeDBEngineVersions"))?;
    let family = answer.db_engine_versions().first().and_then(|version| version.db_parameter_group_family());
    family.map(str::to_owned).ok_or_else(|| {
        Error::unexpected(format!("RDS knows no engine version {version} of aurora-postgresql"))
    })
}

/// `orders-pg16` → `orders-pg18`; a name without the old major version at its end gets the new one
/// there.
fn new_name(old: &str, old_major: u32, new_major: u32) -> String {
    let old = old.replace('.', "-");
    let stem =
        old.strip_suffix(&old_major.to_string()).filter(|stem| !stem.ends_with(|c: char| c.is_ascii_digit()));
    match stem {
        Some(stem) => format!("{stem}{new_major}"),
        None => format!("{old}-{new_major}"),
    }
}

fn summary(reports: &[Report]) -> String {
    let count = |wanted: fn(&Outcome) -> bool| {
        reports.iter().flat_map(|report| &report.rows).filter(|row| wanted(&row.outcome)).count()
    };
    let names: Vec<&str> = reports.iter().map(|report| report.to.as_str()).collect();
    format!(
        "{} hold the owner's values: {} kept, {} renamed, {} overridden, {} removed, {} not modifiable; {} \
        defaults differ in the new family",
        names.join(", "),
        count(|outcome| matches!(outcome, Outcome::Kept)),
        count(|outcome| matches!(outcome, Outcome::Renamed { .. })),
        count(|outcome| matches!(outcome, Outcome::Overridden { .. })),
        count(|outcome| matches!(outcome, Outcome::Removed)),
        count(|outcome| matches!(outcome, Outcome::NotModifiable)),
        count(|outcome| matches!(outcome, Outcome::DefaultChanged)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_groups_are_named_after_the_old_ones() {
        assert_eq!(new_name("orders-pg16", 16, 18), "orders-pg18");
        assert_eq!(new_name("orders-16", 16, 18), "orders-18");
        assert_eq!(new_name("orders", 16, 18), "orders-18");
        assert_eq!(new_name("orders-116", 16, 18), "orders-116-18");
        assert_eq!(new_name("default.aurora-postgresql16", 16, 18), "default-aurora-postgresql18");
    }
}
