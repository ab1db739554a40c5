//! Application Auto Scaling, as far as it shows which clusters it scales. JSON 1.1, 2016-02-06,
//! shapes from botocore application-autoscaling 1.43.11. It scales nothing: a test's world plants
//! what is registered.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use clock::Clock;
use jiff::Timestamp;
use parking_lot::Mutex;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::aws;
use crate::http::{Endpoint, Request, Response};
use crate::json::{self, Answer, Error};

const NAMESPACE: &str = "rds";
const DIMENSION: &str = "rds:cluster:ReadReplicaCount";

pub struct AutoScaling {
    clock: Clock,
    /// By resource id, which is made of the cluster's name.
    targets: Mutex<BTreeMap<String, Target>>,
}

struct Target {
    readers: (i64, i64),
    registered: Timestamp,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct DescribeScalableTargets {
    service_namespace: String,
    resource_ids: Option<Vec<String>>,
    scalable_dimension: Option<String>,
}

impl AutoScaling {
    pub fn new(clock: Clock) -> Arc<Self> {
        Arc::new(Self { clock, targets: Mutex::default() })
    }

    /// A cluster that is given between so many and so many readers (AuroraUserGuide,
    /// Aurora.Integrating.AutoScaling).
    pub fn plant_target(&self, cluster: &str, least: i64, most: i64) {
        let target = Target { readers: (least, most), registered: self.clock.now() };
        self.targets.lock().insert(format!("cluster:{cluster}"), target);
    }

    fn describe(&self, asked: &DescribeScalableTargets) -> Answer {
        // "If you specify a scalable dimension, you must also specify a resource ID" (model).
        if asked.scalable_dimension.is_some() && asked.resource_ids.is_none() {
            return Err(Error::new("ValidationException", "A resource ID must be specified."));
        }
        let dimension = asked.scalable_dimension.as_deref().unwrap_or(DIMENSION);
        let is_asked = |id: &String| asked.resource_ids.as_ref().is_none_or(|ids| ids.contains(id));
        let targets = self.targets.lock();
        let found = targets
            .iter()
            .filter(|(id, _)| asked.service_namespace == NAMESPACE && dimension == DIMENSION && is_asked(id));
        let shown: Vec<Value> = found.map(|(id, target)| describe(id, target)).collect();
        Ok(json!({"ScalableTargets": shown}))
    }
}

fn describe(id: &str, Target { readers: (least, most), registered }: &Target) -> Value {
    let role = "role/aws-service-role/rds.application-autoscaling.amazonaws.com/\
                AWSServiceRoleForApplicationAutoScaling_RDSCluster";
    json!({
        "ServiceNamespace": NAMESPACE,
        "ResourceId": id,
        "ScalableDimension": DIMENSION,
        "MinCapacity": least,
        "MaxCapacity": most,
        "RoleARN": format!("arn:aws:iam::{}:{role}", aws::ACCOUNT),
        "CreationTime": json::seconds(*registered),
    })
}

#[async_trait]
impl Endpoint for AutoScaling {
    async fn call(&self, request: Request) -> Response {
        json::reply(match json::operation(&request) {
            "DescribeScalableTargets" => json::input(&request).and_then(|asked| self.describe(&asked)),
            _ => Err(json::unknown_operation(&request)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_target_is_found_by_the_name_of_its_cluster() {
        let scaling = AutoScaling::new(Clock::virtual_time(Timestamp::from_second(1_790_000_000).unwrap()));
        scaling.plant_target("orders", 1, 8);
        let ask = async |asked: Value| {
            let (_, body) =
                json::call(&*scaling, "AnyScaleFrontendService.DescribeScalableTargets", asked).await;
            body
        };
        let of = |id: &str| {
            let ids = [id];
            json!({"ServiceNamespace": "rds", "ResourceIds": ids, "ScalableDimension": DIMENSION})
        };
        let found = ask(of("cluster:orders")).await;
        assert_eq!(found["ScalableTargets"][0]["MaxCapacity"], 8);
        assert_eq!(ask(of("cluster:users")).await["ScalableTargets"], json!([]));
        let refused = ask(json!({"ServiceNamespace": "rds", "ScalableDimension": DIMENSION})).await;
        assert_eq!(refused["__type"], "ValidationException");
    }
}
