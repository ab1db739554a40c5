//! RDS's blue/green deployments in the local AWS, by the plain SDK: what each call takes, refuses
//! and does over time.

mod creation;
mod rights;
mod servers;
mod switchover;

use std::{collections::BTreeSet, time::Duration};

use aws_sdk_rds::{
    Client,
    error::{ProvideErrorMetadata, SdkError},
    operation::create_blue_green_deployment::builders::CreateBlueGreenDeploymentFluentBuilder,
    types::{ApplyMethod, BlueGreenDeployment, DbCluster, Parameter, SourceType, Tag},
};
use local_aws::{
    http::{Caller, Request, Session},
    iam::{Role, policy::Policy},
};
use runbook::postgres::Login;
use sandbox::{
    Options, Sandbox,
    aws::{ACCOUNT, arn},
    load::Load,
    orders,
    rds::{Behaviour, blue_green, engine::UpgradeFailure},
    worlds::shop::load_shop,
};
use serde_json::{Value, json};
use tokio_postgres::error::SqlState;

const BLUE: &str = "shop";
const WRITER: &str = "shop-1";
const READER: &str = "shop-2";
/// Groups of the new family.
const GROUP_18: &str = "shop-18";
const TO_18: &str = "18.4";

/// A cluster that a deployment can be made of, and what its calls are made with.
struct World {
    sandbox: Sandbox,
    rds: Client,
}

fn code<T, E: ProvideErrorMetadata, R>(answer: Result<T, SdkError<E, R>>) -> String {
    let error = answer.err().expect("it is refused");
    error.code().unwrap_or_default().to_owned()
}

impl World {
    async fn new() -> Self {
        Self::in_sandbox(Options::model(7)).await
    }

    async fn in_sandbox(options: Options) -> Self {
        Self::with(options, &[("rds.logical_replication", "1")]).await
    }

    async fn with(options: Options, parameters: &[(&str, &str)]) -> Self {
        let sandbox = Sandbox::start(options).await.expect("the sandbox starts");
        let rds = sandbox.rds_client();
        let world = Self { sandbox, rds };
        world.cluster_group("shop-16", "aurora-postgresql16", parameters).await;
        world.cluster_group(GROUP_18, "aurora-postgresql18", parameters).await;
        let group = world.rds.create_db_parameter_group().db_parameter_group_name(GROUP_18);
        let group = group.db_parameter_group_family("aurora-postgresql18").description("of a test");
        group.send().await.unwrap();
        world.cluster(BLUE, "16.14", "shop-16").await;
        world.instance(BLUE, WRITER).await;
        world.instance(BLUE, READER).await;
        world
    }

    async fn cluster_group(&self, name: &str, family: &str, values: &[(&str, &str)]) {
        let group = self.rds.create_db_cluster_parameter_group().db_cluster_parameter_group_name(name);
        group.db_parameter_group_family(family).description("of a test").send().await.unwrap();
        self.set(name, values).await;
    }

    async fn set(&self, group: &str, values: &[(&str, &str)]) {
        let parameters = values.iter().map(|(name, value)| {
            let parameter = Parameter::builder().parameter_name(*name).parameter_value(*value);
            parameter.apply_method(ApplyMethod::PendingReboot).build()
        });
        let modify = self.rds.modify_db_cluster_parameter_group().db_cluster_parameter_group_name(group);
        modify.set_parameters(Some(parameters.collect())).send().await.unwrap();
    }

    async fn cluster(&self, name: &str, version: &str, group: &str) {
        let create = self.rds.create_db_cluster().db_cluster_identifier(name).engine("aurora-postgresql");
        let create = create.engine_version(version).db_cluster_parameter_group_name(group);
        let create = create.master_username("root").master_user_password("long-enough");
        create.tags(tag("team", "shop")).database_name("shop").send().await.unwrap();
        self.pass(90).await;
    }

    async fn instance(&self, cluster: &str, name: &str) {
        let create = self.rds.create_db_instance().db_instance_identifier(name);
        let create = create.db_cluster_identifier(cluster).engine("aurora-postgresql");
        create.db_instance_class("db.r6g.large").send().await.unwrap();
        self.pass(150).await;
    }

    async fn pass(&self, seconds: u64) {
        self.sandbox.clock.sleep(Duration::from_secs(seconds)).await;
    }

    fn behave(&self, change: impl FnOnce(&mut blue_green::Behaviour)) {
        self.sandbox.rds.behave(|behaviour: &mut Behaviour| change(&mut behaviour.blue_green));
    }

