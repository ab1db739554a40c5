//! The Blue/Green way: what is next on it, and what stands in its way on the AWS side. What
//! PostgreSQL shows is InspectDatabases'.

use std::{collections::BTreeMap, time::Duration};

use runbook::{
    Context, Error, Finding, Result,
    aurora::{self, Cluster, EngineVersion, Instance, Quota},
    error::Then,
    major_upgrade::{Method, deployment_name},
};
use serde::Serialize;

use super::{
    apply_pending_maintenance, beside,
    ties::{Ties, finding},
};
use crate::shared::groups::Kind;

pub const LOGICAL_REPLICATION: &str = "rds.logical_replication";

/// What is done next that users feel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// The upgrade of the cluster itself.
    InPlace,
    /// A reboot, so that green can follow.
    EnableLogicalReplication,
    SwitchOver,
}

/// How the cluster comes to its next version.
#[derive(Debug)]
pub struct Way {
    pub stage: Stage,
    /// The name of the deployment; none in place, and at the target.
    pub deployment: Option<String>,
    group: String,
}

/// The first versions of Aurora PostgreSQL that a Blue/Green deployment begins from
/// (Concepts.Aurora_Fea_Regions_DB-eng.Feature.BlueGreenDeployments). Later ones are in its table
/// when AWS says so; a finding can be skipped.
const SINCE: [(u32, &str); 7] =
    [(11, "11.21"), (12, "12.16"), (13, "13.12"), (14, "14.9"), (15, "15.4"), (16, "16.1"), (17, "17.4")];

/// A switchover of more than this is rolled back by its own time-out, and a reboot takes a minute
/// or two.
const EXPECTED: Duration = Duration::from_mins(15);

impl Way {
    pub async fn of(cx: &Context, method: Method, cluster: &Cluster, path: &[EngineVersion]) -> Result<Self> {
        let group = cluster.shown.db_cluster_parameter_group().ok_or_else(|| {
            Error::unexpected(format!("RDS shows no DBClusterParameterGroup of cluster {}", cluster.id))
        })?;
        let in_place = Self { stage: Stage::InPlace, deployment: None, group: group.to_owned() };
        let next = match path {
            [next] if method == Method::BlueGreen => next,
            [_, _, ..] if method == Method::BlueGreen => {
                let hops: Vec<String> = path.iter().map(EngineVersion::to_string).collect();
                return Err(Error::refused(format!(
                    "a Blue/Green deployment goes one step, and RDS offers none from {} to {}: the way is \
                     {}",
                    cluster.version,
                    hops.last().map_or("", |last| last),
                    hops.join(" and then ")
                ))
                .fix(format!("name {} as the target first, or upgrade in place", hops[0]))
                .then(Then::StartAgain));
            }
            _ => return Ok(in_place),
        };
        if cluster.shown.replication_source_identifier().is_some_and(|source| !source.is_empty()) {
            return Err(Error::refused(format!(
                "{} follows another cluster: it is green itself, or a replica of another Region",
                cluster.id
            ))
            .fix("name the cluster that it follows"));
        }
        let members = cluster.shown.db_cluster_members().iter();
        let mut in_sync = members.map(|one| one.db_cluster_parameter_group_status() == Some("in-sync"));
        let ready = in_sync.all(|is| is) && is_on(cx, group).await?;
        Ok(Self {
            stage: if ready { Stage::SwitchOver } else { Stage::EnableLogicalReplication },
            deployment: Some(deployment_name(&cluster.id, &cluster.resource_id, next)),
            ..in_place
        })
    }

    /// Behind "goes from 16.14 to 18.4".
    pub fn words(&self, instances: usize) -> Option<String> {
        match self.stage {
            Stage::InPlace => None,
            Stage::EnableLogicalReplication => Some(format!(
                " by Blue/Green. First its {instances} instances are rebooted, readers before the writer, so \
                 that logical replication is on ({LOGICAL_REPLICATION} in {}); green is made after that",
                self.group
            )),
            Stage::SwitchOver => Some(
                " by Blue/Green: green is made beside it and follows it, and what users feel is the \
                 switchover"
                    .to_owned(),
            ),
        }
    }

