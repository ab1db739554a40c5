//! Parameters: described, set in groups, and brought to the servers of the clusters that use the
//! groups.
//!
//! A dynamic parameter with ApplyMethod `immediate` reaches the servers at once; all else waits for
//! a reboot
//! (https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/USER_WorkingWithParamGroups.html).

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};

use super::engine::Parameters;
use super::error::Fault;
use super::events::Source;
use super::families;
use super::formulas;
use super::model::{Group, Instance, Setting, World};
use super::paging::page_of;
use super::parameter_groups::{Kind, changeable};
use super::query::Input;
use super::{Answer, Rds};

/// How long a member says `applying`.
const APPLYING: Duration = Duration::from_secs(10);

/// botocore rds 2014-10-31: "A maximum of 20 parameters can be modified in a single request."
const MOST_AT_ONCE: usize = 20;

/// Libraries that only Aurora has.
const AURORA_LIBRARIES: [&str; 4] = ["apg_plan_mgmt", "babelfishpg_tds", "orafce", "pg_transport"];

impl Rds {
    pub(super) fn describe_parameters(&self, action: &str, input: &Input) -> Answer {
        let kind = Kind::of(action);
        let group = self.world().known_group(kind, input.required(kind.name_member())?)?;
        let source = input.text("Source");
        if source.is_some_and(|source| !["user", "system", "engine-default", "service"].contains(&source)) {
            return Err(Fault::value(format!("Invalid source: {}", source.unwrap_or_default())));
        }
        let mut parameters = families::parameters(&group.family, kind.instance)?;
        if let Some(source) = source {
            parameters.retain(|(name, parameter)| parameter.source(group.values.get(*name)) == source);
        }
        page_of("Parameters", parameters, input, |(name, p)| p.describe(name, group.values.get(name)))
    }

    pub(super) fn describe_engine_defaults(&self, action: &str, input: &Input) -> Answer {
        let family = input.required("DBParameterGroupFamily")?;
        let parameters = families::parameters(family, Kind::of(action).instance)?;
        let mut defaults = page_of("Parameters", parameters, input, |(name, p)| p.describe(name, None))?;
        defaults["DBParameterGroupFamily"] = family.into();
        Ok(json!({"EngineDefaults": defaults}))
    }

    pub(super) fn modify_parameter_group(&self, action: &str, input: &Input) -> Answer {
        let kind = Kind::of(action);
        let mut world = self.world();
        let name = changeable(&world, kind, input)?;
        let wanted = input.list("Parameters");
        if wanted.is_empty() || wanted.len() > MOST_AT_ONCE {
            return Err(Fault::value(format!(
                "Between 1 and {MOST_AT_ONCE} parameters can be modified in a single request, found {}",
                wanted.len()
            )));
        }
        let family = world.known_group(kind, &name)?.family;
        let mut settings = Vec::new();
        for parameter in wanted {
            settings.push(setting(kind, &family, parameter)?);
        }
        for (parameter, setting) in &settings {
            let message = format!(
                "Updated parameter {parameter} to {} with apply method {}",
                setting.value, setting.apply
            );
            self.event(
                &mut world,
                Source::parameter_group(self.account, &name, kind.instance),
                "0037",
                message,
            );
        }
        let changed: Vec<_> =
            settings.iter().map(|(parameter, setting)| (parameter.clone(), setting.apply.clone())).collect();
        if let Some(group) = kind.groups_mut(&mut world).get_mut(&name) {
            group.values.extend(settings);
        }
        self.propagate(&mut world, kind, &name, &changed);
        Ok(json!({kind.name_member(): name}))
    }

    pub(super) fn reset_parameter_group(&self, action: &str, input: &Input) -> Answer {
        let kind = Kind::of(action);
        let mut world = self.world();
        let name = changeable(&world, kind, input)?;
        let group = world.known_group(kind, &name)?;
        let mut changed = Vec::new();
        if input.flag("ResetAllParameters").unwrap_or(!input.has("Parameters")) {
            for parameter in group.values.keys() {
                let dynamic = families::parameter(&group.family, kind.instance, parameter)
                    .is_some_and(|known| !known.is_static());
                changed.push((
                    parameter.clone(),
                    if dynamic { "immediate" } else { "pending-reboot" }.to_owned(),
                ));
            }
        } else {
            for parameter in input.list("Parameters") {
                let name = parameter["ParameterName"].as_str().unwrap_or_default();
                let known = known_parameter(kind, &group.family, name)?;
                changed.push((name.to_owned(), apply_method(name, known, parameter)?));
            }
        }
        if let Some(group) = kind.groups_mut(&mut world).get_mut(&name) {
            group.values.retain(|parameter, _| !changed.iter().any(|(changed, _)| changed == parameter));
        }
        self.propagate(&mut world, kind, &name, &changed);
        Ok(json!({kind.name_member(): name}))
    }

