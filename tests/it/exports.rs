//! An export of a database by the local AWS, started by the AWS CLI and read by DuckDB.

use std::{path::Path, process::Stdio, time::Duration};

use sandbox::{
    Options, Sandbox,
    aws::{ACCOUNT, REGION, arn},
    executables::root,
    iam::{Role, policy::Policy},
};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::{clients, python::packages};

/// The reader that is nobody's here.
pub const DUCKDB: &str = "duckdb==2.0.1";
const BUCKET: &str = "lake";
const TASK: &str = "zoo-1";

/// The role that the guide has one make
/// (https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/aurora-export-snapshot.Setup.html).
fn role() -> Role {
    let bucket = format!("arn:aws:s3:::{BUCKET}");
    let objects = ["s3:PutObject*", "s3:GetObject*", "s3:DeleteObject*"];
    let policy = json!([
        {"Effect": "Allow", "Action": ["s3:ListBucket", "s3:GetBucketLocation"], "Resource": bucket},
        {"Effect": "Allow", "Action": objects, "Resource": format!("{bucket}/*")},
        {"Effect": "Allow", "Action": ["kms:Decrypt", "kms:GenerateDataKey"], "Resource": "*"},
    ]);
    let trust = json!([{"Effect": "Allow", "Action": "sts:AssumeRole",
        "Principal": {"Service": "export.rds.amazonaws.com"}}]);
    Role {
        arn: format!("arn:aws:iam::{ACCOUNT}:role/export"),
        trust: Policy::parse(&trust).unwrap(),
        policy: Policy::parse(&policy).unwrap(),
    }
}

/// `python3` with these packages and nothing of this machine's AWS settings.
pub async fn python(sandbox: &Sandbox, wanted: &[&str], arguments: &[&str]) -> Value {
    let output = command(sandbox, wanted, arguments).await;
    serde_json::from_slice(&output).unwrap_or_else(|error| panic!("{arguments:?}: {error}"))
}

/// The same; what it prints.
pub async fn command(sandbox: &Sandbox, wanted: &[&str], arguments: &[&str]) -> Vec<u8> {
    let mut python = Command::new("python3");
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("AWS_")) {
        python.env_remove(name);
    }
    python
        .args(arguments)
        .env("PYTHONPATH", packages(wanted, true).await)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("AWS_ENDPOINT_URL", &sandbox.url)
        .env("AWS_ACCESS_KEY_ID", "owner")
        .env("AWS_SECRET_ACCESS_KEY", "any")
        .env("AWS_DEFAULT_REGION", REGION)
        .env("AWS_CONFIG_FILE", "/dev/null")
        .env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let output = python.output().await.expect("Python 3.11 or newer is installed as python3");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}\n{said}");
    output.stdout
}

async fn cli(sandbox: &Sandbox, arguments: &[&str]) -> Value {
    let words = [&["-m", "awscli", "--output", "json", "rds"], arguments].concat();
    python(sandbox, &clients::PACKAGES, &words).await
}