    /// In place: whether the other way is open, as far as the cluster itself shows it.
    pub fn other(&self, cluster: &Cluster, path: &[EngineVersion]) -> Option<String> {
        if self.stage != Stage::InPlace || path.is_empty() {
            return None;
        }
        let mut against: Vec<String> = of_cluster(cluster, false).into_iter().map(|one| one.check).collect();
        if path.len() > 1 {
            against.insert(0, "more than one hop".to_owned());
        }
        Some(match against.as_slice() {
            [] => "Blue/Green (\"method\": \"blue-green\") would fit, as far as the cluster shows".to_owned(),
            against => format!("Blue/Green does not fit: {}", against.join(", ")),
        })
    }

    /// How long what users feel takes, where nobody says so.
    pub fn expected(&self) -> Option<Duration> {
        (self.stage != Stage::InPlace).then_some(EXPECTED)
    }

    /// What AWS shows that is in the way of it, or is worth knowing before it (AuroraUserGuide,
    /// blue-green-deployments-creating and -considerations).
    pub async fn findings(
        &self,
        cx: &Context,
        cluster: &Cluster,
        members: &[Instance],
        ties: &Ties,
    ) -> Result<Vec<Finding>> {
        let Some(name) = &self.deployment else { return Ok(Vec::new()) };
        if ties.status(name).is_some_and(|status| status.starts_with("SWITCHOVER_") && status != FAILED) {
            return Err(Error::NotReady(format!("the switchover of {} to be over and seen", cluster.id)));
        }
        let is_there = ties.status(name).is_some();
        let mut findings = of_cluster(cluster, is_there);
        findings.extend(of_members(members));
        let values = Kind::Cluster.user_values(cx, &self.group).await?;
        if let Some(value) = values.get("synchronous_commit").filter(|value| *value != "on") {
            findings.push(finding(
                "synchronous-commit",
                &self.group,
                format!("it has synchronous_commit = {value}, and green follows only what is on"),
                format!(
                    "aws rds modify-db-cluster-parameter-group --db-cluster-parameter-group-name {} \
                     --parameters ParameterName=synchronous_commit,ParameterValue=on,ApplyMethod=immediate",
                    self.group
                ),
            ));
        }
        if self.stage == Stage::EnableLogicalReplication {
            findings.extend(shared_group(&aurora::clusters(cx).await?, &cluster.id, &self.group));
        }
        if !is_there {
            findings.extend(quotas(&aurora::quotas(cx).await?, members.len()));
            // Nothing of it can be changed any more once there is green.
            findings.extend(beside::findings(cx, cluster, members).await?);
        }
        for (arn, action) in apply_pending_maintenance::standing(cx, cluster, members).await? {
            findings.push(finding(
                "pending-maintenance",
                &arn,
                format!("{action} is pending, and RDS makes no green before it is done"),
                format!(
                    "in a quiet hour: aws rds apply-pending-maintenance-action --resource-identifier {arn} \
                     --apply-action {action} --opt-in-type immediate"
                ),
            ));
        }
        Ok(findings)
    }
}

/// Green is another cluster with as many instances.
fn quotas(quotas: &BTreeMap<String, Quota>, instances: usize) -> Vec<Finding> {
    let needed = [("DBClusters", 1), ("DBInstances", i64::try_from(instances).unwrap_or(i64::MAX))];
    let short = needed.into_iter().filter_map(|(name, needed)| {
        let quota = quotas.get(name)?;
        (needed > quota.left()).then_some((name, needed, quota))
    });
    short
        .map(|(name, needed, Quota { used, most })| {
            finding(
                "quota",
                name,
                format!("green needs {needed} more, and {used} of {most} are used"),
                "delete what is no longer used, or have the quota raised".to_owned(),
            )
        })
        .collect()
}

const FAILED: &str = "SWITCHOVER_FAILED";

/// Whether the parameter is set in that group.
pub async fn is_on(cx: &Context, group: &str) -> Result<bool> {
    let values = Kind::Cluster.user_values(cx, group).await?;
    Ok(values.get(LOGICAL_REPLICATION).is_some_and(|value| value == "1"))
}

