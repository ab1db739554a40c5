//! What a switchover leaves for a person.

use runbook::aurora::{Cluster, Deployment, identifier};

/// What a switchover leaves, and what does not go with the names (AuroraUserGuide,
/// blue-green-deployments-switching and -considerations).
pub fn left(production: &Cluster, deployment: Option<&Deployment>) -> (Vec<String>, Vec<String>) {
    let name = &production.id;
    let by_id = format!(
        "its resource id is {} now: policies of IAM database authentication, Performance Insights, alarms \
         and filters that go by the former one need it; so do Auto Scaling policies, zero-ETL integrations, \
         DMS tasks and what was granted on the old cluster meanwhile: make them again. Terraform finds the \
         new cluster under the old name, and nothing has to be imported",
        production.resource_id
    );
    let Some(deployment) = deployment else { return (vec![by_id], Vec::new()) };
    let old = identifier(&deployment.source);
    if old == name {
        return (vec![by_id], Vec::new());
    }
    let delete =
        format!("aws rds delete-blue-green-deployment --blue-green-deployment-identifier {}", deployment.id);
    let instances: Vec<&str> = deployment
        .members
        .iter()
        .filter(|member| member.source.contains(":db:"))
        .map(|member| identifier(&member.source))
        .collect();
    let kept = format!(
        "cluster {old} with {} is as it was at the switchover, takes no writes while deployment {} exists, \
         and is paid for. When nobody wants to go back: {delete}; then delete its instances and the cluster, \
         with a final snapshot and --no-delete-automated-backups",
        instances.join(", "),
        deployment.name
    );
    let rename = |from: &str, to: &str| {
        format!(
            "aws rds modify-db-cluster --db-cluster-identifier {from} --new-db-cluster-identifier {to} \
             --apply-immediately"
        )
    };
    let back = vec![
        "# it loses what was written since the switchover".to_owned(),
        delete,
        rename(name, &format!("{name}-new")),
        rename(old, name),
    ];
    (vec![kept, by_id], back)
}

#[cfg(test)]
mod tests {
    use aws_sdk_rds::types::{BlueGreenDeployment, DbCluster, SwitchoverDetail};

    use super::*;

    fn arn(name: &str) -> String {
        format!("arn:aws:rds:eu-west-1:444455556666:{name}")
    }

    #[test]
    fn what_is_left_is_named_with_the_commands() {
        let production = DbCluster::builder()
            .db_cluster_identifier("orders")
            .db_cluster_arn(arn("cluster:orders"))
            .db_cluster_resource_id("cluster-GREEN")
            .engine_version("18.4");
        let production = Cluster::parse(production.build()).unwrap();
        let member = |name: &str| SwitchoverDetail::builder().source_member(arn(name)).build();
        let deployment = BlueGreenDeployment::builder()
            .blue_green_deployment_identifier("bgd-1")
            .blue_green_deployment_name("orders-18-4")
            .source(arn("cluster:orders-old1"))
            .switchover_details(member("cluster:orders-old1"))
            .switchover_details(member("db:orders-1-old1"));
        let deployment = Deployment::parse(deployment.build()).unwrap();
        let (left, back) = left(&production, Some(&deployment));
        assert!(left[0].starts_with("cluster orders-old1 with orders-1-old1 is as it was"), "{left:?}");
        assert!(left[1].contains("cluster-GREEN"), "{left:?}");
        assert_eq!(back.len(), 4);
        assert!(back[3].contains("--db-cluster-identifier orders-old1 --new-db-cluster-identifier orders "));
        assert_eq!(super::left(&production, None).1, Vec::<String>::new());
    }
}
