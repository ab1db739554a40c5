//! Serverless v2: what a cluster's instances of the class `db.serverless` scale between.

use serde_json::{Value, json};

use super::error::Fault;
use super::model::Cluster;
use super::query::Input;

pub const CLASS: &str = "db.serverless";

/// In Aurora capacity units (ACUs).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scaling {
    least: f64,
    most: f64,
    pause_after: Option<i64>,
}

impl Scaling {
    /// What the request makes of the present configuration.
    pub fn read(input: &Input, present: Option<Self>) -> Result<Option<Self>, Fault> {
        let Some(scaling) = input.get("ServerlessV2ScalingConfiguration") else { return Ok(present) };
        let least = scaling["MinCapacity"].as_f64().or(present.map(|present| present.least));
        let most = scaling["MaxCapacity"].as_f64().or(present.map(|present| present.most));
        let (Some(least), Some(most)) = (least, most) else {
            // AWS's words (crossplane-contrib/provider-upjet-aws#1165).
            return Err(Fault::value(
                "Both MinCapacity and MaxCapacity must be specified when you initialize Serverless v2 \
                scaling configuration.",
            ));
        };
        // botocore rds 2014-10-31, ServerlessV2ScalingConfiguration: half steps, 0 to 256.
        let half_step = |capacity: f64| (capacity * 2.0).fract() == 0.0;
        if !(half_step(least) && half_step(most) && least >= 0.0 && (1.0..=256.0).contains(&most)) {
            return Err(Fault::value(format!(
                "Serverless v2 capacity goes in half steps from 0 to 256, found {least} to {most}"
            )));
        }
        if least > most {
            return Err(Fault::value(format!("MinCapacity {least} is above MaxCapacity {most}")));
        }
        let pause_after = scaling["SecondsUntilAutoPause"].as_i64();
        let present = present.and_then(|present| present.pause_after);
        Ok(Some(Self { least, most, pause_after: pause_after.or(present) }))
    }

    pub fn describe(self) -> Value {
        json!({
            "MinCapacity": self.least,
            "MaxCapacity": self.most,
            "SecondsUntilAutoPause": self.pause_after,
        })
    }
}

/// AWS's words and code (cloudposse/terraform-aws-rds-cluster#181,
/// terraform-aws-modules/terraform-aws-rds-aurora#537): a state that no waiting changes.
pub fn check_class(class: &str, cluster: &Cluster) -> Result<(), Fault> {
    if class == CLASS && cluster.scaling.is_none() {
        return Err(Fault::cluster_state(
            "Set the Serverless v2 scaling configuration on the parent DB cluster before creating a \
            Serverless v2 DB instance.",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::testing::Sandbox;

    #[tokio::test(start_paused = true)]
    async fn a_serverless_instance_needs_a_scaling_configuration_on_its_cluster() {
        let sandbox = Sandbox::with_cluster().await;
        let orders = ("DBClusterIdentifier", "orders");
        let instance = [
            orders,
            ("DBInstanceIdentifier", "orders-3"),
            ("DBInstanceClass", "db.serverless"),
            ("Engine", "aurora-postgresql"),
        ];
        let refused = sandbox.refused("CreateDBInstance", &instance).await;
        assert_eq!(refused.0, "InvalidDBClusterStateFault");
        assert!(
            refused.1.starts_with("Set the Serverless v2 scaling configuration on the parent DB cluster")
        );
        let class = [("DBInstanceIdentifier", "orders-2"), ("DBInstanceClass", "db.serverless")];
        assert_eq!(sandbox.refused("ModifyDBInstance", &class).await.0, "InvalidDBClusterStateFault");

        let least = ("ServerlessV2ScalingConfiguration.MinCapacity", "0.5");
        let most = ("ServerlessV2ScalingConfiguration.MaxCapacity", "4");
        let half = sandbox.refused("ModifyDBCluster", &[orders, most]).await;
        assert!(half.1.starts_with("Both MinCapacity and MaxCapacity must be specified"), "{half:?}");
        for (least, most) in [("0.3", "4"), ("8", "4"), ("1", "300")] {
            let form = [
                orders,
                ("ServerlessV2ScalingConfiguration.MinCapacity", least),
                ("ServerlessV2ScalingConfiguration.MaxCapacity", most),
            ];
            assert_eq!(sandbox.refused("ModifyDBCluster", &form).await.0, "InvalidParameterValue", "{least}");
        }
        sandbox.ok("ModifyDBCluster", &[orders, least, most]).await;
        sandbox.ok("CreateDBInstance", &instance).await;
        // Of a configuration that is there one end may change alone.
        sandbox.ok("ModifyDBCluster", &[orders, ("ServerlessV2ScalingConfiguration.MaxCapacity", "8")]).await;
        let scaling = sandbox.cluster("orders").await.element("ServerlessV2ScalingConfiguration");
        assert_eq!((scaling.text("MinCapacity"), scaling.text("MaxCapacity")), ("0.5", "8.0"));
    }
}