fn of_cluster(cluster: &Cluster, has_green: bool) -> Vec<Finding> {
    let Cluster { id, version, shown, .. } = cluster;
    let mut findings = Vec::new();
    let since = SINCE.iter().find(|(major, _)| *major == version.major());
    let since = since.and_then(|(_, since)| since.parse::<EngineVersion>().ok());
    if since.as_ref().is_none_or(|since| version < since) {
        findings.push(finding(
            "blue-green-version",
            id,
            match since {
                Some(since) => format!("it is at {version}, and Blue/Green begins with {since}"),
                None => format!("Blue/Green is not known to begin from {}", version.major()),
            },
            "upgrade to a newer minor version in place first, or look into AWS's table of Blue/Green \
             deployments and skip this with a reason"
                .to_owned(),
        ));
    }
    if shown.master_user_secret().is_some() {
        findings.push(finding(
            "managed-master-password",
            id,
            "RDS makes no Blue/Green deployment of a cluster whose master password it manages".to_owned(),
            format!(
                "put the password into a secret of your own, lead everything that reads RDS's to it, then \
                 aws rds modify-db-cluster --db-cluster-identifier {id} --no-manage-master-user-password \
                 --master-user-password <it> --apply-immediately, which deletes RDS's secret; name yours as \
                 \"secretArn\""
            ),
        ));
    }
    let group = shown.db_cluster_parameter_group().unwrap_or_default();
    if group.starts_with("default.") {
        findings.push(finding(
            "default-cluster-group",
            group,
            "logical replication is switched on in the cluster's parameter group, and a default one cannot \
             be changed"
                .to_owned(),
            format!(
                "make one (aws rds create-db-cluster-parameter-group), then aws rds modify-db-cluster \
                 --db-cluster-identifier {id} --db-cluster-parameter-group-name <it>, and reboot the writer"
            ),
        ));
    }
    for endpoint in shown.custom_endpoints() {
        findings.push(finding(
            "custom-endpoint",
            endpoint,
            "an endpoint with a list of instances leads to nothing new after the switchover".to_owned(),
            "lead its clients to the cluster's or the reader's endpoint; one without a list can be skipped"
                .to_owned(),
        ));
    }
    // Green is one, once it is there.
    if !has_green {
        for replica in shown.read_replica_identifiers() {
            findings.push(finding(
                "read-replica",
                replica,
                format!("it follows {id}, and would follow the old cluster after the switchover"),
                "delete it, and make it again after the upgrade".to_owned(),
            ));
        }
    }
    findings
}

fn of_members(members: &[Instance]) -> Vec<Finding> {
    // Aurora Auto Scaling gives its readers this name (AuroraUserGuide,
    // Aurora.Integrating.AutoScaling).
    let scaled = members.iter().filter(|one| one.id.starts_with("application-autoscaling-"));
    scaled
        .map(|member| {
            finding(
                "autoscaled-reader",
                &member.id,
                "Auto Scaling has made it, and its policy does not go over to green".to_owned(),
                "switch the scaling policy off and delete the reader; register both again after the upgrade, \
                 or skip this with a reason"
                    .to_owned(),
            )
        })
        .collect()
}

fn shared_group(clusters: &[Cluster], id: &str, group: &str) -> Option<Finding> {
    let uses = |other: &&Cluster| other.id != id && other.shown.db_cluster_parameter_group() == Some(group);
    let others: Vec<&str> = clusters.iter().filter(uses).map(|other| other.id.as_str()).collect();
    (!others.is_empty()).then(|| {
        finding(
            "shared-cluster-group",
            group,
            format!(
                "{LOGICAL_REPLICATION} has to be switched on in it, and it is the group of {} too",
                others.join(", ")
            ),
            format!("give {id} a group of its own, or skip this: the others get it with their next reboot"),
        )
    })
}

#[cfg(test)]
mod tests {
    use aws_sdk_rds::types::{DbInstance, MasterUserSecret};

    use super::*;
    use crate::testing::{self, Parse};

