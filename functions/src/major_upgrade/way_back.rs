//! The commands that bring the cluster back as it was before the upgrade, under another name.
//!
//! Resolved while it is as it was: afterwards nothing shows which groups it had.

use runbook::{
    Error, Result, Run,
    aurora::{Cluster, Instance},
};

/// What is typed, in this order; each is a line for a shell.
pub fn commands(cluster: &Cluster, writer: &Instance, snapshot: &str, run: &Run) -> Result<Vec<String>> {
    let shown = &cluster.shown;
    let name = name(&cluster.id, run);
    let lacks = |what: &str| Error::unexpected(format!("RDS shows no {what} of {}", cluster.id));
    let group = shown.db_cluster_parameter_group().ok_or_else(|| lacks("DBClusterParameterGroup"))?;
    let subnets = shown.db_subnet_group().ok_or_else(|| lacks("DBSubnetGroup"))?;
    let class = writer.shown.db_instance_class().ok_or_else(|| lacks("DBInstanceClass"))?;
    let region = cluster.arn.as_str().split(':').nth(3).unwrap_or_default();
    let version = cluster.version.to_string();

    let mut restore = vec![
        ("--region", region),
        ("--db-cluster-identifier", name.as_str()),
        ("--snapshot-identifier", snapshot),
        ("--engine", "aurora-postgresql"),
        ("--engine-version", version.as_str()),
        ("--db-cluster-parameter-group-name", group),
        ("--db-subnet-group-name", subnets),
    ];
    let security_groups: Vec<&str> =
        shown.vpc_security_groups().iter().filter_map(|group| group.vpc_security_group_id()).collect();
    let security_groups = security_groups.join(" ");
    if !security_groups.is_empty() {
        restore.push(("--vpc-security-group-ids", &security_groups));
    }
    // Without it a restore is of the standard storage, whatever the snapshot's cluster had.
    if let Some(storage) = shown.storage_type().filter(|storage| storage.starts_with("aurora-")) {
        restore.push(("--storage-type", storage));
    }
    if let Some(support) = shown.engine_lifecycle_support() {
        restore.push(("--engine-lifecycle-support", support));
    }
    let capacity = shown.serverless_v2_scaling_configuration().and_then(|scaling| {
        Some(format!("MinCapacity={},MaxCapacity={}", scaling.min_capacity()?, scaling.max_capacity()?))
    });
    if let Some(capacity) = &capacity {
        restore.push(("--serverless-v2-scaling-configuration", capacity));
    }

    let instance = format!("{name}-1");
    let create = [
        ("--region", region),
        ("--db-instance-identifier", instance.as_str()),
        ("--db-cluster-identifier", name.as_str()),
        ("--engine", "aurora-postgresql"),
        ("--db-instance-class", class),
        ("--db-parameter-group-name", writer.parameter_group()?),
    ];
    let wait = [("--region", region), ("--db-instance-identifier", instance.as_str())];
    [
        command("restore-db-cluster-from-snapshot", &restore),
        command("create-db-instance", &create),
        command("wait db-instance-available", &wait),
    ]
    .into_iter()
    .collect()
}

/// At most 63 characters with the instance's `-1`, another for each run.
fn name(cluster: &str, run: &Run) -> String {
    let end = format!("-before-{}", run.short_id());
    let cut = cluster.len().min(61 - end.len());
    format!("{}{end}", cluster[..cut].trim_end_matches('-')).to_lowercase()
}

/// What RDS names is letters, digits and a few signs; whatever is not must not reach a shell.
fn command(action: &str, options: &[(&str, &str)]) -> Result<String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.:/=, ".contains(c);
    let mut words = format!("aws rds {action}");
    for (option, value) in options {
        if value.is_empty() || !value.chars().all(plain) {
            return Err(Error::unexpected(format!("RDS shows {value:?}, which is no value for {option}")));
        }
        words += &format!(" {option} {value}");
    }
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_is_never_too_long_and_nothing_that_a_shell_reads_gets_into_a_command() {
        let run = Run::of("arn:aws:states:eu-west-1:444455556666:execution:major-upgrade:one");
        for length in 1..=63 {
            let name = name(&"c-".repeat(32)[..length], &run);
            assert!(name.len() <= 61 && !name.contains("--"), "{name}");
        }
        assert!(command("wait", &[("--region", "eu-west-1; reboot")]).is_err());
        assert!(command("wait", &[("--region", "")]).is_err());
    }
}
