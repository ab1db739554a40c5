//! New clusters: what a request must say, and what is made of it. Both restores begin here too.

use serde_json::json;

use super::engine::NewCluster;
use super::error::Fault;
use super::keys::default_key;
use super::model::{Cluster, ClusterPending, ENGINE, World, identifier};
use super::network::{free_port, port_of};
use super::parameter_groups::{Kind, default_name};
use super::query::Input;
use super::scaling::Scaling;
use super::settings::{checked_password, lifecycle_support, no_backtrack, storage_type};
use super::{Answer, Rds, families, names, parameters, subnet_groups, tags, versions, windows};

/// https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/CHAP_Limits.html
pub const MOST_CLUSTERS: usize = 40;

/// Of Aurora PostgreSQL (botocore rds 2014-10-31, CreateDBCluster).
const DEFAULT_PORT: u16 = 5432;

/// The VPC's own.
pub const DEFAULT_SECURITY_GROUP: &str = "sg-00000000000000000";

/// "Valid for: Multi-AZ DB clusters only" (botocore rds 2014-10-31, RestoreDBClusterToPointInTime,
/// and in nearly these words CreateDBCluster), whatever its value; the text is from
/// aws-samples/aws-refarch-moodle#65. Of Aurora the instances say it.
pub(super) fn not_of_aurora(input: &Input) -> Result<(), Fault> {
    if !input.has("PubliclyAccessible") {
        return Ok(());
    }
    Err(Fault::combination(format!("PubliclyAccessible isn't supported for DB engine {ENGINE}.")))
}

impl Rds {
    pub(super) async fn create_db_cluster(&self, input: &Input) -> Answer {
        if input.required("Engine")? != ENGINE {
            return Err(Fault::value(format!("Invalid DB engine: {}", input.required("Engine")?)));
        }
        // Of the two modes Serverless v1 has come to its end
        // (https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/aurora-serverless.html).
        if let Some(mode) = input.text("EngineMode").filter(|mode| *mode != "provisioned") {
            let message = format!("The engine mode {mode} you requested is currently unavailable.");
            return Err(Fault::value(message));
        }
        if let Some(global) = input.text("GlobalClusterIdentifier") {
            let message = format!("Global cluster {global} not found");
            return Err(Fault::new("GlobalClusterNotFoundFault", message));
        }
        not_of_aurora(input)?;
        let version = self.world().resolve(input.text("EngineVersion"))?;
        let username = names::master_username(input.required("MasterUsername")?)?.to_owned();
        let database_name = input.text("DatabaseName").map(names::database_name).transpose()?;
        let managed = input.flag("ManageMasterUserPassword") == Some(true);
        if managed && input.has("MasterUserPassword") {
            return Err(Fault::combination(
                "You can't specify MasterUserPassword when ManageMasterUserPassword is enabled.",
            ));
        }
        let password = match managed {
            true => self.world().random_id("")[..20].to_owned(),
            false => checked_password(input.required("MasterUserPassword")?)?.to_owned(),
        };
        let resource_id = {
            let mut world = self.world();
            let mut cluster = self.new_cluster(&mut world, input, &version, DEFAULT_PORT)?;
            cluster.master_username = username.clone();
            cluster.database_name = database_name.map(str::to_owned);
            cluster.applied = parameters::server_parameters(&world.group(Kind::CLUSTER, &cluster.group));
            let resource_id = cluster.resource_id.clone();
            world.clusters.insert(resource_id.clone(), cluster);
            resource_id
        };
        if managed {
            self.create_secret(&resource_id, &username, &password, input.text("MasterUserSecretKmsKeyId"))
                .await;
        }
        let created = resource_id.clone();
        self.background(|rds| async move { rds.bring_up(&created, &password).await });
        let world = self.world();
        Ok(json!({"DBCluster": self.described_cluster(&world, &world.clusters[&resource_id])}))
    }

    async fn bring_up(&self, resource_id: &str, password: &str) {
        let Some(cluster) = self.world().clusters.get(resource_id).cloned() else { return };
        let created = async {
            let Some(engine) = &self.engine else { return Ok(()) };
            let new = NewCluster {
                resource_id,
                engine_version: &cluster.engine_version,
                master_username: &cluster.master_username,
                master_password: password,
                database_name: cluster.database_name.as_deref(),
                port: cluster.server_port,
                parameters: &cluster.applied,
            };
            engine.create(new).await
        };
        let (_, created) = tokio::join!(self.pause(self.behaviour().create_cluster), created);
        self.finish_creation(resource_id, created, true);
    }