    fn slugs(cluster: &Cluster) -> Vec<String> {
        of_cluster(cluster, false).into_iter().map(|found| found.id()).collect()
    }

    #[test]
    fn a_cluster_that_has_nothing_of_it_is_free_to_go() {
        let cluster = testing::cluster("orders").db_cluster_parameter_group("orders-pg16");
        assert_eq!(slugs(&cluster.parse()), Vec::<String>::new());
    }

    #[test]
    fn what_rds_makes_no_green_of_is_found_once_each() {
        let cluster = testing::cluster("orders")
            .engine_version("16.0")
            .db_cluster_parameter_group("default.aurora-postgresql16")
            .master_user_secret(MasterUserSecret::builder().secret_arn("arn:x").build())
            .custom_endpoints("reports.cluster-custom-x")
            .read_replica_identifiers("arn:aws:rds:eu-west-2:444455556666:cluster:far");
        assert_eq!(
            slugs(&cluster.clone().parse()),
            [
                "blue-green-version:orders",
                "managed-master-password:orders",
                "default-cluster-group:default.aurora-postgresql16",
                "custom-endpoint:reports.cluster-custom-x",
                "read-replica:arn:aws:rds:eu-west-2:444455556666:cluster:far",
            ]
        );
        let young = testing::cluster("orders").engine_version("18.1");
        assert_eq!(slugs(&young.parse()), ["blue-green-version:orders"], "18 is in no table yet");
        let green = of_cluster(&cluster.parse(), true);
        assert!(!green.iter().any(|found| found.check == "read-replica"), "green is its replica");
    }

    #[test]
    fn in_place_it_is_said_whether_the_other_way_is_open() {
        let way = |stage| Way { stage, deployment: None, group: String::new() };
        let free = testing::cluster("orders").db_cluster_parameter_group("orders-pg16").parse();
        let path = ["18.4".parse().unwrap()];
        let said = |cluster: &Cluster, path: &[EngineVersion]| way(Stage::InPlace).other(cluster, path);
        assert!(said(&free, &path).unwrap().contains("would fit"));
        let default = testing::cluster("orders").db_cluster_parameter_group("default.x").parse();
        assert_eq!(said(&default, &path).unwrap(), "Blue/Green does not fit: default-cluster-group");
        assert_eq!(said(&free, &[]), None, "there is nothing to upgrade");
        assert_eq!(way(Stage::SwitchOver).other(&free, &path), None);
    }

    #[test]
    fn a_reader_that_auto_scaling_made_is_found() {
        let member = |id: &str| {
            let shown = DbInstance::builder().db_instance_identifier(id).engine_version("16.14");
            let arn = format!("arn:aws:rds:eu-west-1:444455556666:db:{id}");
            Instance::parse(shown.db_instance_arn(arn).build()).unwrap()
        };
        let found = of_members(&[member("orders-1"), member("application-autoscaling-6f1")]);
        assert_eq!(found[0].id(), "autoscaled-reader:application-autoscaling-6f1");
        assert_eq!(found.len(), 1);
    }

    #[test]
    fn a_quota_that_green_does_not_fit_into_is_found() {
        let quota = |name: &str, used: i64| (name.to_owned(), Quota { used, most: 40 });
        let found = |instances: i64| {
            let all = [quota("DBInstances", instances), quota("DBClusters", 39)].into();
            quotas(&all, 2).into_iter().map(|found| found.id()).collect::<Vec<_>>()
        };
        assert_eq!(found(38), Vec::<String>::new());
        assert_eq!(found(39), ["quota:DBInstances"]);
        assert_eq!(quotas(&BTreeMap::new(), 2), [], "an account that shows none is not stopped");
    }

    #[test]
    fn a_group_that_others_have_too_is_found_with_their_names() {
        let of = |name: &str, group: &str| testing::cluster(name).db_cluster_parameter_group(group).parse();
        let clusters = [of("orders", "shared"), of("users", "shared"), of("other", "own")];
        let found = shared_group(&clusters, "orders", "shared").unwrap();
        assert!(found.reason.ends_with("the group of users too"), "{}", found.reason);
        assert_eq!(shared_group(&clusters, "other", "own"), None);
    }
}
