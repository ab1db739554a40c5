//! The RDS Query API (2014-10-31) over an [`engine::Engine`].
//!
//! Each action looks at and changes the [`model::World`] under its lock and answers at once, as RDS
//! does; what takes time goes on in a background transition that moves statuses over the sandbox's
//! clock. Without an engine (the model gear) only the clusters' contents are missing.
//!
//! Each account has a world of its own; a call looks at the one of its caller. What one account
//! lets another use, keys and shared snapshots, is looked up in the owner's.

mod api;
mod authorization;
pub mod behaviour;
pub mod blue_green;
mod clusters;
mod create_cluster;
mod dns;
mod endpoints;
pub mod engine;
mod error;
mod events;
pub mod exports;
mod families;
mod formulas;
mod instances;
mod keys;
mod logs;
mod maintenance;
pub mod model;
mod modify_cluster;
mod modify_instance;
mod names;
pub mod network;
mod paging;
mod parameter_groups;
mod parameters;
mod power;
mod proxies;
mod query;
#[cfg(test)]
mod refusals;
mod restore;
mod roles;
mod scaling;
mod secret;
mod settings;
mod sharing;
mod snapshots;
mod subnet_groups;
mod tags;
#[cfg(test)]
pub(crate) mod testing;
mod ties;
mod upgrade;
mod upgrade_checks;
mod versions;
mod volumes;
mod windows;
mod xml;

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};

use async_trait::async_trait;
use clock::Clock;
use serde_json::Value;

pub use behaviour::{Behaviour, EventDelivery};
use engine::Engine;
use error::Fault;
use keys::Keys;
use model::World;
use network::Network;
use query::Input;
pub use ties::Tie;
use volumes::Volumes;

use crate::aws;
use crate::http::{Caller, Endpoint, EventSender, Request, Response, respond};

/// What an action answers: the members of its result, by the names of the model.
type Answer = Result<Value, Fault>;

/// The service as one account sees it. Clones share everything.
#[derive(Clone)]
pub struct Rds {
    account: &'static str,
    clock: Clock,
    engine: Option<Arc<dyn Engine>>,
    gateway: Weak<dyn Endpoint>,
    bus: EventSender,
    shared: Arc<Shared>,
}

/// Who holds one world does not ask for the other.
struct Shared {
    worlds: BTreeMap<&'static str, Mutex<World>>,
    behaviour: Mutex<Behaviour>,
    keys: Mutex<Keys>,
    volumes: Mutex<Volumes>,
    network: Mutex<Network>,
}

impl Rds {
    /// Without an engine upgrades and everything else take a modelled time and leave nothing
    /// behind. The same seed gives the same ids.
    pub fn new(
        clock: Clock,
        engine: Option<Arc<dyn Engine>>,
        gateway: Weak<dyn Endpoint>,
        events: EventSender,
        seed: u64,
    ) -> Arc<Self> {
        let majors = engine.as_ref().map(|engine| engine.majors());
        let worlds = aws::ACCOUNTS.into_iter().zip(seed..).map(|(account, seed)| {
            let mut world = World::new(account, seed);
            world.majors.clone_from(&majors);
            (account, Mutex::new(world))
        });
        let shared = Shared {
            worlds: worlds.collect(),
            behaviour: Mutex::default(),
            keys: Mutex::default(),
            volumes: Mutex::default(),
            network: Mutex::default(),
        };
        Arc::new(Self {
            account: aws::ACCOUNT,
            clock,
            engine,
            gateway,
            bus: events,
            shared: Arc::new(shared),
        })
    }

    /// The service as the account sees it; none for an account that the sandbox has not.
    pub fn in_account(&self, account: &str) -> Option<Self> {
        let account = aws::ACCOUNTS.into_iter().find(|known| *known == account)?;
        Some(Self { account, ..self.clone() })
    }

    /// Changes how the service behaves from now on; transitions under way keep what they have read.
    /// Every account has been granted so many times the quotas that it began with.
    pub fn raise_quotas(&self, times: usize) {
        self.shared.worlds.values().for_each(|world| world.lock().quotas = times);
    }