    /// The cluster is there, or could not be made.
    pub(super) fn finish_creation(&self, resource_id: &str, created: anyhow::Result<()>, running: bool) {
        let mut world = self.world();
        let Some(cluster) = world.clusters.get_mut(resource_id) else { return };
        if let Err(error) = created {
            tracing::error!(
                cluster = cluster.id,
                error = format!("{error:#}"),
                "create the cluster's server"
            );
            cluster.status = "failed";
            return;
        }
        cluster.status = "available";
        cluster.running = running;
        if let Some(secret) = &mut cluster.secret {
            secret.status = "active";
        }
        let cluster = cluster.clone();
        self.event(&mut world, &cluster, "0170", "DB cluster created");
    }

    /// What create and both restores have in common: names, groups, windows, the port.
    pub(super) fn new_cluster(
        &self,
        world: &mut World,
        input: &Input,
        version: &str,
        port: u16,
    ) -> Result<Cluster, Fault> {
        let id = identifier("DBClusterIdentifier", input.required("DBClusterIdentifier")?, 63)?;
        if world
            .clusters
            .values()
            .any(|cluster| cluster.id == id || cluster.pending.identifier.as_ref() == Some(&id))
        {
            return Err(Fault::new("DBClusterAlreadyExistsFault", "DB Cluster already exists"));
        }
        if world.clusters.len() >= MOST_CLUSTERS * world.quotas {
            return Err(Fault::new(
                "DBClusterQuotaExceededFault",
                "The quota has been exceeded: DB clusters",
            ));
        }
        let family = families::family(versions::major(version));
        let group = match input.text("DBClusterParameterGroupName") {
            Some(name) => world.fitting_group(Kind::CLUSTER, name, &family)?.name,
            None => default_name(&family),
        };
        let subnet_group =
            world.subnet_group(input.text("DBSubnetGroupName").unwrap_or(subnet_groups::DEFAULT))?.name;
        let mut security_groups = input.texts("VpcSecurityGroupIds");
        if security_groups.is_empty() {
            // The VPC's default group: a restore carries none over (botocore rds 2014-10-31).
            security_groups.push(DEFAULT_SECURITY_GROUP.into());
        }
        let backup_retention = input.number("BackupRetentionPeriod").unwrap_or(1);
        if !(1..=35).contains(&backup_retention) {
            return Err(Fault::value(format!(
                "Invalid backup retention period: {backup_retention}. Retention period must be between 1 \
                and 35"
            )));
        }
        let key = input.text("KmsKeyId").map(|id| self.usable_key(id)).transpose()?;
        let encrypted = input.flag("StorageEncrypted").unwrap_or(false) || key.is_some();
        no_backtrack(input)?;
        let (tags, scaling) = (tags::read(input)?, Scaling::read(input, None)?);
        let (storage_type, lifecycle_support) = (storage_type(input)?, lifecycle_support(input)?);
        let (backup_window, maintenance_window) =
            windows::chosen(input.text("PreferredBackupWindow"), input.text("PreferredMaintenanceWindow"))?;
        let (address, port, listener) = self.door(port_of(input)?.unwrap_or(port))?;
        let cluster = Cluster {
            account: world.account,
            resource_id: world.random_id("cluster-"),
            id,
            status: "creating",
            percent_progress: None,
            engine_version: version.to_owned(),
            port,
            address,
            server_port: if listener.is_some() { free_port()?.0 } else { port },
            master_username: String::new(),
            database_name: None,
            secret: None,
            waiting_password: None,
            group,
            subnet_group,
            // "PubliclyAccessible" defaults to true where the default VPC has an internet gateway
            // and no subnet group is given (botocore rds 2014-10-31, CreateDBInstance).
            public_by_default: !input.has("DBSubnetGroupName"),
            security_groups,
            writer: None,
            pending: ClusterPending::default(),
            upgrade_accepted: false,
            applied: Default::default(),
            running: false,
            stops: 0,
            hidden: false,
            echo: None,
            created: self.clock.now(),
            backup_retention,
            backup_window,
            maintenance_window,
            deletion_protection: input.flag("DeletionProtection").unwrap_or(false),
            copy_tags: input.flag("CopyTagsToSnapshot").unwrap_or(false),
            storage_encrypted: encrypted,
            storage_type,
            lifecycle_support,
            performance_insights: input.flag("EnablePerformanceInsights").unwrap_or(false),
            kms_key: encrypted.then(|| key.unwrap_or_else(|| default_key(self.account))),
            iam_authentication: input.flag("EnableIAMDatabaseAuthentication").unwrap_or(false),
            log_exports: input.texts("EnableCloudwatchLogsExports"),
            scaling,
            ties: Default::default(),
            roles: Default::default(),
            read_only: false,
            switching: false,
            closed: false,
            clone_group: world.random_uuid(),
            tags,
        };
        if let Some(listener) = listener {
            self.open_door(&cluster, listener)
                .map_err(|error| Fault::new("InternalFailure", format!("open an endpoint: {error}")))?;
        }
        Ok(cluster)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use async_trait::async_trait;
    use serde_json::Value;

    use super::super::testing::Sandbox;
    use super::Rds;
    use crate::http::{Caller, Endpoint, Request, Response, respond};

    /// Stands where the gateway and Secrets Manager behind it do.
    #[derive(Default)]
    struct Secrets(Mutex<Vec<(String, Value)>>);

    #[async_trait]
    impl Endpoint for Secrets {
        async fn call(&self, request: Request) -> Response {
            assert_eq!(request.extensions().get::<Caller>().unwrap().service, "secretsmanager");
            let action = request.headers()["x-amz-target"].to_str().unwrap().to_owned();
            self.0.lock().unwrap().push((action, serde_json::from_slice(request.body()).unwrap()));
            respond(200, "application/x-amz-json-1.1", r#"{"ARN": "arn:of:the:secret"}"#)
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_managed_password_becomes_a_secret_of_rds_and_goes_with_the_cluster() {
        let secrets = Arc::new(Secrets::default());
        let mut sandbox = Sandbox::new();
        let gateway: Arc<dyn Endpoint> = secrets.clone();
        sandbox.rds = Rds::new(sandbox.clock, None, Arc::downgrade(&gateway), sandbox.rds.bus.clone(), 7);
        let orders = ("DBClusterIdentifier", "orders");
        let form = [
            orders,
            ("Engine", "aurora-postgresql"),
            ("MasterUsername", "root"),
            ("ManageMasterUserPassword", "true"),
        ];
        let secret = sandbox.ok("CreateDBCluster", &form).await.element("MasterUserSecret");
        assert_eq!(
            (secret.text("SecretArn"), secret.text("SecretStatus")),
            ("arn:of:the:secret", "creating")
        );
        sandbox.pass(90).await;
        let cluster = sandbox.cluster("orders").await;
        assert_eq!(cluster.element("MasterUserSecret").text("SecretStatus"), "active");
        sandbox.ok("DeleteDBCluster", &[orders, ("SkipFinalSnapshot", "true")]).await;
        sandbox.pass(90).await;
        let calls = secrets.0.lock().unwrap();
        assert_eq!(
            [&*calls[0].0, &*calls[1].0],
            ["secretsmanager.CreateSecret", "secretsmanager.DeleteSecret"]
        );
        assert_eq!(calls[0].1["Name"], format!("rds!{}", cluster.text("DbClusterResourceId")));
        assert!(
            calls[0].1["SecretString"].as_str().unwrap().starts_with(r#"{"username":"root","password":""#)
        );
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_cluster_cannot_be_made_of_is_refused() {
        let sandbox = Sandbox::new();
        let good = [
            ("DBClusterIdentifier", "orders"),
            ("Engine", "aurora-postgresql"),
            ("EngineVersion", "16.14"),
            ("MasterUsername", "root"),
            ("MasterUserPassword", "long-enough"),
        ];
        for (parameter, bad, code) in [
            ("DBClusterIdentifier", "or_ders", "InvalidParameterValue"),
            ("Engine", "aurora-mysql", "InvalidParameterValue"),
            ("EngineVersion", "16.99", "InvalidParameterCombination"),
            ("MasterUserPassword", "short", "InvalidParameterValue"),
            ("DBClusterParameterGroupName", "default.aurora-postgresql15", "InvalidParameterCombination"),
            ("DBClusterParameterGroupName", "none", "DBClusterParameterGroupNotFound"),
            ("DBSubnetGroupName", "none", "DBSubnetGroupNotFoundFault"),
            ("DBClusterIdentifier", "", "InvalidParameterValue"),
            ("Port", "1000", "InvalidParameterValue"),
            ("MasterUsername", "admin", "InvalidParameterValue"),
            ("MasterUsername", "a-b", "InvalidParameterValue"),
            ("DatabaseName", "a-b", "InvalidParameterValue"),
            ("PreferredBackupWindow", "3:00-3:30", "InvalidParameterValue"),
            ("PreferredMaintenanceWindow", "sun:03:00", "InvalidParameterValue"),
            ("StorageType", "gp3", "InvalidParameterValue"),
            ("EngineLifecycleSupport", "forever", "InvalidParameterValue"),
            ("EngineMode", "serverless", "InvalidParameterValue"),
            ("BacktrackWindow", "60", "InvalidParameterCombination"),
            ("GlobalClusterIdentifier", "world", "GlobalClusterNotFoundFault"),
            ("PubliclyAccessible", "false", "InvalidParameterCombination"),
            ("DBClusterName", "orders", "InvalidParameterValue"),
        ] {
            let form: Vec<_> =
                good.into_iter().filter(|(name, _)| *name != parameter).chain([(parameter, bad)]).collect();
            assert_eq!(sandbox.refused("CreateDBCluster", &form).await.0, code, "{parameter}={bad}");
        }
        sandbox.ok("CreateDBCluster", &good).await;
    }
}