/// A cluster `zoo` whose master has filled the database `zoo`, and its snapshot `nightly`.
async fn snapshot(sandbox: &Sandbox) {
    let rds = sandbox.rds_client();
    let create = rds.create_db_cluster().db_cluster_identifier("zoo").engine("aurora-postgresql");
    let create = create.engine_version("16.14").master_username("root").master_user_password("long-enough");
    let cluster = create.database_name("zoo").send().await.unwrap().db_cluster.unwrap();
    let create = rds.create_db_instance().db_instance_identifier("zoo-1").db_cluster_identifier("zoo");
    create.engine("aurora-postgresql").db_instance_class("db.r6g.large").send().await.unwrap();
    let available = async || {
        let instances = rds.describe_db_instances().db_instance_identifier("zoo-1").send().await.unwrap();
        instances.db_instances()[0].db_instance_status() == Some("available")
    };
    while !available().await {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let engine = sandbox.engine.as_ref().unwrap();
    let id = cluster.db_cluster_resource_id().unwrap();
    let client = engine.connect(id, "root", "zoo").await.unwrap();
    client.batch_execute(include_str!("../data/exports/zoo.sql")).await.unwrap();
    // A setting of the owner's changes no file.
    client.batch_execute("ALTER DATABASE zoo SET datestyle = 'German'").await.unwrap();
    rds.create_db_cluster_snapshot()
        .db_cluster_identifier("zoo")
        .db_cluster_snapshot_identifier("nightly")
        .send()
        .await
        .unwrap();
    let taken = async || {
        let snapshots = rds.describe_db_cluster_snapshots().send().await.unwrap();
        snapshots.db_cluster_snapshots()[0].status() == Some("available")
    };
    while !taken().await {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Starts the export with the AWS CLI and waits for its end.
async fn export(sandbox: &Sandbox) -> Value {
    let source = arn("rds", "cluster-snapshot:nightly");
    let role = role().arn;
    let start = ["start-export-task", "--export-task-identifier", TASK, "--source-arn", &source];
    let to = ["--s3-bucket-name", BUCKET, "--iam-role-arn", &role, "--kms-key-id", "alias/lake"];
    let started = cli(sandbox, &[&start[..], &to].concat()).await;
    assert_eq!(started["Status"], "STARTING");
    loop {
        let described = sandbox.rds_client().describe_export_tasks().send().await.unwrap();
        if ["COMPLETE", "FAILED"].contains(&described.export_tasks()[0].status().unwrap()) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let described = cli(sandbox, &["describe-export-tasks", "--export-task-identifier", TASK]).await;
    described["ExportTasks"][0].clone()
}

async fn read(sandbox: &Sandbox, folder: &Path) -> Value {
    sandbox.s3.dump(folder).unwrap();
    let script = root().join("tests/data/exports/read.py");
    let exported = folder.join(BUCKET).join(TASK);
    let arguments = [script.to_str().unwrap(), exported.to_str().unwrap()];
    python(sandbox, &[DUCKDB], &arguments).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn duckdb_finds_every_row_type_and_null_of_an_export_that_the_aws_cli_started() {
    let sandbox = Sandbox::start(Options { roles: vec![role()], ..Options::real() }).await.unwrap();
    sandbox.s3.create_bucket(BUCKET);
    sandbox.rds.plant_key(ACCOUNT, "alias/lake", &[]);
    sandbox.rds.behave(|behaviour| {
        let exports = &mut behaviour.exports;
        (exports.starting, exports.extracting) = (Duration::from_secs(60), Duration::from_secs(60));
        (exports.rows_a_part, exports.tables_a_file) = (10, 5);
    });
    snapshot(&sandbox).await;
    let ended = export(&sandbox).await;
    assert_eq!((&ended["Status"], &ended["PercentProgress"]), (&json!("COMPLETE"), &json!(100)), "{ended}");
    let warning: Value = serde_json::from_str(ended["WarningMessage"].as_str().unwrap()).unwrap();
    let skipped =
        |table: &str, reason: &str| json!({"tableName": format!("zoo.public.{table}"), "reason": reason});
    assert_eq!(
        warning["skippedTables"],
        json!([
            skipped("a/b", "UNSUPPORTED_TABLE_NAME"),
            skipped("closed", "PERMISSIONS_DO_NOT_EXIST"),
            skipped("odd_columns", "UNSUPPORTED_COLUMN_NAME"),
        ])
    );

    let folder = std::env::temp_dir().join(format!("aurora-runbooks-exports-{}", std::process::id()));
    let tables = read(&sandbox, &folder).await;
    std::fs::remove_dir_all(folder).unwrap();
    let names: Vec<&String> = tables.as_object().unwrap().keys().collect();
    let expected = [
        "zoo/crm.gaps",
        "zoo/public.empty",
        "zoo/public.events",
        "zoo/public.gaps",
        "zoo/public.kinds",
        "zoo/public.my_orders,_old",
        "zoo/public.no_key",
    ];
    assert_eq!(names, expected, "neither unlogged tables nor views nor what was skipped");
    for (name, table) in tables.as_object().unwrap() {
        let is_empty = name == "zoo/public.empty";
        assert_eq!(table["codecs"], if is_empty { json!([]) } else { json!(["GZIP"]) }, "{name}");
    }

    // Ranges of equal width over 1 to 100, of which two are empty.
    let gaps = &tables["zoo/public.gaps"];
    assert_eq!(gaps["parts"], json!(["1/00000", "1/00003"]));
    let ids = (1..=20).map(|id| json!([id, format!("note {id}")]));
    let rows: Vec<Value> = ids.chain((81..=100).map(|id| json!([id, null]))).collect();
    assert_eq!(gaps["rows"], json!(rows));
    let no_key = tables["zoo/public.no_key"]["rows"].as_array().unwrap();
    assert_eq!(no_key.len(), 100);
    assert!(tables["zoo/public.no_key"]["parts"].as_array().unwrap().len() > 1, "it has several pages");
    let events = &tables["zoo/public.events"];
    assert_eq!(events["parts"], json!(["1/00000", "2/00000"]), "a batch a partition, the third empty");
    assert_eq!(events["rows"].as_array().unwrap().len(), 12);
    assert_eq!(tables["zoo/public.my_orders,_old"]["rows"], json!([[1], [2]]));
    assert_eq!(tables["zoo/crm.gaps"]["rows"], json!([[7]]));
    check_kinds(&tables["zoo/public.kinds"]);

    let mut success = sandbox.s3.list(BUCKET, &format!("{TASK}/zoo/public.e"));
    success.retain(|key| key.ends_with("_SUCCESS"));
    let batches = ["empty/1", "events/1", "events/2", "events/3"];
    assert_eq!(success, batches.map(|batch| format!("{TASK}/zoo/public.{batch}/_SUCCESS")));
    let files = sandbox.s3.list(BUCKET, &format!("{TASK}/export_tables_info_"));
    let ranges = ["11_to_11", "1_to_5", "6_to_10"];
    assert_eq!(files, ranges.map(|range| format!("{TASK}/export_tables_info_{TASK}_from_{range}.json")));
    // The copy that was read is gone with its server.
    let clusters = sandbox.engine.as_ref().unwrap().sockets().read_dir().unwrap();
    let sockets = clusters.filter(|entry| !entry.as_ref().unwrap().path().ends_with(".lock")).count();
    assert!(sockets <= 2, "{sockets} files of sockets: only the cluster's server runs");
}

/// What the guide's table of types says, and the values as PostgreSQL prints them.
fn check_kinds(kinds: &Value) {
    let text = ("BYTE_ARRAY", "UTF8");
    let expected = [
        ("id", ("INT32", ""), json!(1)),
        ("a_bool", ("BOOLEAN", ""), json!(true)),
        ("a_smallint", ("INT32", "INT_16"), json!(-2)),
        ("a_bigint", ("INT64", ""), json!(9_007_199_254_740_993_i64)),
        ("a_real", ("FLOAT", ""), json!(1.5)),
        ("a_double", ("DOUBLE", ""), json!("NaN")),
        ("a_numeric", text, json!("12.30")),
        ("a_money", text, json!("$4.50")),
        ("a_text", text, json!("Grüße,\nwelt")),
        ("a_varchar", text, json!("short")),
        ("a_char", text, json!("ab   ")),
        ("a_bytea", ("BYTE_ARRAY", ""), json!("deadbeef")),
        ("a_date", text, json!("2026-02-28")),
        ("a_time", text, json!("12:34:56.789")),
        ("a_timestamp", text, json!("2026-02-28 12:34:56")),
        ("a_timestamptz", text, json!("2026-02-28 10:34:56+00")),
        ("an_interval", text, json!("1 day 02:03:04")),
        ("a_json", text, json!("{\"a\": 1}")),
        ("a_jsonb", text, json!("{\"b\": [2]}")),
        ("a_uuid", text, json!("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11")),
        ("an_inet", text, json!("10.0.0.1/8")),
        ("a_macaddr", text, json!("08:00:2b:01:02:03")),
        ("a_point", text, json!("(1,2)")),
        ("a_range", text, json!("[1,5)")),
        ("a_bit", text, json!("101")),
        ("a_tsvector", text, json!("'a' 'cat' 'fat'")),
        ("an_array", text, json!("{1,NULL,3}")),
        ("a_mood", text, json!("sad")),
        ("a_pair", text, json!("(7,\"x, y\")")),
        ("a_domain", text, json!("3")),
        ("an_lsn", text, json!("16/B374D848")),
        // Object identifiers have no type there; a type of the owner's that is called as one has.
        ("a_class", text, json!("second")),
        ("doubled", ("INT32", ""), json!(2)),
    ];
    let columns = kinds["columns"].as_array().unwrap();
    let names: Vec<&str> = columns.iter().map(|column| column[0].as_str().unwrap()).collect();
    assert_eq!(names, expected.iter().map(|(name, ..)| *name).collect::<Vec<_>>());
    let (first, second) = (&kinds["rows"][0], &kinds["rows"][1]);
    for (index, (name, (physical, converted), value)) in expected.iter().enumerate() {
        assert_eq!(columns[index][1], *physical, "{name}");
        assert_eq!(columns[index][2].as_str().unwrap_or_default(), *converted, "{name}");
        assert_eq!(columns[index][3], "OPTIONAL", "{name}");
        assert_eq!(first[index], *value, "{name}");
        if !["id", "doubled"].contains(name) {
            assert_eq!(second[index], Value::Null, "{name}");
        }
    }
}
