mod left_out;
mod refused;
mod rights;

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};

use parquet::file::reader::{FileReader, SerializedFileReader};
use serde_json::{Value, json};

use super::*;
use crate::aws::{ACCOUNT, PRODUCTION, arn, arn_in};
use crate::faults::{Fault, Kind as Trouble};
use crate::gateway::Gateway;
use crate::http::{Caller, Endpoint, Request};
use crate::iam::policy::Policy;
use crate::iam::{self, Deployed, Iam, Principal, Role};
use crate::rds::behaviour::EventDelivery;
use crate::rds::testing::{Sandbox, Xml};
use crate::s3::S3;
use crate::secretsmanager::SecretsManager;

const ROLE: &str = "arn:aws:iam::444455556666:role/export";
const BUCKET: &str = "lake";

struct World {
    sandbox: Sandbox,
    s3: Arc<S3>,
    gateway: Arc<Gateway>,
}

/// What the guide's policy for the role says, without what is named.
fn rights(without: &str) -> Value {
    let actions =
        ["s3:GetBucketLocation", "s3:ListBucket", "s3:PutObject", "s3:GetObject", "s3:DeleteObject"];
    let actions: Vec<&str> = actions.into_iter().filter(|action| *action != without).collect();
    let mut rights = vec![json!({"Effect": "Allow", "Action": actions, "Resource": "*"})];
    if without != "kms" {
        let keys = ["kms:Decrypt", "kms:GenerateDataKey"];
        rights.push(json!({"Effect": "Allow", "Action": keys, "Resource": "*"}));
    }
    Value::Array(rights)
}