    /// Members of the clusters that use the group learn of the change; what is immediate goes to
    /// the servers.
    fn propagate(&self, world: &mut World, kind: Kind, group: &str, changed: &[(String, String)]) {
        let immediate: BTreeSet<String> =
            changed.iter().filter(|(_, apply)| apply == "immediate").map(|(name, _)| name.clone()).collect();
        let status = if immediate.len() < changed.len() { "pending-reboot" } else { "in-sync" };
        let clusters: Vec<String> =
            world.clusters.values().map(|cluster| cluster.resource_id.clone()).collect();
        for cluster in clusters {
            let uses_cluster_group = !kind.instance && world.clusters[&cluster].group == group;
            let mut concerned = Vec::new();
            for member in world
                .members_mut(&cluster)
                .filter(|member| uses_cluster_group || (kind.instance && member.group == group))
            {
                let shown = group_status(kind, member);
                // What waits for a reboot already goes on waiting.
                let then = if *shown == "pending-reboot" { "pending-reboot" } else { status };
                *shown = if immediate.is_empty() { then } else { "applying" };
                concerned.push((member.resource_id.clone(), then));
            }
            if !immediate.is_empty() && (uses_cluster_group || !concerned.is_empty()) {
                let immediate = immediate.clone();
                self.background(
                    |rds| async move { rds.apply_at_once(kind, cluster, immediate, concerned).await },
                );
            }
        }
    }

    async fn apply_at_once(
        &self,
        kind: Kind,
        cluster: String,
        names: BTreeSet<String>,
        members: Vec<(String, &'static str)>,
    ) {
        let effective = self.world().effective(&cluster);
        let (applied, running) = {
            let mut world = self.world();
            let Some(found) = world.clusters.get_mut(&cluster) else { return };
            for name in names {
                match effective.get(&name) {
                    Some(value) => drop(found.applied.insert(name, value.clone())),
                    None => drop(found.applied.remove(&name)),
                }
            }
            (found.applied.clone(), found.running)
        };
        let waiting = match &self.engine {
            Some(engine) if running => engine.configure(&cluster, &applied, false).await,
            _ => Ok(Vec::new()),
        };
        self.pause(APPLYING).await;
        let outcome = match waiting {
            Err(error) => {
                tracing::error!(cluster, error = format!("{error:#}"), "apply parameters");
                Some("failed-to-apply")
            }
            Ok(names) if !names.is_empty() => Some("pending-reboot"),
            Ok(_) => None,
        };
        let mut world = self.world();
        for (member, status) in members {
            if let Some(member) = world.instances.get_mut(&member) {
                let shown = group_status(kind, member);
                // A later change may have made it wait for a reboot meanwhile.
                if *shown == "applying" {
                    *shown = outcome.unwrap_or(status);
                }
            }
        }
    }
}

fn group_status(kind: Kind, member: &mut Instance) -> &mut &'static str {
    if kind.instance { &mut member.group_status } else { &mut member.cluster_group_status }
}

fn known_parameter(kind: Kind, family: &str, name: &str) -> Result<&'static families::Parameter, Fault> {
    families::parameter(family, kind.instance, name)
        .ok_or_else(|| Fault::value(format!("Could not find parameter with name: {name}")))
}

fn apply_method(name: &str, known: &families::Parameter, parameter: &Value) -> Result<String, Fault> {
    match parameter["ApplyMethod"].as_str() {
        Some("immediate") if known.is_static() => {
            Err(Fault::combination(format!("cannot use immediate apply method for static parameter: {name}")))
        }
        Some(method @ ("immediate" | "pending-reboot")) => Ok(method.to_owned()),
        method => Err(Fault::value(format!("Invalid apply method for {name}: {}", method.unwrap_or("none")))),
    }
}