    fn create(&self, name: &str) -> CreateBlueGreenDeploymentFluentBuilder {
        let create = self.rds.create_blue_green_deployment().blue_green_deployment_name(name);
        let create = create.source(arn("rds", &format!("cluster:{BLUE}"))).target_engine_version(TO_18);
        let create = create.target_db_cluster_parameter_group_name(GROUP_18);
        create.target_db_parameter_group_name(GROUP_18).tags(tag("run", "one"))
    }

    /// A deployment that is whole, and its identifier.
    async fn created(&self, name: &str) -> String {
        let created = self.create(name).send().await.unwrap().blue_green_deployment.unwrap();
        let id = created.blue_green_deployment_identifier.unwrap();
        self.until(&id, "AVAILABLE").await;
        self.pass(90).await;
        id
    }

    async fn look(&self, id: &str) -> Option<BlueGreenDeployment> {
        let describe = self.rds.describe_blue_green_deployments().blue_green_deployment_identifier(id);
        match describe.send().await {
            Ok(found) => found.blue_green_deployments.unwrap_or_default().pop(),
            Err(error) => {
                assert_eq!(error.code(), Some("BlueGreenDeploymentNotFoundFault"));
                None
            }
        }
    }

    async fn status(&self, id: &str) -> String {
        self.look(id).await.and_then(|deployment| deployment.status).unwrap_or_default()
    }

    async fn until(&self, id: &str, status: &str) -> BlueGreenDeployment {
        for _ in 0..2000 {
            let deployment = self.look(id).await.expect("it is there");
            let shown = deployment.status().unwrap_or_default();
            if shown == status {
                return deployment;
            }
            assert_ne!(shown, "INVALID_CONFIGURATION", "{:?}", deployment.status_details());
            self.pass(5).await;
        }
        panic!("it never was {status}: {:?}", self.look(id).await);
    }

    async fn switch(&self, id: &str) {
        let switch = self.rds.switchover_blue_green_deployment().blue_green_deployment_identifier(id);
        switch.send().await.unwrap();
    }

    /// A switchover that the guardrails refuse for such a reason.
    async fn canceled(&self, id: &str, why: &str) {
        self.switch(id).await;
        let canceled = async || {
            let events = self.events(id).await;
            events.iter().any(|event| event.starts_with("Switchover canceled"))
        };
        while !canceled().await {
            self.pass(5).await;
        }
        let events = self.events(id).await;
        assert!(events.iter().any(|event| event.contains(why)), "{events:?}");
        self.until(id, "AVAILABLE").await;
    }

    async fn shown(&self, name: &str) -> Option<DbCluster> {
        let found = self.rds.describe_db_clusters().db_cluster_identifier(name).send().await;
        found.ok().and_then(|found| found.db_clusters.unwrap_or_default().pop())
    }

    /// The names of all clusters and instances.
    async fn names(&self) -> BTreeSet<String> {
        let clusters = self.rds.describe_db_clusters().send().await.unwrap();
        let instances = self.rds.describe_db_instances().send().await.unwrap();
        let clusters = clusters.db_clusters().iter().filter_map(|one| one.db_cluster_identifier());
        let instances = instances.db_instances().iter().filter_map(|one| one.db_instance_identifier());
        clusters.chain(instances).map(str::to_owned).collect()
    }

    async fn events(&self, id: &str) -> Vec<String> {
        let events = self.rds.describe_events().source_type(SourceType::BlueGreenDeployment);
        let events = events.source_identifier(id).duration(600).send().await.unwrap();
        events.events().iter().filter_map(|event| event.message().map(str::to_owned)).collect()
    }

    /// What a deployment keeps from writing.
    fn read_only(&self) -> BTreeSet<String> {
        self.sandbox.rds.look(|world| {
            let held = world.clusters.values().filter(|cluster| cluster.read_only);
            held.map(|cluster| cluster.id.clone()).collect()
        })
    }
}

fn tag(key: &str, value: &str) -> Tag {
    Tag::builder().key(key).value(value).build()
}

fn tags(tags: &[Tag]) -> Vec<(&str, &str)> {
    tags.iter().map(|tag| (tag.key().unwrap_or_default(), tag.value().unwrap_or_default())).collect()
}

fn name(arn: Option<&str>) -> String {
    arn.unwrap_or_default().rsplit(':').next().unwrap_or_default().to_owned()
}

/// Each member's two names and status.
fn members(deployment: &BlueGreenDeployment) -> Vec<(String, String, String)> {
    let details = deployment.switchover_details().iter();
    details
        .map(|one| {
            let status = one.status().unwrap_or_default().to_owned();
            (name(one.source_member()), name(one.target_member()), status)
        })
        .collect()
}

fn tasks(deployment: &BlueGreenDeployment) -> Vec<(&str, &str)> {
    let tasks = deployment.tasks().iter();
    tasks.map(|task| (task.name().unwrap_or_default(), task.status().unwrap_or_default())).collect()
}