    pub fn behave(&self, change: impl FnOnce(&mut Behaviour)) {
        change(&mut self.shared.behaviour.lock());
    }

    fn behaviour(&self) -> Behaviour {
        self.shared.behaviour.lock().clone()
    }

    /// What stands in the account now, for tests: read as it is, and not as a call shows it.
    pub fn look<T>(&self, read: impl FnOnce(&World) -> T) -> T {
        read(&self.world())
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.shared.worlds[self.account].lock()
    }

    /// Starts what goes on after the answer.
    fn background<F: Future<Output = ()> + Send + 'static>(&self, transition: impl FnOnce(Arc<Self>) -> F) {
        tokio::spawn(transition(Arc::new(self.clone())));
    }

    async fn pause(&self, duration: Duration) {
        self.clock.sleep(duration).await;
    }

    async fn act(&self, action: &str, input: &Input) -> Answer {
        match action {
            "CreateDBCluster" => self.create_db_cluster(input).await,
            "DescribeDBClusters" => self.describe_db_clusters(input),
            "ModifyDBCluster" => self.modify_db_cluster(input).await,
            "DeleteDBCluster" => self.delete_db_cluster(input),
            "StartDBCluster" => self.start_db_cluster(input),
            "StopDBCluster" => self.stop_db_cluster(input),
            "FailoverDBCluster" => self.failover_db_cluster(input),
            "CreateDBInstance" => self.create_db_instance(input),
            "DescribeDBInstances" => self.describe_db_instances(input),
            "ModifyDBInstance" => self.modify_db_instance(input),
            "DeleteDBInstance" => self.delete_db_instance(input),
            "RebootDBInstance" => self.reboot_db_instance(input),
            "CreateDBClusterSnapshot" => self.create_db_cluster_snapshot(input),
            "CopyDBClusterSnapshot" => self.copy_db_cluster_snapshot(input),
            "DescribeDBClusterSnapshots" => self.describe_db_cluster_snapshots(input),
            "DeleteDBClusterSnapshot" => self.delete_db_cluster_snapshot(input),
            "DescribeDBClusterSnapshotAttributes" => self.describe_db_cluster_snapshot_attributes(input),
            "ModifyDBClusterSnapshotAttribute" => self.modify_db_cluster_snapshot_attribute(input),
            "StartExportTask" => self.start_export_task(input).await,
            "DescribeExportTasks" => self.describe_export_tasks(input),
            "CancelExportTask" => self.cancel_export_task(input),
            "RestoreDBClusterFromSnapshot" => self.restore_db_cluster_from_snapshot(input),
            "RestoreDBClusterToPointInTime" => self.restore_db_cluster_to_point_in_time(input),
            "CreateDBClusterParameterGroup" | "CreateDBParameterGroup" => {
                self.create_parameter_group(action, input)
            }
            "CopyDBClusterParameterGroup" | "CopyDBParameterGroup" => {
                self.copy_parameter_group(action, input)
            }
            "DescribeDBClusterParameterGroups" | "DescribeDBParameterGroups" => {
                self.describe_parameter_groups(action, input)
            }
            "DeleteDBClusterParameterGroup" | "DeleteDBParameterGroup" => {
                self.delete_parameter_group(action, input)
            }
            "ModifyDBClusterParameterGroup" | "ModifyDBParameterGroup" => {
                self.modify_parameter_group(action, input)
            }
            "ResetDBClusterParameterGroup" | "ResetDBParameterGroup" => {
                self.reset_parameter_group(action, input)
            }
            "DescribeDBClusterParameters" | "DescribeDBParameters" => self.describe_parameters(action, input),
            "DescribeEngineDefaultClusterParameters" | "DescribeEngineDefaultParameters" => {
                self.describe_engine_defaults(action, input)
            }
            "DescribeGlobalClusters" => self.describe_global_clusters(input),
            "CreateBlueGreenDeployment" => self.create_blue_green_deployment(input),
            "DescribeBlueGreenDeployments" => self.describe_blue_green_deployments(input),
            "SwitchoverBlueGreenDeployment" => self.switchover_blue_green_deployment(input),
            "DeleteBlueGreenDeployment" => self.delete_blue_green_deployment(input),
            "PromoteReadReplicaDBCluster" => self.promote_read_replica_db_cluster(input),
            "AddRoleToDBCluster" => self.add_role_to_db_cluster(input),
            "RemoveRoleFromDBCluster" => self.remove_role_from_db_cluster(input),
            "CreateDBClusterEndpoint" => self.create_db_cluster_endpoint(input),
            "DescribeDBClusterEndpoints" => self.describe_db_cluster_endpoints(input),
            "DescribeDBProxies" => self.describe_db_proxies(input),
            "DescribeDBProxyTargets" => self.describe_db_proxy_targets(input),
            "DescribeAccountAttributes" => Ok(self.describe_account_attributes()),
            "DescribeIntegrations" => self.describe_integrations(input),
            "CreateDBSubnetGroup" => self.create_db_subnet_group(input),
            "DescribeDBSubnetGroups" => self.describe_db_subnet_groups(input),
            "DescribeDBEngineVersions" => self.describe_db_engine_versions(input),
            "DescribeDBMajorEngineVersions" => self.describe_db_major_engine_versions(input),
            "DescribeOrderableDBInstanceOptions" => self.describe_orderable_db_instance_options(input),
            "DescribePendingMaintenanceActions" => self.describe_pending_maintenance_actions(input),
            "ApplyPendingMaintenanceAction" => self.apply_pending_maintenance_action(input),
            "DescribeEvents" => self.describe_events(input),
            "DescribeDBLogFiles" => self.describe_db_log_files(input),
            "DownloadDBLogFilePortion" => self.download_db_log_file_portion(input),
            "AddTagsToResource" => self.add_tags_to_resource(input),
            "RemoveTagsFromResource" => self.remove_tags_from_resource(input),
            "ListTagsForResource" => self.list_tags_for_resource(input),
            _ => Err(Fault::new("InvalidAction", format!("Could not find operation {action}"))),
        }
    }
}