fn setting(kind: Kind, family: &str, parameter: &Value) -> Result<(String, Setting), Fault> {
    let name = parameter["ParameterName"].as_str().unwrap_or_default();
    let known = known_parameter(kind, family, name)?;
    if !known.modifiable {
        return Err(Fault::value(format!("The parameter {name} cannot be modified.")));
    }
    let value = parameter["ParameterValue"]
        .as_str()
        .ok_or_else(|| Fault::value(format!("The parameter {name} needs a value.")))?;
    if !known.allows(value) {
        return Err(Fault::value(format!(
            "Invalid parameter value: {value} for: {name} allowed values are: {}",
            known.allowed
        )));
    }
    Ok((name.to_owned(), Setting { value: value.to_owned(), apply: apply_method(name, known, parameter)? }))
}

impl World {
    /// What the server of a cluster is to be given after a reboot: the cluster group's values under
    /// the writer's instance group's.
    pub fn effective(&self, cluster: &str) -> Parameters {
        let Some(cluster) = self.clusters.get(cluster) else { return Parameters::new() };
        let writer = cluster.writer.as_ref().and_then(|writer| self.instances.get(writer));
        let groups = [
            self.group(Kind::CLUSTER, &cluster.group),
            writer.and_then(|writer| self.group(Kind::INSTANCE, &writer.group)),
        ];
        server_parameters(groups.iter().flatten())
    }
}

/// The values that PostgreSQL itself understands. The later group wins.
pub fn server_parameters<'a>(groups: impl IntoIterator<Item = &'a Group>) -> Parameters {
    let mut parameters = Parameters::new();
    for group in groups {
        for (name, setting) in &group.values {
            if name == "rds.logical_replication" {
                // It is how Aurora sets wal_level
                // (https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/AuroraPostgreSQL.Replication.Logical.Configure.html).
                let level = if setting.value == "1" { "logical" } else { "replica" };
                parameters.insert("wal_level".into(), level.into());
            }
            if families::parameter(&group.family, false, name).is_none_or(|known| known.aurora) {
                continue;
            }
            let Some(value) = formulas::evaluate(&setting.value) else { continue };
            let value = match &**name {
                "shared_preload_libraries" => value
                    .split(',')
                    .map(str::trim)
                    .filter(|library| !AURORA_LIBRARIES.contains(library))
                    .collect::<Vec<_>>()
                    .join(","),
                _ => value,
            };
            parameters.insert(name.clone(), value);
        }
    }
    parameters
}

