//! What the tests of the actions share: a service in the model gear and a cluster in it, reached by
//! requests as an SDK sends them.

use std::sync::{Arc, Weak};
use std::time::Duration;

use clock::Clock;
use jiff::Timestamp;
use serde_json::Value;
use tokio::sync::mpsc::UnboundedReceiver;

use super::Rds;
use crate::aws;
use crate::http::{Caller, Endpoint, Request, Response};

/// The two kinds of parameter groups, as actions and members name them.
pub const CLUSTER_GROUP: &str = "DBClusterParameterGroup";
pub const INSTANCE_GROUP: &str = "DBParameterGroup";

/// A ModifyDBCluster that upgrades `orders`.
pub const TO_18: [(&str, &str); 4] = [
    ("DBClusterIdentifier", "orders"),
    ("EngineVersion", "18.4"),
    ("AllowMajorVersionUpgrade", "true"),
    ("ApplyImmediately", "true"),
];

pub struct Sandbox {
    /// Whose calls these are.
    pub account: &'static str,
    pub rds: Arc<Rds>,
    pub clock: Clock,
    pub bus: UnboundedReceiver<Value>,
}

/// An answer, read as loosely as a test wants.
#[derive(Debug, Clone)]
pub struct Xml(String);

impl Xml {
    /// The texts of all elements of that name, in the document's order.
    pub fn all(&self, element: &str) -> Vec<&str> {
        let (open, close) = (format!("<{element}>"), format!("</{element}>"));
        self.0.split(&open).skip(1).filter_map(|rest| Some(rest.split_once(&close)?.0)).collect()
    }

    pub fn text(&self, element: &str) -> &str {
        self.all(element).first().copied().unwrap_or_default()
    }

    pub fn element(&self, element: &str) -> Self {
        Self(self.text(element).to_owned())
    }
}

pub struct Nobody;

#[async_trait::async_trait]
impl Endpoint for Nobody {
    async fn call(&self, _: Request) -> Response {
        unreachable!("nobody holds this gateway")
    }
}

impl Sandbox {
    /// Call it in a paused runtime.
    pub fn new() -> Self {
        let clock = Clock::virtual_time(Timestamp::from_second(1_790_000_000).unwrap());
        let (sender, bus) = tokio::sync::mpsc::unbounded_channel();
        let gateway: Weak<dyn Endpoint> = Weak::<Nobody>::new();
        Self { account: aws::ACCOUNT, rds: Rds::new(clock, None, gateway, sender, 7), clock, bus }
    }

    /// The same sandbox, called from the other account.
    pub fn as_production(&self) -> Self {
        let (_, bus) = tokio::sync::mpsc::unbounded_channel();
        Self { account: aws::PRODUCTION, rds: self.rds.clone(), clock: self.clock, bus }
    }

    /// A cluster `orders` of 16.14 with the writer `orders-1` and the reader `orders-2`, all
    /// available.
    pub async fn with_cluster() -> Self {
        let sandbox = Self::new();
        sandbox.create_cluster("orders", "16.14", &["orders-1", "orders-2"]).await;
        sandbox
    }

    pub async fn create_cluster(&self, cluster: &str, version: &str, instances: &[&str]) {
        let named = [("DBClusterIdentifier", cluster), ("Engine", "aurora-postgresql")];
        let own =
            [("EngineVersion", version), ("MasterUsername", "root"), ("MasterUserPassword", "long-enough")];
        self.ok(
            "CreateDBCluster",
            &[named, [own[0], own[1]], [own[2], ("DeletionProtection", "false")]].concat(),
        )
        .await;
        for instance in instances {
            self.ok(
                "CreateDBInstance",
                &[&named[..], &[("DBInstanceIdentifier", *instance), ("DBInstanceClass", "db.r6g.large")]]
                    .concat(),
            )
            .await;
        }
        self.pass(240).await;
        assert_eq!(self.cluster(cluster).await.text("Status"), "available");
    }

    pub async fn pass(&self, seconds: u64) {
        self.clock.sleep(Duration::from_secs(seconds)).await;
    }

    pub async fn call(&self, action: &str, form: &[(&str, &str)]) -> (u16, Xml) {
        let mut body = url::form_urlencoded::Serializer::new(String::new());
        body.append_pair("Action", action).append_pair("Version", "2014-10-31").extend_pairs(form);
        let mut request = Request::new(body.finish().into());
        request
            .extensions_mut()
            .insert(Caller { account: self.account.into(), ..Caller::home("owner", "rds") });
        let response = self.rds.call(request).await;
        (response.status().as_u16(), Xml(String::from_utf8(response.body().to_vec()).unwrap()))
    }

    pub async fn ok(&self, action: &str, form: &[(&str, &str)]) -> Xml {
        let (status, xml) = self.call(action, form).await;
        assert_eq!(status, 200, "{action}: {xml:?}");
        xml
    }

    /// The error's code and message.
    pub async fn refused(&self, action: &str, form: &[(&str, &str)]) -> (String, String) {
        let (status, xml) = self.call(action, form).await;
        assert_ne!(status, 200, "{action}: {xml:?}");
        (xml.text("Code").to_owned(), xml.text("Message").to_owned())
    }

    pub async fn cluster(&self, id: &str) -> Xml {
        self.ok("DescribeDBClusters", &[("DBClusterIdentifier", id)]).await
    }

    pub async fn instance(&self, id: &str) -> Xml {
        self.ok("DescribeDBInstances", &[("DBInstanceIdentifier", id)]).await
    }

    pub async fn create_group(&self, kind: &str, name: &str, family: &str) {
        let member = format!("{kind}Name");
        let form = [(&*member, name), ("DBParameterGroupFamily", family), ("Description", "of a test")];
        self.ok(&format!("Create{kind}"), &form).await;
    }

    pub async fn set(&self, kind: &str, group: &str, name: &str, value: &str, method: &str) {
        self.ok(
            &format!("Modify{kind}"),
            &[
                (&*format!("{kind}Name"), group),
                ("Parameters.Parameter.1.ParameterName", name),
                ("Parameters.Parameter.1.ParameterValue", value),
                ("Parameters.Parameter.1.ApplyMethod", method),
            ],
        )
        .await;
    }
}