/// An endpoint is one Region's
/// (https://docs.aws.amazon.com/general/latest/gr/rds-service.html): what is signed for another is
/// refused, and finds nothing of this one.
fn other_region(region: &str) -> Option<Fault> {
    (region != aws::REGION).then(|| {
        let message = format!("Credential should be scoped to a valid region, not '{region}'. ");
        Fault::new("SignatureDoesNotMatch", message)
    })
}

#[async_trait]
impl Endpoint for Rds {
    async fn call(&self, request: Request) -> Response {
        let caller = request.extensions().get::<Caller>();
        let account = caller.map_or(aws::ACCOUNT, |caller| caller.account.as_str());
        let Some(rds) = self.in_account(account) else {
            let fault = Fault::new("InternalFailure", format!("the sandbox has no account {account}"));
            return respond(fault.status(), "text/xml", xml::error(&fault, ""));
        };
        if let Some(fault) = caller.and_then(|caller| other_region(&caller.region)) {
            return respond(fault.status(), "text/xml", xml::error(&fault, ""));
        }
        let request_id = rds.world().random_uuid();
        let called = query::parse_form(request.body())
            .and_then(|(action, form)| Ok((Input::read(&action, &form)?, action)));
        let (status, body) = match called {
            Err(fault) => (fault.status(), xml::error(&fault, &request_id)),
            Ok((input, action)) => match rds.act(&action, &input).await {
                Ok(result) => (200, xml::answer(&action, &result, &request_id)),
                Err(fault) => {
                    let known = api::API.operations[&action].errors.iter().any(|code| code == fault.code);
                    debug_assert!(
                        known || error::COMMON.contains(&fault.code) || fault.code == error::UNMODELLED,
                        "botocore rds 2014-10-31: {action} has no {}",
                        fault.code
                    );
                    (fault.status(), xml::error(&fault, &request_id))
                }
            },
        };
        respond(status, "text/xml", body)
    }
}