#[cfg(test)]
mod tests {
    use super::super::testing::{CLUSTER_GROUP, INSTANCE_GROUP, Sandbox};
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_dynamic_parameter_applies_at_once_and_a_static_one_waits_for_a_reboot() {
        let sandbox = Sandbox::with_cluster().await;
        sandbox.create_group(CLUSTER_GROUP, "own", "aurora-postgresql16").await;
        sandbox
            .ok(
                "ModifyDBCluster",
                &[("DBClusterIdentifier", "orders"), ("DBClusterParameterGroupName", "own")],
            )
            .await;
        for instance in ["orders-1", "orders-2"] {
            sandbox.ok("RebootDBInstance", &[("DBInstanceIdentifier", instance)]).await;
        }
        sandbox.pass(60).await;
        assert_eq!(
            sandbox.cluster("orders").await.all("DBClusterParameterGroupStatus"),
            ["in-sync", "in-sync"]
        );
        sandbox.set(CLUSTER_GROUP, "own", "work_mem", "65536", "immediate").await;
        assert_eq!(
            sandbox.cluster("orders").await.all("DBClusterParameterGroupStatus"),
            ["applying", "applying"]
        );
        sandbox.pass(15).await;
        assert_eq!(
            sandbox.cluster("orders").await.all("DBClusterParameterGroupStatus"),
            ["in-sync", "in-sync"]
        );
        sandbox.set(CLUSTER_GROUP, "own", "rds.logical_replication", "1", "pending-reboot").await;
        assert_eq!(
            sandbox.cluster("orders").await.all("DBClusterParameterGroupStatus"),
            ["pending-reboot", "pending-reboot"]
        );
        let applied = || sandbox.rds.world().cluster("orders").unwrap().applied.clone();
        assert_eq!(applied(), Parameters::from([("work_mem".into(), "65536".into())]));
        sandbox.ok("RebootDBInstance", &[("DBInstanceIdentifier", "orders-1")]).await;
        sandbox.pass(60).await;
        assert_eq!(applied()["wal_level"], "logical");
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_group_cannot_hold_is_refused() {
        let sandbox = Sandbox::new();
        sandbox.create_group(INSTANCE_GROUP, "own", "aurora-postgresql16").await;
        for (name, value, method, code) in [
            ("work_mem", "1", "immediate", "InvalidParameterValue"),
            ("nothing", "1", "immediate", "InvalidParameterValue"),
            ("rds.extensions", "x", "pending-reboot", "InvalidParameterValue"),
            ("max_connections", "100", "immediate", "InvalidParameterCombination"),
        ] {
            let form = [
                ("DBParameterGroupName", "own"),
                ("Parameters.Parameter.1.ParameterName", name),
                ("Parameters.Parameter.1.ParameterValue", value),
                ("Parameters.Parameter.1.ApplyMethod", method),
            ];
            assert_eq!(sandbox.refused("ModifyDBParameterGroup", &form).await.0, code, "{name}");
        }
        let names: Vec<String> =
            (1..=21).map(|n| format!("Parameters.Parameter.{n}.ParameterName")).collect();
        let many: Vec<(&str, &str)> = names.iter().map(|name| (&**name, "work_mem")).collect();
        let form = [&[("DBParameterGroupName", "own")], &many[..]].concat();
        assert_eq!(sandbox.refused("ModifyDBParameterGroup", &form).await.0, "InvalidParameterValue");
        let form = [("DBParameterGroupName", "default.aurora-postgresql16"), ("ResetAllParameters", "true")];
        assert_eq!(sandbox.refused("ResetDBParameterGroup", &form).await.0, "InvalidDBParameterGroupState");
    }

    #[tokio::test(start_paused = true)]
    async fn user_set_values_are_told_from_defaults_and_lists_come_in_pages() {
        let sandbox = Sandbox::new();
        sandbox.create_group(CLUSTER_GROUP, "own", "aurora-postgresql16").await;
        sandbox
            .set(
                CLUSTER_GROUP,
                "own",
                "max_connections",
                "LEAST({DBInstanceClassMemory/9531392},500)",
                "pending-reboot",
            )
            .await;
        let group = ("DBClusterParameterGroupName", "own");
        let user = sandbox.ok("DescribeDBClusterParameters", &[group, ("Source", "user")]).await;
        assert_eq!(user.all("ParameterName"), ["max_connections"]);
        let first = sandbox.ok("DescribeDBClusterParameters", &[group, ("MaxRecords", "20")]).await;
        assert_eq!(first.all("ParameterName").len(), 20);
        let second =
            sandbox.ok("DescribeDBClusterParameters", &[group, ("Marker", first.text("Marker"))]).await;
        assert!(second.text("ParameterName") > *first.all("ParameterName").last().unwrap());
        sandbox.ok("ResetDBClusterParameterGroup", &[group, ("ResetAllParameters", "true")]).await;
        let user = sandbox.ok("DescribeDBClusterParameters", &[group, ("Source", "user")]).await;
        assert!(user.all("ParameterName").is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn the_writers_instance_group_wins_over_the_clusters_and_only_postgresql_names_reach_the_server() {
        let sandbox = Sandbox::new();
        for kind in [CLUSTER_GROUP, INSTANCE_GROUP] {
            sandbox.create_group(kind, "own", "aurora-postgresql16").await;
        }
        sandbox.set(CLUSTER_GROUP, "own", "work_mem", "65536", "immediate").await;
        sandbox.set(CLUSTER_GROUP, "own", "rds.force_ssl", "1", "immediate").await;
        sandbox
            .set(
                CLUSTER_GROUP,
                "own",
                "shared_preload_libraries",
                "pg_stat_statements,apg_plan_mgmt",
                "pending-reboot",
            )
            .await;
        sandbox.set(INSTANCE_GROUP, "own", "work_mem", "131072", "immediate").await;
        let world = sandbox.rds.world();
        let groups =
            [world.group(Kind::CLUSTER, "own").unwrap(), world.group(Kind::INSTANCE, "own").unwrap()];
        let expected = [("work_mem", "131072"), ("shared_preload_libraries", "pg_stat_statements")];
        assert_eq!(
            server_parameters(&groups),
            expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
        );
    }
}