fn trust(service: &str) -> Value {
    json!([{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": service}}])
}

/// The cluster `orders` with the snapshot `nightly`, a bucket, a key, and the role that writes
/// there.
async fn world_with(policy: Value, trusted: &str, caller: Value) -> World {
    let mut sandbox = Sandbox::new();
    let gateway = Gateway::new(sandbox.clock);
    let weak: Weak<dyn Endpoint> = Arc::downgrade(&(gateway.clone() as Arc<dyn Endpoint>));
    sandbox.rds = crate::rds::Rds::new(sandbox.clock, None, weak, sandbox.rds.bus.clone(), 7);
    let s3 = S3::new(sandbox.clock);
    s3.create_bucket(BUCKET);
    let role = |arn: &str, trusted: &str, policy: &Value| Role {
        arn: arn.to_owned(),
        trust: Policy::parse(&trust(trusted)).unwrap(),
        policy: Policy::parse(policy).unwrap(),
    };
    let starter = "arn:aws:iam::444455556666:role/starter";
    let mut deployed = Deployed {
        roles: vec![role(ROLE, trusted, &policy), role(starter, "lambda.amazonaws.com", &caller)],
        ..Deployed::default()
    };
    let function = arn("lambda", "function:export-snapshot");
    let principal =
        Principal { role: starter.to_owned(), service: "lambda.amazonaws.com", source_arn: function };
    deployed.principals.insert("export-snapshot".to_owned(), principal);
    let secrets = SecretsManager::new(sandbox.clock);
    let seen = iam::World { rds: sandbox.rds.clone(), s3: s3.clone(), secrets, task_roles: BTreeMap::new() };
    gateway.enforce(Arc::new(Iam::new(seen, deployed)));
    let services: [(&'static str, Arc<dyn Endpoint>); 2] = [("rds", sandbox.rds.clone()), ("s3", s3.clone())];
    gateway.connect(services.into(), Box::new(|_| {}));
    sandbox.rds.plant_key(ACCOUNT, "alias/lake", &[]);
    sandbox.create_cluster("orders", "16.14", &["orders-1"]).await;
    let taken = [("DBClusterIdentifier", "orders"), ("DBClusterSnapshotIdentifier", "nightly")];
    sandbox.ok("CreateDBClusterSnapshot", &taken).await;
    sandbox.pass(150).await;
    World { sandbox, s3, gateway }
}

async fn world() -> World {
    world_with(rights(""), SERVICE, json!([])).await
}

/// A StartExportTask of `nightly`, with these parameters in the place of the usual ones.
fn form<'a>(changed: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let usual = [
        ("ExportTaskIdentifier", "export-1"),
        ("SourceArn", "arn:aws:rds:eu-west-1:444455556666:cluster-snapshot:nightly"),
        ("S3BucketName", BUCKET),
        ("IamRoleArn", ROLE),
        ("KmsKeyId", "alias/lake"),
    ];
    let is_changed = |name: &str| changed.iter().any(|(other, _)| *other == name);
    usual.into_iter().filter(|(name, _)| !is_changed(name)).chain(changed.iter().copied()).collect()
}

impl World {
    async fn start(&self, changed: &[(&str, &str)]) -> Xml {
        self.sandbox.ok("StartExportTask", &form(changed)).await
    }

    async fn task(&self, id: &str) -> Xml {
        self.sandbox.ok("DescribeExportTasks", &[("ExportTaskIdentifier", id)]).await
    }

    /// Starts an export and lets it end.
    async fn export(&self, changed: &[(&str, &str)]) -> Xml {
        self.start(changed).await;
        self.sandbox.pass(800).await;
        self.task("export-1").await
    }

    fn json(&self, key: &str) -> Value {
        serde_json::from_slice(&self.s3.get(BUCKET, key).unwrap_or_else(|| panic!("{key}"))).unwrap()
    }

    /// The keys below the task's folder; what is random in a name is left out.
    fn files(&self, below: &str) -> Vec<String> {
        let plain = |key: String| match key.split_once("part-") {
            Some((folder, name)) => format!("{folder}part-{}…{}", &name[..5], &name[43..]),
            None => key,
        };
        self.s3.list(BUCKET, below).into_iter().map(plain).collect()
    }

    fn rows(&self, below: &str) -> i64 {
        let files = self.s3.list(BUCKET, below).into_iter().filter(|key| key.ends_with(".parquet"));
        files.map(|key| reader(&self.s3, &key).metadata().file_metadata().num_rows()).sum()
    }

    fn events(&mut self) -> Vec<Value> {
        let mut events = Vec::new();
        while let Ok(event) = self.sandbox.bus.try_recv() {
            events.push(event);
        }
        events
    }

    fn behave(&self, change: impl FnOnce(&mut Exports)) {
        self.sandbox.rds.behave(|behaviour| change(&mut behaviour.exports));
    }
}

fn reader(s3: &S3, key: &str) -> SerializedFileReader<bytes::Bytes> {
    SerializedFileReader::new(s3.get(BUCKET, key).unwrap()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_task_writes_files_tells_of_them_and_shows_how_far_it_is() {
    let mut world = world().await;
    let started = world.start(&[("S3Prefix", "exports/or ders")]).await;
    assert_eq!((started.text("Status"), started.text("PercentProgress")), ("STARTING", "0"));
    assert_eq!((started.text("SourceType"), started.all("TaskStartTime").len()), ("SNAPSHOT", 0));
    world.sandbox.pass(100).await;
    assert_eq!(world.task("export-1").await.text("Status"), "STARTING");
    world.sandbox.pass(400).await;
    let middle = world.task("export-1").await;
    assert_eq!(middle.text("Status"), "IN_PROGRESS");
    let percent: usize = middle.text("PercentProgress").parse().unwrap();
    assert!((1..100).contains(&percent), "{percent}");
    world.sandbox.pass(300).await;
    let ended = world.task("export-1").await;
    assert_eq!((ended.text("Status"), ended.text("PercentProgress")), ("COMPLETE", "100"));
    assert_eq!((ended.all("WarningMessage").len(), ended.all("FailureCause").len()), (0, 0));
    assert!(ended.text("TaskStartTime") < ended.text("TaskEndTime"));
    assert!(ended.text("KmsKeyId").starts_with("arn:aws:kms:eu-west-1:444455556666:key/"));

    let folder = "exports/or_ders/export-1";
    let files = world.files("");
    let expected = [
        "export_info_export-1.json",
        "export_tables_info_export-1_from_1_to_5.json",
        "shop/public.customers/1/_SUCCESS",
        "shop/public.customers/1/part-00000…c000.gz.parquet",
        "shop/public.events/1/_SUCCESS",
        "shop/public.events/1/part-00000…c000.gz.parquet",
        "shop/public.events/2/_SUCCESS",
        "shop/public.events/2/part-00000…c000.gz.parquet",
        "shop/public.events/3/_SUCCESS",
        "shop/public.events/3/part-00000…c000.gz.parquet",
        "shop/public.orders/1/_SUCCESS",
        "shop/public.orders/1/part-00000…c000.gz.parquet",
        "shop/public.refunds/1/_SUCCESS",
    ];
    assert_eq!(files, expected.map(|file| format!("{folder}/{file}")));
    assert_eq!(world.rows(&format!("{folder}/shop/public.orders/")), 120);
    assert_eq!(world.rows(&format!("{folder}/shop/public.events/")), 30);

    let info = world.json(&format!("{folder}/export_info_export-1.json"));
    assert_eq!((&info["status"], &info["percentProgress"]), (&json!("COMPLETE"), &json!(100)));
    assert_eq!(info["exportedFilesPath"], folder);
    let tables = world.json(&format!("{folder}/export_tables_info_export-1_from_1_to_5.json"));
    let entries = tables["perTableStatus"].as_array().unwrap();
    assert_eq!(entries[0], json!({"warningMessage": "The database has no tables.", "target": "postgres"}));
    let orders = entries.iter().find(|entry| entry["target"] == "shop.public.orders").unwrap();
    assert_eq!(orders["status"], "COMPLETE");
    assert_eq!(orders["tableStatistics"]["partitioningInfo"]["numberOfPartitions"], 1);
    let mappings = orders["schemaMetadata"]["originalTypeMappings"].as_array().unwrap();
    let mapped: Vec<_> = mappings.iter().map(|one| one["expectedExportedType"].as_str().unwrap()).collect();
    assert_eq!(mapped, ["int64", "binary (UTF8)", "binary (UTF8)", "boolean", "binary (UTF8)"]);

    let events = world.events();
    let told = |id: &str| events.iter().find(|event| event["detail"]["EventID"] == id);
    let event = told("RDS-EVENT-0164").expect("that the export is complete is told");
    assert_eq!(event["detail-type"], "RDS DB Cluster Snapshot Event");
    assert_eq!(event["detail"]["SourceIdentifier"], "nightly");
    assert_eq!(event["detail"]["Message"], "The cluster snapshot export task completed.");
    let filter = [("Filters.Filter.1.Name", "status"), ("Filters.Filter.1.Values.Value.1", "complete")];
    assert_eq!(world.sandbox.ok("DescribeExportTasks", &filter).await.all("Status"), ["COMPLETE"]);
    let none = world.sandbox.refused("DescribeExportTasks", &[("ExportTaskIdentifier", "none")]).await;
    assert_eq!(none.0, "ExportTaskNotFound");
}

#[tokio::test(start_paused = true)]
async fn a_file_holds_the_rows_their_types_and_what_is_null() {
    let world = world().await;
    world.behave(|exports| {
        let kinds = ["integer", "smallint", "real", "double precision", "bytea", "boolean", "numeric", "oid"];
        let columns = kinds.map(|kind| (kind.replace(' ', "_"), kind.to_owned()));
        let table = ModelTable { columns: columns.into(), ..ModelTable::new("shop.public.kinds", 10) };
        exports.tables = vec![table];
        exports.rows_a_part = 4;
    });
    world.export(&[]).await;
    let keys = world.s3.list(BUCKET, "export-1/shop/public.kinds/1/part-");
    assert_eq!(keys.len(), 3);
    let reader = reader(&world.s3, &keys[1]);
    let schema = reader.metadata().file_metadata().schema_descr();
    let columns: Vec<String> = schema
        .columns()
        .iter()
        .map(|column| format!("{} {} {:?}", column.name(), column.physical_type(), column.logical_type_ref()))
        .collect();
    let integer = "Some(Integer(IntType { bit_width: 16, is_signed: true }))";
    // The object identifier has no type there.
    assert_eq!(
        columns,
        [
            "integer INT32 None",
            &format!("smallint INT32 {integer}"),
            "real FLOAT None",
            "double_precision DOUBLE None",
            "bytea BYTE_ARRAY None",
            "boolean BOOLEAN None",
            "numeric BYTE_ARRAY Some(String)",
        ]
    );
    let rows: Vec<String> = reader.get_row_iter(None).unwrap().map(|row| row.unwrap().to_string()).collect();
    let fifth = "{integer: 5, smallint: 5, real: null, double_precision: 5.5, bytea: [0, 0, 0, 5], \
        boolean: false, numeric: \"5.25\"}";
    assert_eq!((rows.len(), rows[1].as_str()), (4, fifth));
}

#[tokio::test(start_paused = true)]
async fn a_canceled_task_stops_and_leaves_what_it_has_written() {
    let mut world = world().await;
    world.start(&[]).await;
    world.sandbox.pass(450).await;
    let id = [("ExportTaskIdentifier", "export-1")];
    assert_eq!(world.sandbox.ok("CancelExportTask", &id).await.text("Status"), "CANCELING");
    world.sandbox.pass(200).await;
    assert_eq!(world.task("export-1").await.text("Status"), "CANCELED");
    let left = world.files("");
    assert!(!left.is_empty() && !left.iter().any(|file| file.contains("export_info")), "{left:?}");
    assert_eq!(world.sandbox.refused("CancelExportTask", &id).await.0, "InvalidExportTaskStateFault");
    assert!(world.events().iter().any(|event| event["detail"]["EventID"] == "RDS-EVENT-0163"));
}

#[tokio::test(start_paused = true)]
async fn a_task_fails_in_the_middle_and_its_events_may_be_missing() {
    let mut world = world().await;
    world.events();
    world.sandbox.rds.behave(|behaviour| behaviour.events = EventDelivery::Missing);
    world.behave(|exports| exports.fail_next = Some("An unknown internal error occurred.".to_owned()));
    assert_eq!(world.export(&[]).await.text("Status"), "FAILED");
    assert!(world.events().is_empty());
    // The same name is not free again.
    assert_eq!(world.sandbox.refused("StartExportTask", &form(&[])).await.0, "ExportTaskAlreadyExists");
    world.start(&[("ExportTaskIdentifier", "export-2")]).await;
    world.sandbox.pass(800).await;
    assert_eq!(world.task("export-2").await.text("Status"), "COMPLETE");
}

#[tokio::test(start_paused = true)]
async fn an_automated_snapshot_is_told_on_the_default_bus() {
    let mut world = world().await;
    world.events();
    let name = world.sandbox.rds.take_automated_snapshot("orders").unwrap();
    world.sandbox.pass(150).await;
    let events = world.events();
    let told: Vec<_> = events.iter().map(|event| event["detail"]["EventID"].as_str().unwrap()).collect();
    assert_eq!(told, ["RDS-EVENT-0168", "RDS-EVENT-0169"]);
    let created = &events[1];
    assert_eq!((&created["source"], &created["account"]), (&json!("aws.rds"), &json!(ACCOUNT)));
    assert_eq!(created["detail-type"], "RDS DB Cluster Snapshot Event");
    assert_eq!(created["detail"]["SourceType"], "CLUSTER_SNAPSHOT");
    assert_eq!(created["detail"]["EventCategories"], json!(["backup"]));
    assert_eq!(created["detail"]["SourceIdentifier"], name);
    let source = arn("rds", &format!("cluster-snapshot:{name}"));
    assert_eq!(created["resources"], json!([source]));
    assert!(world.start(&[("SourceArn", &source)]).await.text("Status") == "STARTING");
}

#[tokio::test(start_paused = true)]
async fn an_event_comes_late_and_a_throttled_call_of_s3_is_tried_again() {
    let mut world = world().await;
    world.events();
    world.sandbox.rds.behave(|behaviour| behaviour.events = EventDelivery::Late);
    world.gateway.lay(Fault::once(Trouble::Throttle, "s3", "PutObject"));
    assert_eq!(world.export(&[]).await.text("Status"), "COMPLETE");
    assert!(world.gateway.unfired().is_empty());
    assert!(world.events().is_empty());
    world.sandbox.pass(300).await;
    let events = world.events();
    assert!(events.iter().any(|event| event["detail"]["EventID"] == "RDS-EVENT-0164"), "{events:?}");
}
